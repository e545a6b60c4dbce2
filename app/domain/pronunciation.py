"""How a word is said that no dictionary holds: from how its letters are said in words that it does hold.

The letters of known words are aligned with their sounds by a table of what each letter can stand for; a new
letter is said as it most often is between the same neighbours, the most neighbours first.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

Sounds = tuple[str, ...]

_USUAL: Mapping[str, frozenset[str]] = {
    letter: frozenset(sounds.split())
    for letter, sounds in {
        "a": "AE EY AH AA AO EH IH",
        "b": "B",
        "c": "K S CH SH",
        "d": "D T JH",
        "e": "EH IY IH AH ER EY",
        "f": "F",
        "g": "G JH ZH",
        "h": "HH",
        "i": "IH AY IY AH Y",
        "j": "JH Y HH",
        "k": "K",
        "l": "L AH",
        "m": "M AH",
        "n": "N NG",
        "o": "AA OW AO AH UW UH AW OY W",
        "p": "P F",
        "q": "K",
        "r": "R ER",
        "s": "S Z SH ZH",
        "t": "T TH DH CH SH",
        "u": "AH UW UH Y W IH ER",
        "v": "V F",
        "w": "W V",
        "x": "K Z S",
        "y": "IY IH AY Y",
        "z": "Z S T",
    }.items()
}
_SILENT, _STRANGE, _SECOND = 1.0, 3.0, 1.2
_NEIGHBOURS = ((3, 3), (2, 3), (2, 2), (1, 2), (1, 1), (0, 1), (0, 0))
"""How many letters before and after a letter are looked at, the most telling first."""

_WORD = re.compile(r"[a-z]+")
_EDGE = "#"


class Reader:
    """Says unknown words; made by `learn_sounds`."""

    def __init__(self, counts: Mapping[str, Counter[Sounds]]) -> None:
        self._counts = counts

    def say(self, word: str) -> Sounds:
        """Return the sounds of a lower-case word of plain letters; none when it cannot be said."""
        if not _WORD.fullmatch(word):
            return ()
        found: list[str] = []
        for at in range(len(word)):
            found += self._letter(word, at)
        return tuple(found)

    def _letter(self, word: str, at: int) -> Sounds:
        for key in _contexts(word, at):
            if key in self._counts:
                return self._counts[key].most_common(1)[0][0]
        return ()


def read_dictionary(lines: Iterable[str]) -> dict[str, list[Sounds]]:
    """Return the pronunciations by word from lines of a dictionary such as CMUdict: ``read(2) R EH D``."""
    known: dict[str, list[Sounds]] = defaultdict(list)
    for line in lines:
        name, *sounds = line.split()
        known[name.partition("(")[0]].append(tuple(sounds))
    return dict(known)


def learn_sounds(known: Iterable[tuple[str, Sounds]]) -> Reader:
    """Learn how letters are said, from words of plain letters and their sounds."""
    counts: dict[str, Counter[Sounds]] = defaultdict(Counter)
    for word, sounds in known:
        if _WORD.fullmatch(word):
            for at, said in enumerate(align(word, sounds)):
                for key in _contexts(word, at):
                    counts[key][said] += 1
    return Reader(counts)


def align(word: str, sounds: Sequence[str]) -> list[Sounds]:
    """Return which of the sounds each letter stands for: none, one or two, in their order."""
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for at, letter in enumerate(word):
        usual = _USUAL[letter]
        after: dict[int, tuple[float, int]] = {}
        for done, (cost, _) in best[at].items():
            steps = [(done, cost + _SILENT)]
            if done < len(sounds):
                first = 0.0 if sounds[done] in usual else _STRANGE
                steps.append((done + 1, cost + first))
                if done + 1 < len(sounds):
                    second = _SECOND if sounds[done + 1] in usual or letter in "xu" else _STRANGE
                    steps.append((done + 2, cost + first + second))
            for to, price in steps:
                if to not in after or price < after[to][0]:
                    after[to] = (price, done)
        best.append(after)
    if len(sounds) not in best[-1]:
        return [()] * len(word)  # more sounds than letters can stand for, such as an abbreviation
    ends = [len(sounds)]
    for at in range(len(word), 0, -1):
        ends.append(best[at][ends[-1]][1])
    ends.reverse()
    return [tuple(sounds[ends[at] : ends[at + 1]]) for at in range(len(word))]


def _contexts(word: str, at: int) -> Iterator[str]:
    padded = f"{_EDGE * 3}{word}{_EDGE * 3}"
    place = at + 3
    for before, after in _NEIGHBOURS:
        yield f"{padded[place - before : place]}<{padded[place]}>{padded[place + 1 : place + 1 + after]}"
