"""One sentence of a report: its section, who wrote it, and what the reader made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain.errors import Rejected


class Section(StrEnum):
    """The sections of a report that hold sentences, in reading order."""

    INDICATION = "indication"
    COMPARISON = "comparison"
    TECHNIQUE = "technique"
    FINDINGS = "findings"
    IMPRESSION = "impression"


REQUIRED_SECTIONS = (Section.FINDINGS, Section.IMPRESSION)
"""What no report can be signed without, and what the model drafts: the reading itself."""


class Origin(StrEnum):
    """Who wrote the sentence first: the model, a person, or the department's template."""

    AI = "AI"
    HUMAN = "HUMAN"
    TEMPLATE = "TEMPLATE"


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

    @property
    def is_unread(self) -> bool:
        """Whether a reader has to look at it before it can be signed.

        Everything of the model's, and of a template what says how the patient is: a normal finding that
        nobody looked for is as wrong from a template as from a model. What a template takes from order,
        earlier studies and images stands as it is.
        """
        if self.origin is Origin.TEMPLATE and self.section not in REQUIRED_SECTIONS:
            return False
        return self.origin is not Origin.HUMAN and self.decision is Decision.UNTOUCHED

    @property
    def may_leave(self) -> bool:
        """Whether a signature covers it: neither refused nor unread, and not empty."""
        return self.decision is not Decision.REJECTED and not self.is_unread and bool(self.text.strip())

    def accept(self) -> Sentence:
        """Return the sentence as the reader's own, as it stands; text that a reader wrote stays theirs."""
        is_untouched = self.origin is Origin.TEMPLATE and self.decision is Decision.UNTOUCHED
        is_ai_text = self.origin is Origin.AI and self.text == self.ai_text
        return replace(self, decision=Decision.ACCEPTED if is_ai_text or is_untouched else Decision.EDITED)

    def reject(self) -> Sentence:
        """Return the sentence as refused: it stays on record and never leaves."""
        return replace(self, decision=Decision.REJECTED)

    def reopen(self) -> Sentence:
        """Return the sentence as before the last decision: unread again, or the reader's own text."""
        if self.origin is Origin.HUMAN or (self.decision is Decision.REJECTED and self._is_rewritten):
            return replace(self, decision=Decision.EDITED)
        text = self.ai_text if self.origin is Origin.AI else self.text
        return replace(self, text=text, decision=Decision.UNTOUCHED)

    @property
    def _is_rewritten(self) -> bool:
        return self.origin is Origin.AI and self.text != self.ai_text

    def edit(self, text: str) -> Sentence:
        """Return the sentence with the reader's text; control characters are refused."""
        return replace(self, text=clean_text(text), decision=Decision.EDITED)


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


def in_order(sentences: Sequence[Sentence], section: Section) -> list[Sentence]:
    """Return the sentences of one section as they are read."""
    return sorted((s for s in sentences if s.section is section), key=lambda s: (s.position, s.key))
