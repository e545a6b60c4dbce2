"""Medical words that are one slip of the keys away from how they are written, in English and German.

The browser marks what its own dictionary does not know; that is no help where it knows no medicine. Only what
is close to a known word is told: a word that is merely unknown is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from app.domain.lexicon import REPORT_LANGUAGES, OwnWords

SHORTEST = 7
_NO_WORDS = OwnWords()
_WORD = re.compile(r"[^\W\d_]{7,}")
_ENDINGS = (
    "s", "es", "ed", "d", "ing", "ly", "ally", "al", "ar", "ic", "ies", "y", "ized", "ization",
    "n", "en", "e", "er", "em", "ern", "r", "t", "te", "ten", "bar", "lich", "isch", "ische", "ischen",
)  # fmt: skip


@dataclass(frozen=True)
class Slip:
    """A word and how it is written."""

    word: str
    meant: str


def slips_in(text: str, own: OwnWords = _NO_WORDS) -> Iterator[Slip]:
    """Return the misspelt medical words of a text, each once, in reading order.

    Parameters
    ----------
    own
        Words of the department.
    """
    for word in dict.fromkeys(found.group() for found in _WORD.finditer(text)):
        meant = meant_by(word.casefold(), own)
        if meant:
            yield Slip(word, meant)


@cache
def _words() -> frozenset[str]:
    folder = files("app.domain") / "lexicon"
    texts = [(folder / f"spelling_{name}.txt").read_text(encoding="utf-8") for name in REPORT_LANGUAGES]
    return frozenset(word for text in texts for word in text.casefold().split())


@lru_cache(maxsize=4)
def _under_one_letter_less(words: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    """Every long word under itself and under what is left of it without one letter."""
    found: dict[str, list[str]] = {}
    for word in sorted(words):
        if len(word) >= SHORTEST:
            for key in {word, *_without_one(word)}:
                found.setdefault(key, []).append(word)
    return {key: tuple(words) for key, words in found.items()}


def is_listed(word: str) -> bool:
    """Tell whether a lower-case word is one of the program's own lists."""
    return word in _words()


def meant_by(word: str, own: OwnWords = _NO_WORDS) -> str:
    """Return the word that a lower-case one was meant to be; empty when it is well or strange."""
    if len(word) < SHORTEST or _is_known(word, own):
        return ""
    near = {
        known
        for words in (_words(), own.medical)
        for key in {word, *_without_one(word)}
        for known in _under_one_letter_less(words).get(key, ())
    }
    slips = sorted(known for known in near if _is_slip(word, known))
    return slips[0] if len(slips) == 1 else ""


def _is_known(word: str, own: OwnWords) -> bool:
    stems = [word[: -len(ending)] for ending in _ENDINGS if word.endswith(ending)]
    forms = [word, *(form for stem in stems for form in (stem, f"{stem}y", f"{stem}e"))]
    return any(form in _words() or form in own for form in forms)


def _is_slip(word: str, known: str) -> bool:
    """Tell whether one letter is missing, too many, wrong or swapped, and not only the ending differs."""
    start = _common(word, known)
    if start >= len(known) - 2 or start >= len(word) - 2 or start == 0:
        return False
    end = _common(word[::-1], known[::-1])
    longest, shortest = max(len(word), len(known)), min(len(word), len(known))
    if longest - shortest == 1:
        return start + end >= shortest
    if start + end >= longest - 1:
        return longest == shortest
    left, right = word[start : longest - end], known[start : longest - end]
    return longest == shortest and len(left) == 2 and left == right[::-1]


def _common(one: str, other: str) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _without_one(word: str) -> set[str]:
    return {word[:at] + word[at + 1 :] for at in range(len(word))}
