"""From the words that somebody said to the text that they meant: punctuation, numbers, units, capitals.

"three by four millimeters period new line" is "3 x 4 mm." and a line break. What is not surely a number or a
sign stays a word, as it was heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_SMALL = {name: value for value, name in enumerate(_ONES)}
_TENS = {
    name: 10 * (value + 2)
    for value, name in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
    )
}
NUMBER_WORDS = frozenset({*_SMALL, *_TENS, "hundred"})
UNITS: Mapping[str, str] = {
    "millimeter": "mm",
    "millimeters": "mm",
    "millimetre": "mm",
    "millimetres": "mm",
    "centimeter": "cm",
    "centimeters": "cm",
    "centimetre": "cm",
    "centimetres": "cm",
    "milliliter": "ml",
    "milliliters": "ml",
    "millilitre": "ml",
    "millilitres": "ml",
    "percent": "%",
}
SIGNS: Mapping[tuple[str, ...], str] = {
    ("new", "paragraph"): "\n",
    ("new", "line"): "\n",
    ("full", "stop"): ".",
    ("question", "mark"): "?",
    ("open", "parenthesis"): "(",
    ("close", "parenthesis"): ")",
    ("period",): ".",
    ("comma",): ",",
    ("semicolon",): ";",
    ("colon",): ":",
}
_ENDS = frozenset({".", "?", "\n"})
_LEVELS = {"c": 7, "t": 12, "l": 5, "s": 5}
"""Letters of the vertebrae, and how many there are."""

# the bowel, not the sign
_BEFORE_THE_BOWEL = frozenset(
    {
        "the", "a", "of", "in", "or", "and", "ascending", "descending", "transverse", "sigmoid", "right",
        "left", "proximal", "distal", "entire", "large", "whole", "visualized", "remaining",
        "normal", "dilated",
    }
)  # fmt: skip


@dataclass(frozen=True)
class HeardWord:
    """A word or sign, and how sure it was (0 to 1)."""

    text: str
    confidence: float


@dataclass(frozen=True)
class _Found:
    """Text that stands for the next `count` words."""

    text: str
    count: int


def write_out(heard: Sequence[HeardWord], spelt: Mapping[str, str]) -> tuple[HeardWord, ...]:
    """Return the text of what was heard, piece by piece; a piece is as sure as its least sure word.

    Parameters
    ----------
    heard
        Lower-case words, in the order in which they were said.
    spelt
        How words are written that are not lower-case, such as ``ct``: ``CT``.
    """
    words = [word.text for word in heard]
    pieces: list[HeardWord] = []
    at = 0
    while at < len(words):
        found = _next(words, at)
        text = found.text if found else spelt.get(words[at], words[at])
        count = found.count if found else 1
        if pieces and pieces[-1].text in _ENDS and text not in _ENDS:
            text = text[:1].upper() + text[1:]
        pieces.append(HeardWord(text, min(word.confidence for word in heard[at : at + count])))
        at += count
    return tuple(pieces)


def join_pieces(pieces: Sequence[HeardWord]) -> str:
    """Return pieces as text, as the editor joins them."""
    text = ""
    for piece in pieces:
        is_close = not text or text[-1] in "\n(" or piece.text in {".", ",", ";", ":", "?", ")", "\n"}
        text += piece.text if is_close else f" {piece.text}"
    return text


def spell_number(value: int) -> str:
    """Return how a number from 0 to 999 is said."""
    if not 0 <= value <= 999:
        raise ValueError(f"{value} is not said here")
    hundreds, rest = divmod(value, 100)
    words = [_ONES[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        words.append(next(name for name, tens in _TENS.items() if tens == rest // 10 * 10))
        rest %= 10
    if rest or not words:
        words.append(_ONES[rest])
    return " ".join(words)


def _next(words: Sequence[str], at: int) -> _Found | None:
    tries: tuple[Callable[[Sequence[str], int], _Found | None], ...] = (_sign, _level, _measure)
    return next((found for one in tries if (found := one(words, at))), None)


def _sign(words: Sequence[str], at: int) -> _Found | None:
    for said, text in SIGNS.items():
        if tuple(words[at : at + len(said)]) == said:
            return None if said == ("colon",) and _is_bowel(words, at) else _Found(text, len(said))
    return None


def _is_bowel(words: Sequence[str], at: int) -> bool:
    return at == 0 or words[at - 1] in _BEFORE_THE_BOWEL


def _level(words: Sequence[str], at: int) -> _Found | None:
    """A vertebra: ``l four`` is L4."""
    most = _LEVELS.get(words[at])
    number = _whole(words, at + 1) if most else None
    if most is None or number is None or not 1 <= number[0] <= most:
        return None
    return _Found(f"{words[at].upper()}{number[0]}", 1 + number[1])


def _measure(words: Sequence[str], at: int) -> _Found | None:
    """A number with what belongs to it: ``three by four millimeters``, ``two point five``, ``twelve``."""
    first = _number(words, at)
    if first is None:
        return None
    text, count = first.text, first.count
    is_sure = "." in text or float(text) >= 10
    while at + count < len(words) and words[at + count] == "by":
        more = _number(words, at + count + 1)
        if more is None:
            break
        text, count, is_sure = f"{text} x {more.text}", count + 1 + more.count, True
    following = words[at + count] if at + count < len(words) else ""
    if following in UNITS:
        return _Found(f"{text} {UNITS[following]}", count + 1)
    if following in NUMBER_WORDS:
        # two numbers in a row may be a year, a telephone, a slip: as heard
        return _Found(" ".join(words[at : at + count]), count)
    return _Found(text, count) if is_sure else None


def _number(words: Sequence[str], at: int) -> _Found | None:
    whole = _whole(words, at)
    value, count = whole or (0, 0)
    if at + count < len(words) and words[at + count] == "point":
        digits = _digits(words, at + count + 1)
        if digits:
            return _Found(f"{value}.{digits}", count + 1 + len(digits))
    return _Found(str(value), count) if whole else None


def _digits(words: Sequence[str], at: int) -> str:
    found = ""
    while at < len(words) and _SMALL.get(words[at], 10) < 10:
        found += str(_SMALL[words[at]])
        at += 1
    return found


def _whole(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """A whole number below 1000 and how many words it has."""
    below = _below_hundred(words, at)
    after = at + below[1] if below else at
    if below and 1 <= below[0] <= 9 and words[after : after + 1] == ["hundred"]:
        skips = 2 if words[after + 1 : after + 2] == ["and"] else 1
        rest = _below_hundred(words, after + skips)
        if rest and rest[0]:
            return 100 * below[0] + rest[0], below[1] + skips + rest[1]
        return 100 * below[0], below[1] + 1
    return below


def _below_hundred(words: Sequence[str], at: int) -> tuple[int, int] | None:
    word = words[at] if at < len(words) else ""
    if word in _SMALL:
        return _SMALL[word], 1
    if word not in _TENS:
        return None
    ones = _SMALL.get(words[at + 1], 0) if at + 1 < len(words) else 0
    return (_TENS[word] + ones, 2) if 1 <= ones <= 9 else (_TENS[word], 1)
