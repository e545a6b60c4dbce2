"""What the checks read in a sentence, for whoever writes words for them."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.lexicon import Lexicon
from app.domain.spelling import Slip, slips_in
from app.domain.statements import Mention, Passage, read_mentions

LONGEST_SAMPLE = 2000


@dataclass(frozen=True)
class SampleReading:
    """What was read.

    Attributes
    ----------
    mentions
        Abnormalities: stated, denied or in doubt, and on which side.
    slips
        Words that look misspelt.
    marks
        Words that stand for a field that is not filled in.
    """

    mentions: tuple[Mention, ...]
    slips: tuple[Slip, ...]
    marks: tuple[str, ...]


def read_sample(text: str, lexicon: Lexicon) -> SampleReading:
    """Return what a text says, read as a report is; of a long one the beginning."""
    text = text[:LONGEST_SAMPLE]
    mentions = read_mentions((Passage("findings", "", text),), lexicon=lexicon)
    marks = (found.group() for found in lexicon.groups["placeholders.words"].finditer(text))
    slips = slips_in(text, lexicon.own_words)
    return SampleReading(mentions, tuple(slips), tuple(dict.fromkeys(marks)))
