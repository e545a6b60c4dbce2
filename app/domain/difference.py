"""What became of the model's draft in a report: sentence by sentence, and each section as it is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.report import Decision, Origin, Section, Sentence, compose_section
from app.domain.wording import Piece, compare


class Fate(StrEnum):
    """What the reader made of a sentence."""

    UNTOUCHED = "unread"
    ACCEPTED = "accepted"
    EDITED = "edited"
    REJECTED = "rejected"
    ADDED = "added"


@dataclass(frozen=True)
class Change:
    """One sentence, with the words that left and came.

    Attributes
    ----------
    pieces
        From what the model wrote to what stands now: nothing of an addition was there, nothing of a rejected
        sentence stays.
    """

    key: str
    section: Section
    fate: Fate
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Difference:
    """The model's draft against the report.

    Attributes
    ----------
    sections
        The draft's text of each section against the report's, word by word; corrections count.
    """

    changes: tuple[Change, ...]
    sections: Mapping[Section, tuple[Piece, ...]]

    def count(self, fate: Fate) -> int:
        """Return how many sentences met this fate."""
        return sum(change.fate is fate for change in self.changes)


def difference_of(sentences: Sequence[Sentence], in_force: Mapping[str, str] | None = None) -> Difference:
    """Return what became of the draft of these sentences.

    Parameters
    ----------
    in_force
        The text of a signed report by section, with its corrections; None takes the sentences'.
    """
    ordered = sorted(sentences, key=lambda s: (list(Section).index(s.section), s.position))
    kept = [s for s in ordered if _is_told(s)]
    drafted = {
        section: " ".join(s.ai_text for s in ordered if s.section is section and s.origin is Origin.AI)
        for section in Section
    }
    final = {
        section: compose_section(sentences, section) if in_force is None else in_force.get(section.value, "")
        for section in Section
    }
    return Difference(
        changes=tuple(_change(sentence) for sentence in kept),
        sections={section: compare(drafted[section], final[section]) for section in Section},
    )


def _change(sentence: Sentence) -> Change:
    fate = _fate(sentence)
    drafted = sentence.ai_text if sentence.origin is Origin.AI else ""
    final = "" if fate is Fate.REJECTED else sentence.text
    return Change(sentence.key, sentence.section, fate, compare(drafted, final))


def _is_told(sentence: Sentence) -> bool:
    """Tell whether there is anything to say of it: what a reader wrote and removed again is no change."""
    if sentence.origin is Origin.AI:
        return bool(sentence.text.strip() or sentence.ai_text.strip())
    return bool(sentence.text.strip()) and sentence.decision is not Decision.REJECTED


def _fate(sentence: Sentence) -> Fate:
    if sentence.decision is Decision.REJECTED:
        return Fate.REJECTED
    if sentence.origin is not Origin.AI:
        return Fate.ADDED
    return Fate[sentence.decision.name]
