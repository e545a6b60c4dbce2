"""A department's own words for the checks: plain text, bound to abnormalities that the checks know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from app.domain.errors import Rejected
from app.domain.lexicon import Lexicon, load_lexicon
from app.domain.spelling import SHORTEST, is_listed

MOST_WORDS = 2000
MOST_WORDINGS = 300
MOST_MARKS = 30
MOST_TOLD = 20
LONGEST_WORD = 40
LONGEST_WORDING = 60
LONGEST_MARK = 30

_WELL = re.compile(rf"(?=.{{2,{LONGEST_WORD}}}$)[^\W_]+(?:[-'’./ ][^\W_]+)*")
_MEDICAL = re.compile(rf"[^\W\d_]{{{SHORTEST},{LONGEST_WORD}}}")
_WORDING = re.compile(rf"(?=.{{3,{LONGEST_WORDING}}}$)(?=.*[^\W\d_])[^\W_]+(?:[-'’/ ][^\W_]+)*")
_MARK = re.compile(rf"\S(?:.{{0,{LONGEST_MARK - 2}}}\S)")
_PLACES = frozenset({"regions", "paired", "sex"})
_PARTS = re.compile(r"[^\W_]+")
# within a wording they would turn what its sentence says
_TURNING = ("denies", "denied_after", "qualifies", "doubts", "contrasts")


@dataclass(frozen=True)
class Wording:
    """Another word for an abnormality; `concept` is its name in `lexicon/concepts.toml`."""

    concept: str
    text: str

    def is_same_word(self, other: Wording) -> bool:
        """Tell whether another abnormality has the same word."""
        return self.concept != other.concept and self.text.casefold() == other.text.casefold()


@dataclass(frozen=True)
class DepartmentWords:
    """Every word of a department.

    Attributes
    ----------
    well
        Names of devices, people, drugs: spelling never complains of them.
    medical
        Single words that slips of the keys are compared with.
    wordings
        Further words for abnormalities.
    marks
        What stands in the department's texts for a field that is not filled in.
    """

    well: tuple[str, ...] = ()
    medical: tuple[str, ...] = ()
    wordings: tuple[Wording, ...] = ()
    marks: tuple[str, ...] = ()

    def tidied(self) -> DepartmentWords:
        """Return the words as they are kept: in order, each once.

        Raises
        ------
        Rejected
            Naming every mistake, a line each.
        """
        wordings = {
            (wording.concept, text.casefold()): Wording(wording.concept, text)
            for wording in self.wordings
            for text in (" ".join(wording.text.split()),)
        }
        tidy = DepartmentWords(
            _in_order(self.well),
            _in_order(self.medical),
            tuple(wordings[key] for key in sorted(wordings)),
            _in_order(self.marks),
        )
        if mistakes := tuple(islice(tidy.mistakes(), MOST_TOLD)):
            raise Rejected("\n".join(mistakes))
        return tidy

    def mistakes(self) -> Iterator[str]:
        """Return what keeps the words from being used, each with its word."""
        lexicon = load_lexicon()
        for count, most in (
            (len(self.well) + len(self.medical), MOST_WORDS),
            (len(self.wordings), MOST_WORDINGS),
            (len(self.marks), MOST_MARKS),
        ):
            if count > most:
                yield f"{count} are too many: {most} at most"
                return
        for word in self.well:
            if not _WELL.fullmatch(word):
                yield f"{_short(word)}: a word has 2 to {LONGEST_WORD} letters and digits"
        for word in self.medical:
            if not _MEDICAL.fullmatch(word):
                span = f"{SHORTEST} to {LONGEST_WORD} letters"
                yield f"{_short(word)}: slips are looked for in single words of {span}"
        for wording in self.wordings:
            yield from self._mistake_of(lexicon, wording)
        for mark in self.marks:
            if not (_MARK.fullmatch(mark) and mark.isprintable()):
                yield f"{_short(mark)}: a mark has 2 to {LONGEST_MARK} characters"
            elif _is_taken(lexicon, mark):
                yield f"{_short(mark)}: the checks know this word already, as something else"

    def counts(self) -> Mapping[str, int]:
        """Return how many there are of each kind: for the audit log, which keeps no text."""
        return {
            "words": len(self.well) + len(self.medical),
            "wordings": len(self.wordings),
            "marks": len(self.marks),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the words as JSON values."""
        return {
            "well": list(self.well),
            "medical": list(self.medical),
            "wordings": [[wording.concept, wording.text] for wording in self.wordings],
            "marks": list(self.marks),
        }

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> DepartmentWords:
        """Return the words that `to_json` gave."""
        return cls(
            tuple(values.get("well", ())),
            tuple(values.get("medical", ())),
            tuple(Wording(concept, text) for concept, text in values.get("wordings", ())),
            tuple(values.get("marks", ())),
        )

    def _mistake_of(self, lexicon: Lexicon, wording: Wording) -> Iterator[str]:
        text, name = _short(wording.text), readable(wording.concept)
        if wording.concept not in lexicon.concepts:
            yield f"{text}: there is no abnormality {name[:40]}"
            return
        if not _WORDING.fullmatch(wording.text):
            yield f"{text}: a wording has 3 to {LONGEST_WORDING} letters, digits, spaces, hyphens and slashes"
            return
        other = _stands_for(lexicon, wording) or next(
            (own.concept for own in self.wordings if own.is_same_word(wording)), ""
        )
        held = self._held_in(lexicon, wording)
        turning = [found for kind in _TURNING if (found := lexicon.cues[kind].search(wording.text))]
        if other:
            yield f"{text}: it stands for {readable(other)} and cannot stand for {name} too"
        elif held:
            yield f"{text}: it holds {held[0]}, which stands for {readable(held[1])}"
        elif turning:
            yield f"{text}: by {turning[0].group()} a sentence denies, doubts or turns; no wording holds it"
        elif _is_cue(lexicon, wording.text):
            yield f"{text}: the checks know this word already, as something else"

    def _held_in(self, lexicon: Lexicon, wording: Wording) -> tuple[str, str] | None:
        """Return a part of a wording that names something else, and what: the longer one would hide it."""
        related = lexicon.related(wording.concept)
        others = (one for one in lexicon.concepts.values() if one.name not in related)
        for other in others:
            if found := other.words.search(wording.text):
                return found.group(), other.name
        within = _spaced(wording.text)
        own = (one for one in self.wordings if one.concept not in related)
        return next(((one.text, one.concept) for one in own if _spaced(one.text) in within), None)


@dataclass(frozen=True)
class WordsVersion:
    """The words as they stand, or as they stood: an edit is a new version."""

    version: int
    content: DepartmentWords
    username: str
    at: datetime


def readable(concept: str) -> str:
    """Return the name of an abnormality for people."""
    return concept.replace("_", " ")


def read_wordings(text: str) -> tuple[Wording, ...]:
    """Return the wordings of a text: an abnormality a line, a colon, and words with commas between.

    Raises
    ------
    Rejected
        Naming the lines that have no colon.
    """
    wordings, mistakes = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        name, colon, words = line.partition(":")
        if line.strip() and not (colon and words.strip(" ,")):
            mistakes.append(f"line {number}: write an abnormality, a colon, and its wordings")
        concept = "_".join(name.lower().split())
        wordings += [Wording(concept, word) for word in words.split(",") if word.strip()]
    if mistakes:
        raise Rejected("\n".join(mistakes))
    return tuple(wordings)


def show_wordings(wordings: Sequence[Wording]) -> str:
    """Return wordings as `read_wordings` takes them."""
    names = dict.fromkeys(wording.concept for wording in wordings)
    return "\n".join(
        f"{readable(name)}: {', '.join(own.text for own in wordings if own.concept == name)}"
        for name in names
    )


def _in_order(words: Iterable[str]) -> tuple[str, ...]:
    kept = {text.casefold(): text for word in words if (text := " ".join(word.split()))}
    return tuple(kept[key] for key in sorted(kept))


def _spaced(text: str) -> str:
    """Return the words of a text with a space around each, to look for words in words."""
    return f" {' '.join(_PARTS.findall(text.casefold()))} "


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_WORDING else f"{text[:LONGEST_WORDING]}..."


def _stands_for(lexicon: Lexicon, wording: Wording) -> str:
    """Return the other abnormality that a wording names already; empty when there is none."""
    known = (one for one in lexicon.concepts.values() if one.name != wording.concept)
    return next((one.name for one in known if one.words.fullmatch(wording.text)), "")


def _is_taken(lexicon: Lexicon, text: str) -> bool:
    """Tell whether the checks read a text as something else than a mark."""
    known = (*(concept.words for concept in lexicon.concepts.values()), *lexicon.groups.values())
    return any(words.fullmatch(text) for words in known) or is_listed(text.casefold())


def _is_cue(lexicon: Lexicon, text: str) -> bool:
    """Tell whether the checks read a text as something else than a place or a person."""
    return any(
        words.fullmatch(text)
        for name, words in lexicon.groups.items()
        if name.partition(".")[0] not in _PLACES
    )
