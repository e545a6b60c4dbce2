"""What changed between two texts, word by word, for a reader who compares them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Piece:
    """A run of words: the same in both texts, or what stood there and what stands there now."""

    old: str
    new: str


def compare(old: str, new: str) -> tuple[Piece, ...]:
    """Return both texts in pieces, in reading order; their words joined by blanks are the texts again."""
    return tuple(_pieces(old.split(), new.split()))


def _pieces(old: list[str], new: list[str]) -> Iterator[Piece]:
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for _, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        yield Piece(" ".join(old[old_from:old_to]), " ".join(new[new_from:new_to]))
