"""How the sentences of a template or phrase list are said: choices spread out, numbers and signs in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from math import prod

from app.domain.spoken_text import NUMBER_WORDS, UNITS, spell_number

Said = tuple[str, ...]

MOST_FORMS = 60
"""Of one line with choices; of more, so many that lie far from each other."""

_GOLDEN = 2654435769
"""2^32 over the golden ratio: its multiples fall evenly over any range (Knuth, TAOCP 6.4)."""

_NUMBER = "#"
"""Stands for a number from 1 to 12 in the phrases."""

_SIGNS: Mapping[str, str] = {
    ".": "period",
    ",": "comma",
    ":": "colon",
    ";": "semicolon",
    "?": "question mark",
    "\n": "new line",
}
_PAUSES = ("period", "comma")
"""Signs that many leave out when they speak: their sentences are learnt without them as well."""

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_TOKEN = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|\d+(?:\.\d+)?|[.,:;?\n%]")
_UNIT = {"mm": "millimeters", "cm": "centimeters", "ml": "milliliters", "%": "percent"}
_CAPITALS = re.compile(r"\b[A-Z]{2,5}\b")


def shipped_phrases() -> tuple[str, ...]:
    """Return the lines that come with the program."""
    text = (files("app.domain") / "lexicon" / "dictation_en.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("# "))


def medical_words() -> tuple[str, ...]:
    """Return the medical words of the spelling list."""
    text = (files("app.domain") / "lexicon" / "spelling_en.txt").read_text(encoding="utf-8")
    return tuple(dict.fromkeys(text.casefold().split()))


def say_lines(lines: Iterable[str]) -> Iterator[Said]:
    """Say every line in each of its forms, with the signs and without those that people leave out."""
    for line in lines:
        for form in spread(line):
            said = say(form)
            if said:
                yield said
            plain = tuple(word for word in said if word not in _PAUSES)
            if plain and plain != said:
                yield plain


def spread(line: str) -> Iterator[str]:
    """Return the forms of a line with choices, or `MOST_FORMS` of them; a field without choices is a gap."""
    choices = [_choices(part) for part in re.split(r"(\[[^\[\]]*\])", line)]
    count = prod(map(len, choices))
    few = range(count)
    for number in few if count <= MOST_FORMS else (_scatter(at) * count >> 32 for at in range(MOST_FORMS)):
        text, rest = "", number
        for choice in choices:
            rest, at = divmod(rest, len(choice))
            text += choice[at]
        yield _with_numbers(text, number)


def _with_numbers(text: str, form: int) -> str:
    parts = text.split(_NUMBER)
    numbers = [str(1 + (form + place) % 12) for place in range(len(parts) - 1)]
    return "".join(part + number for part, number in zip(parts, [*numbers, ""], strict=True))


def _scatter(at: int) -> int:
    return at * _GOLDEN % 2**32


def say(text: str) -> Said:
    """Return the words of a written text as somebody dictates them; words with other than English letters are
    left out.
    """
    text = re.sub(r"([A-Za-z])(\d)", r"\1 \2", _PLACEHOLDER.sub(" ", text).replace("-", " ")).lower()
    words: list[str] = []
    for token in _TOKEN.findall(text):
        words += _say_part(token, words).split()
    return tuple(words)


def capitals_in(texts: Iterable[str]) -> dict[str, str]:
    """Return abbreviations in capitals by how they are heard: ``ct``: ``CT``."""
    return {found.lower(): found for text in texts for found in _CAPITALS.findall(text)}


def _choices(part: str) -> list[str]:
    if not part.startswith("["):
        return [part]
    choices = part[1:-1].split("|")
    # a field that the reader fills in, "[cm]", has no words of its own
    return [""] if len(choices) == 1 else choices


def _say_part(part: str, before: list[str]) -> str:
    if part in _SIGNS:
        return _SIGNS[part]
    if part in _UNIT:
        unit = _UNIT[part]
        return unit.removesuffix("s") if before and before[-1] == "one" and unit in UNITS else unit
    if part[0].isdigit():
        whole, _, digits = part.partition(".")
        if int(whole) > 999:
            return ""
        tail = " ".join(spell_number(int(digit)) for digit in digits)
        return f"{spell_number(int(whole))} point {tail}" if digits else spell_number(int(whole))
    if part == "x" and before and before[-1] in NUMBER_WORDS:
        return "by"
    return part if part.isascii() else ""
