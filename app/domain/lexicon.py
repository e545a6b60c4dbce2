"""The words by which the checks read a report, from the files in `lexicon/`: one a language, read at once.

A report is read with the words of every language together: nobody has to say which one it is written in, and
one that quotes another language is read too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

REPORT_LANGUAGES = ("en", "de")
"""The languages that the checks can read."""

_NOTHING = re.compile(r"(?!)")


@dataclass(frozen=True)
class Concept:
    """An abnormality that a report may state or deny.

    Attributes
    ----------
    critical, observed, anywhere, also, largest_mm
        As `lexicon/concepts.toml` explains them.
    """

    name: str
    words: re.Pattern[str]
    critical: bool = False
    observed: bool = False
    anywhere: bool = False
    also: frozenset[str] = frozenset()
    largest_mm: float | None = None


@dataclass(frozen=True)
class OwnWords:
    """Words of a department that spelling knows besides its lists, in lower case.

    Attributes
    ----------
    well
        Never called misspelt.
    medical
        Neither; and slips of the keys in other words are compared with them.
    """

    well: frozenset[str] = frozenset()
    medical: frozenset[str] = frozenset()

    def __contains__(self, word: str) -> bool:
        return word in self.well or word in self.medical


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Every word that the checks know; two are the same only if they are one.

    Attributes
    ----------
    cues
        What denies, doubts, contrasts ..., by kind.
    sides
        ``left``, ``right``, ``both``, and ``named`` for sides that are part of a name.
    groups
        The other lists, as ``table.list``.
    own_words
        What a department's spelling knows.
    """

    concepts: Mapping[str, Concept]
    cues: Mapping[str, re.Pattern[str]]
    sides: Mapping[str, re.Pattern[str]]
    groups: Mapping[str, re.Pattern[str]]
    own_words: OwnWords = OwnWords()

    def related(self, name: str) -> frozenset[str]:
        """Return the concept and what else names the same thing, in either direction."""
        return self.concepts[name].also | {
            other.name for other in self.concepts.values() if name in other.also or other.name == name
        }

    def regions(self) -> Mapping[str, re.Pattern[str]]:
        """Return the words of each region of the body."""
        return {
            name.partition(".")[2]: words
            for name, words in self.groups.items()
            if name.startswith("regions.")
        }


@cache
def load_lexicon() -> Lexicon:
    """Return the words of every language, as they are part of the program."""
    spoken = [_read(language) for language in REPORT_LANGUAGES]
    concepts = {
        name: _concept(name, known, _merged(spoken, "concepts", name))
        for name, known in _read("concepts").items()
    }
    tables = sorted({table for words in spoken for table in words} - {"concepts"})
    lists = {
        f"{table}.{name}": _compile(_merged(spoken, table, name))
        for table in tables
        for name in sorted({name for words in spoken for name in words.get(table, ())})
    }
    return Lexicon(concepts, _table(lists, "cues"), _table(lists, "sides"), lists)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files("app.domain") / "lexicon" / f"{name}.toml").read_text(encoding="utf-8"))


def _merged(spoken: Iterable[Mapping[str, Any]], table: str, name: str) -> list[str]:
    return [word for words in spoken for word in words.get(table, {}).get(name, ())]


def _table(lists: Mapping[str, re.Pattern[str]], table: str) -> Mapping[str, re.Pattern[str]]:
    return {name.partition(".")[2]: words for name, words in lists.items() if name.startswith(f"{table}.")}


def _concept(name: str, known: Mapping[str, Any], words: list[str]) -> Concept:
    return Concept(
        name=name,
        words=_compile(words),
        critical=bool(known.get("critical")),
        observed=bool(known.get("observed")),
        anywhere=bool(known.get("anywhere")),
        also=frozenset(known.get("also", ())),
        largest_mm=known.get("largest_mm"),
    )


def _compile(words: Iterable[str]) -> re.Pattern[str]:
    """Return one expression for all words; longer ones first, so that the most specific is found."""
    ordered = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(ordered)})", re.IGNORECASE) if ordered else _NOTHING
