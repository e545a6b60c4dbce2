"""From CTC logits to words: the best path, repeats and blanks removed (Graves et al. 2006)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BLANK, UNKNOWN = 0, 1
MARKS = ("<blank>", "<unknown>")
"""The first classes: no word here, and a word that is not in the vocabulary."""


@dataclass(frozen=True)
class HeardWord:
    """A class of the vocabulary, how probable it was at its surest token, and the first of its tokens."""

    index: int
    confidence: float
    token: int


def decode_words(logits: Tensor) -> tuple[HeardWord, ...]:
    """Follow the best path through (T', V) logits of one utterance."""
    chances, path = logits.softmax(dim=-1).max(dim=-1)
    words: list[HeardWord] = []
    previous = BLANK
    for token, (index, chance) in enumerate(zip(path.tolist(), chances.tolist(), strict=True)):
        if index != BLANK and index == previous:
            words[-1] = HeardWord(index, max(words[-1].confidence, chance), words[-1].token)
        elif index != BLANK:
            words.append(HeardWord(index, chance, token))
        previous = index
    return tuple(words)
