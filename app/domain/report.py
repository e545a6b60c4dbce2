"""A report: human-owned text that may have begun as a draft, sentence by sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.domain.errors import NotFound
from app.domain.machine import advance
from app.domain.sentence import (
    REQUIRED_SECTIONS,
    Decision,
    Origin,
    Region,
    Section,
    Sentence,
    clean_text,
    in_order,
)

__all__ = [
    "AMENDABLE",
    "EDITABLE",
    "FINAL",
    "REPORT_TRANSITIONS",
    "REQUIRED_SECTIONS",
    "WITHDRAWABLE",
    "Decision",
    "Origin",
    "Region",
    "Report",
    "ReportCommand",
    "ReportState",
    "Section",
    "Sentence",
    "accepted_findings",
    "clean_text",
    "compose_report",
    "compose_section",
    "in_order",
    "releasable",
    "written_sections",
]


class ReportState(StrEnum):
    """Life of a report; one state, three standards (see `docs/conformance.md`)."""

    DRAFTED = "DRAFTED"
    IN_REVIEW = "IN_REVIEW"
    PRELIMINARY = "PRELIMINARY"
    SIGNED = "SIGNED"
    ADDENDED = "ADDENDED"
    CORRECTED = "CORRECTED"
    REJECTED = "REJECTED"
    SUPERSEDED = "SUPERSEDED"
    WITHDRAWN = "WITHDRAWN"


class ReportCommand(StrEnum):
    """What a reader, or a late image, does to a report."""

    OPEN = "open"
    SIGN_PRELIMINARY = "sign preliminary"
    SIGN_FINAL = "sign final"
    ADD = "add addendum"
    CORRECT = "correct"
    REJECT = "reject"
    SUPERSEDE = "supersede"
    WITHDRAW = "withdraw"


_R, _C = ReportState, ReportCommand
REPORT_TRANSITIONS: Mapping[tuple[ReportState, ReportCommand], ReportState] = {
    (_R.DRAFTED, _C.OPEN): _R.IN_REVIEW,
    (_R.IN_REVIEW, _C.OPEN): _R.IN_REVIEW,
    (_R.PRELIMINARY, _C.OPEN): _R.PRELIMINARY,
    (_R.IN_REVIEW, _C.SIGN_PRELIMINARY): _R.PRELIMINARY,
    (_R.PRELIMINARY, _C.SIGN_PRELIMINARY): _R.PRELIMINARY,
    (_R.IN_REVIEW, _C.SIGN_FINAL): _R.SIGNED,
    (_R.PRELIMINARY, _C.SIGN_FINAL): _R.SIGNED,
    (_R.SIGNED, _C.ADD): _R.ADDENDED,
    (_R.ADDENDED, _C.ADD): _R.ADDENDED,
    (_R.CORRECTED, _C.ADD): _R.ADDENDED,
    (_R.SIGNED, _C.CORRECT): _R.CORRECTED,
    (_R.ADDENDED, _C.CORRECT): _R.CORRECTED,
    (_R.CORRECTED, _C.CORRECT): _R.CORRECTED,
    (_R.DRAFTED, _C.REJECT): _R.REJECTED,
    (_R.IN_REVIEW, _C.REJECT): _R.REJECTED,
    (_R.DRAFTED, _C.SUPERSEDE): _R.SUPERSEDED,
    (_R.IN_REVIEW, _C.SUPERSEDE): _R.SUPERSEDED,
    (_R.PRELIMINARY, _C.SUPERSEDE): _R.SUPERSEDED,
    (_R.SIGNED, _C.WITHDRAW): _R.WITHDRAWN,
    (_R.ADDENDED, _C.WITHDRAW): _R.WITHDRAWN,
    (_R.CORRECTED, _C.WITHDRAW): _R.WITHDRAWN,
}

EDITABLE = frozenset({ReportState.IN_REVIEW, ReportState.PRELIMINARY})
FINAL = frozenset({ReportState.SIGNED, ReportState.ADDENDED, ReportState.CORRECTED, ReportState.WITHDRAWN})
AMENDABLE = frozenset(state for state, command in REPORT_TRANSITIONS if command is ReportCommand.ADD)
WITHDRAWABLE = frozenset(state for state, command in REPORT_TRANSITIONS if command is ReportCommand.WITHDRAW)


@dataclass(frozen=True)
class Report:
    """The human-owned text of one study revision.

    Attributes
    ----------
    version
        Grows by one with every change; a write names the version it was made from.
    ai_model
        ``id (weights digest)`` of the model whose draft it began as; empty when written by hand.
    """

    report_id: int
    study_uid: str
    revision: int
    state: ReportState
    version: int
    draft_id: int | None
    ai_model: str
    sentences: tuple[Sentence, ...]
    updated_at: datetime

    @property
    def is_editable(self) -> bool:
        """Whether its text may change."""
        return self.state in EDITABLE

    @property
    def is_final(self) -> bool:
        """Whether an attending has signed it; a withdrawn one stays what was signed."""
        return self.state in FINAL

    def sentence(self, key: str) -> Sentence:
        """Return the sentence with this key, or raise `NotFound`."""
        for sentence in self.sentences:
            if sentence.key == key:
                return sentence
        raise NotFound(f"report {self.report_id} has no sentence {key[:40]!r}")

    def advance(self, command: ReportCommand, *, now: datetime) -> Report:
        """Return the report after `command`; `InvalidTransition` when its state does not allow it."""
        state = advance(REPORT_TRANSITIONS, self.state, command)
        return replace(self, state=state, version=self.version + 1, updated_at=now)

    def with_sentences(self, changed: Sequence[Sentence], *, now: datetime) -> Report:
        """Return the report with several sentences changed or added in one version."""
        by_key = {s.key: s for s in self.sentences} | {s.key: s for s in changed}
        return replace(self, sentences=tuple(by_key.values()), version=self.version + 1, updated_at=now)

    def move(self, key: str, step: int) -> tuple[Sentence, ...]:
        """Return the two sentences that change places; none at the end of a section."""
        moved = self.sentence(key)
        ordered = in_order(self.sentences, moved.section)
        at = ordered.index(moved)
        to = at + (1 if step > 0 else -1)
        if not 0 <= to < len(ordered):
            return ()
        numbered = [replace(s, position=number) for number, s in enumerate(ordered)]
        numbered[at], numbered[to] = (
            replace(numbered[at], position=to),
            replace(numbered[to], position=at),
        )
        return tuple(s for s in numbered if s not in self.sentences)

    def insert(self, section: Section, text: str, *, after: str = "") -> tuple[Sentence, ...]:
        """Return a sentence of the reader's own, and those that it moves; not yet part of the report.

        Parameters
        ----------
        after
            Key of the sentence that it follows; at the end of the section without.
        """
        number = 1 + sum(s.origin is Origin.HUMAN for s in self.sentences)
        own = Sentence(
            key=f"human-{number}",
            section=section,
            position=1 + max((s.position for s in self.sentences if s.section is section), default=-1),
            text=clean_text(text),
            ai_text="",
            origin=Origin.HUMAN,
            decision=Decision.EDITED,
        )
        ordered = in_order(self.sentences, section)
        keys = [s.key for s in ordered]
        if after not in keys[:-1]:
            return (own,)
        at = keys.index(after) + 1
        follow = (replace(s, position=at + 1 + i) for i, s in enumerate(ordered[at:]))
        before = (replace(s, position=i) for i, s in enumerate(ordered[:at]))
        moved = tuple(s for s in (*before, *follow) if s not in self.sentences)
        return (replace(own, position=at), *moved)


def compose_section(sentences: Sequence[Sentence], section: Section) -> str:
    """Return the text of one section: its sentences in order, without the rejected and the empty ones."""
    kept = (s.text.strip() for s in in_order(sentences, section) if s.decision is not Decision.REJECTED)
    return " ".join(text for text in kept if text)


def compose_report(sentences: Sequence[Sentence]) -> dict[str, str]:
    """Return the text per section, keyed by `Section` value: what says nothing is left out.

    Findings and impression are always there, so that a report of these two alone reads as it did before
    there were others, and what was signed then is composed as it was.
    """
    return written_sections({section.value: compose_section(sentences, section) for section in Section})


def written_sections(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts in reading order, without the sections that may be empty and are."""
    return {
        section.value: texts.get(section.value, "")
        for section in Section
        if section in REQUIRED_SECTIONS or texts.get(section.value)
    }


def accepted_findings(sentences: Sequence[Sentence]) -> tuple[str, ...]:
    """Return the findings behind the sentences that stay, each once, in reading order."""
    names: dict[str, None] = {}
    for sentence in sorted(sentences, key=lambda s: (list(Section).index(s.section), s.position)):
        if sentence.decision is not Decision.REJECTED:
            names.update(dict.fromkeys(sentence.findings))
    return tuple(names)


def releasable(sentences: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """Return what of a signed report may leave: nothing rejected, and of the model only what was accepted.

    A sentence that the reader rewrote keeps neither the model's words nor its findings, confidence and
    region: nobody has attested those.
    """
    return tuple(
        s
        if s.decision is Decision.ACCEPTED
        else replace(s, ai_text="", findings=(), confidence=None, region=None)
        for s in sentences
        if s.may_leave
    )
