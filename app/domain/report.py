"""A report: human-owned text that may have begun as a draft, sentence by sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.domain.errors import NotFound, Rejected
from app.domain.machine import advance


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


class Section(StrEnum):
    """The sections of a report that hold sentences, in reading order."""

    FINDINGS = "findings"
    IMPRESSION = "impression"


class Origin(StrEnum):
    """Who wrote the sentence first."""

    AI = "AI"
    HUMAN = "HUMAN"


class Decision(StrEnum):
    """What the reader did with a sentence."""

    UNTOUCHED = "UNTOUCHED"
    ACCEPTED = "ACCEPTED"
    EDITED = "EDITED"
    REJECTED = "REJECTED"


@dataclass(frozen=True)
class Region:
    """Where the attention behind a sentence lies: not a measurement, never exported as a segmentation.

    Attributes
    ----------
    box
        (x0, y0, x1, y1): columns and rows of the source image, (0, 0) the top left pixel's corner.
    """

    sop_uid: str
    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True)
class Sentence:
    """One sentence of a report, with what the model wrote and what the reader made of it.

    Attributes
    ----------
    key
        Stable within its report; the order on the page is `position` within `section`.
    ai_text
        What the model wrote; empty for a sentence that a person added.
    """

    key: str
    section: Section
    position: int
    text: str
    ai_text: str
    origin: Origin
    decision: Decision
    findings: tuple[str, ...] = ()
    confidence: float | None = None
    region: Region | None = None

    @property
    def is_untouched_ai(self) -> bool:
        """Whether the text is the model's and nobody has looked at it yet (it must be marked as such)."""
        return self.origin is Origin.AI and self.decision is Decision.UNTOUCHED

    def accept(self) -> Sentence:
        """Return the sentence as the reader's own, as it stands; text that a reader wrote stays theirs."""
        is_ai_text = self.origin is Origin.AI and self.text == self.ai_text
        return replace(self, decision=Decision.ACCEPTED if is_ai_text else Decision.EDITED)

    def reject(self) -> Sentence:
        """Return the sentence as refused: it stays on record and never leaves."""
        return replace(self, decision=Decision.REJECTED)

    def edit(self, text: str) -> Sentence:
        """Return the sentence with the reader's text; control characters are refused."""
        return replace(self, text=clean_text(text), decision=Decision.EDITED)


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

    def with_sentence(self, sentence: Sentence, *, now: datetime) -> Report:
        """Return the report with the sentence in place of the one with its key, or at the end."""
        known = any(s.key == sentence.key for s in self.sentences)
        if known:
            sentences = tuple(sentence if s.key == sentence.key else s for s in self.sentences)
        else:
            sentences = (*self.sentences, sentence)
        return replace(self, sentences=sentences, version=self.version + 1, updated_at=now)

    def new_sentence(self, section: Section, text: str) -> Sentence:
        """Return a sentence of the reader's own for the end of a section; not yet part of the report."""
        written = sum(s.origin is Origin.HUMAN for s in self.sentences)
        after = max((s.position for s in self.sentences if s.section is section), default=-1)
        return Sentence(
            key=f"human-{written + 1}",
            section=section,
            position=after + 1,
            text=clean_text(text),
            ai_text="",
            origin=Origin.HUMAN,
            decision=Decision.EDITED,
        )


def clean_text(text: str) -> str:
    """Return `text` with its white space normalised.

    Raises
    ------
    Rejected
        If it holds control characters (they would break HL7 segments and DICOM texts) or lone surrogates,
        or is longer than 10,000 characters.
    """
    text = " ".join(text.replace("\r", "\n").split())
    if len(text) > 10_000:
        raise Rejected(f"a sentence of {len(text)} characters is too long (10,000 at most): split it")
    if any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in text):
        raise Rejected("the text contains control characters: remove them and try again")
    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        raise Rejected("the text contains half of a character: remove it and try again")
    return text


def compose_section(sentences: Sequence[Sentence], section: Section) -> str:
    """Return the text of one section: its sentences in order, without the rejected and the empty ones."""
    kept = [
        s
        for s in sentences
        if s.section is section and s.decision is not Decision.REJECTED and s.text.strip()
    ]
    return " ".join(s.text.strip() for s in sorted(kept, key=lambda s: s.position))


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
        if s.decision in {Decision.ACCEPTED, Decision.EDITED} and s.text.strip()
    )
