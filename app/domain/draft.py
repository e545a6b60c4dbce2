"""What the model drafted for one study revision, as the application keeps it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.ai_model import identify
from app.domain.critical import CRITICAL_FINDINGS
from app.domain.errors import Rejected
from app.domain.order import NO_CONTEXT, ClinicalContext
from app.domain.report import REQUIRED_SECTIONS, Decision, Origin, Region, Section, Sentence, clean_text
from app.domain.study import Instance, Study

_DENIALS = frozenset({"negative", "normal"})


@dataclass(frozen=True)
class DraftContent:
    """A draft as the drafting worker hands it over: a study of the JSON contract of `janus-med draft`.

    Attributes
    ----------
    status
        ``drafted`` or ``undrafted``; with the latter `reason` says why and the rest may be empty.
    model, findings, sentences, report, issues, timings
        JSON values of the contract (`docs/draft_json.md`).
    provenance
        Input SOP Instance UIDs, preprocessing digest and seed: enough to run it again.
    """

    status: str
    reason: str
    model: Mapping[str, Any]
    findings: tuple[Mapping[str, Any], ...]
    sentences: tuple[Mapping[str, Any], ...]
    report: Mapping[str, Any]
    issues: tuple[Mapping[str, Any], ...]
    timings: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def is_drafted(self) -> bool:
        """Whether there is text to show."""
        return self.status == "drafted"

    @property
    def model_name(self) -> str:
        """The model's id with the first digits of its weights' digest, as shown beside AI text."""
        if not self.model:
            return ""
        return identify(self.model).name

    @property
    def present_findings(self) -> tuple[str, ...]:
        """Names of the findings that the model calls present."""
        return tuple(str(f["name"]) for f in self.findings if f.get("decision") == "present")


@dataclass(frozen=True)
class Draft:
    """A stored draft; there is one per study revision, and a later revision supersedes it."""

    draft_id: int
    study_uid: str
    revision: int
    content: DraftContent
    created_at: datetime
    superseded_at: datetime | None


@dataclass(frozen=True)
class DraftingOrder:
    """What the drafting worker is to draft: a study, the instances of its revision, and why it was made.

    Attributes
    ----------
    context
        What the RIS's orders say; empty when there is none.
    awaits_worklist
        The worklist has been asked and has not answered yet.
    """

    study: Study
    instances: tuple[Instance, ...]
    context: ClinicalContext = NO_CONTEXT
    awaits_worklist: bool = False


def undrafted(reason: str) -> DraftContent:
    """Return the content of a study without a draft, with the reason that the worklist shows."""
    return DraftContent("undrafted", reason, {}, (), (), {}, (), {}, {})


def sentences_of(content: DraftContent, sop_uids: Collection[str]) -> tuple[Sentence, ...]:
    """Return the sentences of a draft, as the report begins with them.

    Parameters
    ----------
    sop_uids
        SOP Instance UIDs of the study revision; a draft that points elsewhere was made of another study.

    Raises
    ------
    Rejected
        If the draft is not fit to be shown: a number that is none, an unknown section, no text at all,
        control characters, or an image of another study.
    """
    require_plain_json(content)
    strangers = {str(uid) for uid in _uids_in(content)} - set(sop_uids)
    if strangers:
        raise Rejected(f"the draft refers to an image that is not of this study: {min(strangers)[:64]}")
    sentences = _critical_first(
        [_sentence(number, raw) for number, raw in enumerate(content.sentences, start=1)], content
    )
    if not any(sentence.text for sentence in sentences):
        raise Rejected("the draft has no text")
    return sentences


def _critical_first(sentences: Sequence[Sentence], content: DraftContent) -> tuple[Sentence, ...]:
    """Return the sentences in reading order: what is critical stands at the head of its section."""
    critical = CRITICAL_FINDINGS & set(content.present_findings)
    denied = {
        f"ai-{n}" for n, raw in enumerate(content.sentences, start=1) if raw.get("polarity") in _DENIALS
    }
    ordered = sorted(sentences, key=lambda s: s.key in denied or critical.isdisjoint(s.findings))
    return tuple(replace(sentence, position=position) for position, sentence in enumerate(ordered))


def require_plain_json(content: DraftContent) -> None:
    """Raise `Rejected` when a value of the draft cannot be kept: not JSON, not a finite number, or NUL."""
    try:
        text = json.dumps(asdict(content), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Rejected(f"the draft holds a value that is not JSON: {error}") from None
    if "\\u0000" in text or "\\ud8" in text.lower():
        raise Rejected("the draft holds a character that cannot be stored")


def _uids_in(content: DraftContent) -> Iterator[str]:
    for part in (*content.findings, *content.sentences):
        if part.get("region"):
            yield part["region"].get("sop_instance_uid", "")
    yield from content.provenance.get("sop_instance_uids", ())


def _sentence(number: int, raw: Mapping[str, Any]) -> Sentence:
    try:
        section, text = _drafted_section(raw["section"]), clean_text(str(raw["text"]))
        region = _region(raw["region"]) if raw.get("region") else None
        confidence = None if raw.get("confidence") is None else _fraction(raw["confidence"])
        findings = tuple(str(name) for name in raw.get("findings", ()))
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(f"sentence {number} of the draft does not follow the contract: {error!r}") from None
    return Sentence(
        key=f"ai-{number}",
        section=section,
        position=number - 1,
        text=text,
        ai_text=text,
        origin=Origin.AI,
        decision=Decision.UNTOUCHED,
        findings=findings,
        confidence=confidence,
        region=region,
    )


def _drafted_section(name: Any) -> Section:
    section = Section(name)
    if section not in REQUIRED_SECTIONS:
        raise ValueError(f"a model does not write the section {section.value}")
    return section


def _region(raw: Mapping[str, Any]) -> Region:
    x0, y0, x1, y1 = (float(edge) for edge in raw["box"])
    if not (all(map(math.isfinite, (x0, y0, x1, y1))) and x0 <= x1 and y0 <= y1):
        raise ValueError(f"box {raw['box']} is not x0 <= x1, y0 <= y1")
    return Region(str(raw["sop_instance_uid"]), (x0, y0, x1, y1), float(raw["score"]))


def _fraction(raw: Any) -> float:
    value = float(raw)
    if not 0 <= value <= 1:
        raise ValueError(f"confidence {value} is not in [0, 1]")
    return value
