"""Templates of reports: what a department writes for one kind of examination, and which fits a study."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.errors import Rejected
from app.domain.prior import is_same_family, regions_of
from app.domain.report import REQUIRED_SECTIONS, Decision, Origin, Report, Section, Sentence, clean_text
from app.domain.study import Study

PLACEHOLDERS: Mapping[str, str] = {
    "indication": "why the study was made, by its order",
    "procedure": "the procedure that was ordered",
    "prior": "kind and date of the latest relevant earlier study",
    "description": "the study's description",
    "body part": "the study's body part",
    "modality": "the study's modality",
    "images": "how many images were read",
    "series": "how many series were read",
}
"""What stands in braces in a template; a line whose placeholder has no value is left out."""

MOST_CHOICES = 9
LONGEST_NAME = 80
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FIELD = re.compile(r"\[([^\[\]]*)\]")
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class TemplateContent:
    """What a template says, and of which studies.

    Attributes
    ----------
    language
        Of its text, for example ``en``.
    modality, body_part
        Of the studies that it is for; empty: of any.
    sections
        Lines by section, each a sentence: with fields ``[side]`` and choices ``[none|mild]`` that the reader
        fills in, and placeholders in braces that the study does.
    """

    name: str
    language: str
    modality: str
    body_part: str
    sections: Mapping[Section, tuple[str, ...]]
    is_active: bool = True

    def tidied(self) -> TemplateContent:
        """Return the content as it is kept.

        Raises
        ------
        Rejected
            Naming every mistake, a line each.
        """
        sections = {
            section: tuple(line for raw in self.sections.get(section, ()) if (line := " ".join(raw.split())))
            for section in Section
        }
        tidy = TemplateContent(
            name=" ".join(self.name.split()),
            language=self.language.strip().lower(),
            modality=self.modality.strip().upper(),
            body_part=" ".join(self.body_part.split()).upper(),
            sections={section: lines for section, lines in sections.items() if lines},
            is_active=self.is_active,
        )
        if mistakes := tidy.mistakes():
            raise Rejected("\n".join(mistakes))
        return tidy

    def mistakes(self) -> list[str]:
        """Return what keeps the template from being used, each with its place."""
        found = []
        if not 1 <= len(self.name) <= LONGEST_NAME:
            found.append(f"the name has {len(self.name)} characters: give 1 to {LONGEST_NAME}")
        if not re.fullmatch(r"[a-z]{2}(-[a-z]{2})?", self.language):
            found.append(f"the language {self.language[:20]!r} is none: write en, de ...")
        if not re.fullmatch(r"[A-Z]{0,16}", self.modality):
            found.append(f"the modality {self.modality[:20]!r} is none: write CR, CT ... or nothing")
        if not re.fullmatch(r"[\w ./-]{0,64}", self.body_part):
            found.append(f"the body part {self.body_part[:20]!r} is none: write CHEST ... or nothing")
        if not any(self.sections.values()):
            found.append("no section has text")
        for section, lines in self.sections.items():
            for number, line in enumerate(lines, start=1):
                found += [f"{section.value}, line {number}: {mistake}" for mistake in _mistakes_in(line)]
        return found


@dataclass(frozen=True)
class ReportTemplate:
    """A template as it stands, or as it stood: an edit is a new version."""

    template_id: int
    version: int
    content: TemplateContent
    username: str
    at: datetime


def choose_template(templates: Sequence[ReportTemplate], study: Study) -> ReportTemplate | None:
    """Return the active template that fits a study best: its body part counts more than its modality.

    The earliest of equals is taken.
    """
    fitting = [
        (fit, -template.template_id, template)
        for template in templates
        if template.content.is_active and (fit := _fit(template.content, study)) is not None
    ]
    return max(fitting, key=lambda one: one[:2], default=(0, 0, None))[2]


def fill_in(
    template: TemplateContent, values: Mapping[str, str], report: Report, *, sections: Sequence[Section]
) -> tuple[Sentence, ...]:
    """Return the sentences that a template gives a report; not yet part of it.

    Parameters
    ----------
    values
        What the placeholders stand for in this study; what is not known is missing or empty.
    sections
        Which are wanted.
    """
    taken = {sentence.key for sentence in report.sentences}
    keys = (f"template-{number}" for number in range(1, 10_000))
    free = (key for key in keys if key not in taken)
    return tuple(
        Sentence(
            key=next(free),
            section=section,
            position=position,
            text=text,
            ai_text="",
            origin=Origin.TEMPLATE,
            decision=Decision.UNTOUCHED,
        )
        for section in Section
        if section in sections
        for position, text in enumerate(_filled(template.sections.get(section, ()), values))
    )


def wanted_sections(report: Report) -> tuple[Section, ...]:
    """Return the sections that a template may fill: empty ones, of the reading only without an AI draft."""
    has_draft = any(sentence.origin is Origin.AI for sentence in report.sentences)
    written = {
        sentence.section for sentence in report.sentences if sentence.decision is not Decision.REJECTED
    }
    return tuple(
        section
        for section in Section
        if section not in written and not (has_draft and section in REQUIRED_SECTIONS)
    )


def _filled(lines: Sequence[str], values: Mapping[str, str]) -> list[str]:
    filled = []
    for line in lines:
        names = _PLACEHOLDER.findall(line)
        if all(values.get(name) for name in names):
            # values come from orders and headers: a bracket in them is no field of ours
            said = _PLACEHOLDER.sub(lambda found: _plain(values[found.group(1)]), line)
            filled.append(clean_text(said))
    return filled


def _plain(value: str) -> str:
    return value.replace("[", "(").replace("]", ")").replace("___", "...")


def _fit(content: TemplateContent, study: Study) -> int | None:
    """Return how well a template fits; None when it is for other studies."""
    modality = _fit_of_modality(content.modality, study.modality.upper())
    part = _fit_of_part(content.body_part, f"{study.body_part} {study.description}")
    return None if modality is None or part is None else 4 * part + modality


def _fit_of_modality(wanted: str, has: str) -> int | None:
    if not wanted:
        return 0
    if wanted == has:
        return 2
    return 1 if is_same_family(wanted, has) else None


def _fit_of_part(wanted: str, has: str) -> int | None:
    if not wanted:
        return 0
    if _words(wanted) <= _words(has):
        return 2
    # a knee is no hand: of the regions, only those that are one part of the body
    shared = (regions_of(wanted) & regions_of(has)) - {"extremity"}
    return 1 if shared else None


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(text.lower()))


def _mistakes_in(line: str) -> list[str]:
    found = []
    try:
        clean_text(line)
    except Rejected as error:
        found.append(str(error))
    rest = _FIELD.sub("", line)
    if "[" in rest or "]" in rest:
        found.append("a bracket is not closed, or stands within another")
    for name in _PLACEHOLDER.findall(line):
        if name not in PLACEHOLDERS:
            found.append(f"there is no placeholder {{{name[:30]}}}: use {', '.join(PLACEHOLDERS)}")
    if "{" in _PLACEHOLDER.sub("", line) or "}" in _PLACEHOLDER.sub("", line):
        found.append("a brace is not closed, or stands within another")
    for text in _FIELD.findall(line):
        found += _mistakes_in_field(text)
    return found


def _mistakes_in_field(text: str) -> list[str]:
    choices = [choice.strip() for choice in text.split("|")]
    if not text.strip():
        return ["a field [] has no name"]
    if not all(choices):
        return [f"the field [{text[:30]}] has an empty choice"]
    if len(choices) > MOST_CHOICES:
        return [f"the field [{text[:30]}] has {len(choices)} choices: {MOST_CHOICES} at most, one key each"]
    if len(set(choices)) < len(choices):
        return [f"the field [{text[:30]}] offers the same choice twice"]
    return []
