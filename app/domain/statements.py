"""What a report states, denies or doubts, and on which side: a rule reader for English and German.

The method is that of NegEx (Chapman et al. 2001): a mention, then the cues in the same part of the sentence.
It reads with care rather than completely: what it cannot place is a doubt, and nothing follows from a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, pairwise

from app.domain.lexicon import Lexicon, load_lexicon
from app.domain.report import Decision, Section, Sentence


class Polarity(StrEnum):
    """What a report says of an abnormality."""

    STATED = "STATED"
    DENIED = "DENIED"
    DOUBTED = "DOUBTED"


class Side(StrEnum):
    """Where; NONE when no side is named."""

    NONE = ""
    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"


MOST_MENTIONS = 500
"""A report has a few dozen; what two of them say of each other takes the square of their number."""


@dataclass(frozen=True)
class Passage:
    """A text of the report and where it stands.

    Attributes
    ----------
    key
        Of the editor's sentence; empty in an addendum or a correction.
    """

    section: str
    key: str
    text: str


@dataclass(frozen=True)
class Mention:
    """One place where a report names an abnormality.

    Attributes
    ----------
    words
        As the report has them.
    place
        The whole sentence.
    bare
        Whether its part of the sentence says nothing but this, for example where.
    """

    concept: str
    words: str
    polarity: Polarity
    side: Side
    passage: Passage
    place: str
    bare: bool

    @property
    def section(self) -> str:
        """The section in which it stands."""
        return self.passage.section


_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:ca|bds|li|re|v\.? ?a|z\.? ?n|z\.? ?b|d\.? ?d|u\.? ?a|ggf|evtl|bzw|inkl|dr|prof|mr|"
    r"mrs|ms|nr|vs|approx|max|min|st|fig|\d{1,2})\.$",
    re.IGNORECASE,
)
_END = re.compile(r"(?<=[.!?;])\s+|(?<=[a-zäöüß]{3})\.(?=[A-ZÄÖÜ])|(?<=[.!?]\))\s+")
_SEGMENT = re.compile(r",\s+|\s+(?:mit|with)\s+", re.IGNORECASE)
_LISTS = re.compile(r"\b(?:or|nor|oder|noch|sowie)\b", re.IGNORECASE)
_LONGEST_SENTENCE = 600
_WORD = re.compile(r"[^\W\d_]+")


def passages_of(sentences: Iterable[Sentence]) -> tuple[Passage, ...]:
    """Return what a report says: its sentences in order, without the refused and the empty ones."""
    kept = [s for s in sentences if s.decision is not Decision.REJECTED and s.text.strip()]
    ordered = sorted(kept, key=lambda s: (list(Section).index(s.section), s.position))
    return tuple(Passage(s.section.value, s.key, s.text.strip()) for s in ordered)


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text; abbreviations and numbers end none.

    What is longer than any sentence is cut: the time that a sentence takes grows with its square.
    """
    parts: list[str] = []
    for part in _END.split(text):
        goes_on = parts and (_ABBREVIATED.search(parts[-1][-12:]) or not _WORD.search(parts[-1][-40:]))
        if goes_on and len(parts[-1]) + len(part) < _LONGEST_SENTENCE:
            parts[-1] = f"{parts[-1]} {part}"
        else:
            parts += _cut(part)
    return [part.strip() for part in parts if part.strip()]


def _cut(text: str) -> Iterator[str]:
    while len(text) > _LONGEST_SENTENCE:
        end = text.rfind(" ", 1, _LONGEST_SENTENCE)
        end = end if end > 0 else _LONGEST_SENTENCE
        yield text[:end]
        text = text[end:]
    yield text


def read_mentions(passages: Sequence[Passage], *, lexicon: Lexicon | None = None) -> tuple[Mention, ...]:
    """Return the mentions of abnormalities, in reading order; None reads with the words of the checks.

    Of a text that is no report only the first ones are read.
    """
    lexicon = lexicon or load_lexicon()
    mentions = (
        mention
        for passage in passages
        for sentence in split_sentences(passage.text)
        for mention in _in_sentence(lexicon, passage, sentence)
    )
    return tuple(islice(mentions, MOST_MENTIONS))


def side_of(text: str) -> Side:
    """Return the side that a text names; BOTH when it names more than one."""
    lexicon = load_lexicon()
    text = lexicon.sides["named"].sub(" ", text)
    if lexicon.sides["both"].search(text):
        return Side.BOTH
    left, right = (bool(lexicon.sides[name].search(text)) for name in ("left", "right"))
    if left and right:
        return Side.BOTH
    return Side.LEFT if left else Side.RIGHT if right else Side.NONE


def _in_sentence(lexicon: Lexicon, passage: Passage, sentence: str) -> Iterator[Mention]:
    for clause in _clauses(lexicon, sentence):
        bare = _is_bare(lexicon, clause)
        doubted = bool(lexicon.cues["doubts"].search(clause))
        for concept, found in _found(lexicon, clause):
            polarity = Polarity.DOUBTED if doubted else _polarity(lexicon, clause, found)
            # a denial speaks of the side that it names itself; a statement may begin with its side
            near = side_of(_segment(clause, found))
            side = near if near or polarity is Polarity.DENIED else side_of(clause)
            yield Mention(
                concept=concept,
                words=found.group(),
                polarity=polarity,
                side=side,
                passage=passage,
                place=sentence,
                bare=bare,
            )


def _clauses(lexicon: Lexicon, sentence: str) -> list[str]:
    """Return the parts of a sentence within which a cue counts."""
    starts = [0, *(found.start() for found in lexicon.cues["contrasts"].finditer(sentence)), len(sentence)]
    parts = [sentence[start:end] for start, end in pairwise(starts)]
    return [part for part in parts if part.strip()]


def _found(lexicon: Lexicon, clause: str) -> list[tuple[str, re.Match[str]]]:
    """Return the mentions of a clause; of overlapping ones the longest."""
    every = [
        (concept.name, found)
        for concept in lexicon.concepts.values()
        for found in concept.words.finditer(clause)
    ]
    every.sort(key=lambda one: one[1].start() - one[1].end())
    kept: list[tuple[str, re.Match[str]]] = []
    for name, found in every:
        if all(found.end() <= other.start() or found.start() >= other.end() for _, other in kept):
            kept.append((name, found))
    return sorted(kept, key=lambda one: one[1].start())


def _polarity(lexicon: Lexicon, clause: str, found: re.Match[str]) -> Polarity:
    cues = lexicon.cues
    before, after = clause[: found.start()], clause[found.end() :]
    if _reaches(lexicon, cues["qualifies"], before, clause, found):
        return Polarity.DOUBTED
    if _reaches(lexicon, cues["denies"], before, clause, found):
        return Polarity.DENIED
    if cues["denied_after"].match(after.lstrip()) or cues["denied_after"].search(after[:60]):
        return Polarity.DENIED
    return Polarity.STATED


def _reaches(lexicon: Lexicon, cue: re.Pattern[str], before: str, clause: str, found: re.Match[str]) -> bool:
    """Tell whether a cue before a mention still counts for it: a list ends where something is affirmed."""
    last = None
    # the mention itself may complete the cue ("no pleural change"), so the cue is sought up to its end
    for last in cue.finditer(clause, 0, found.end()):
        if last.start() >= found.start():
            break
    if last is None or last.start() >= found.start():
        return False
    if last.start() >= len(before):
        return False
    between = clause[last.end() : found.start()]
    if ":" in between:
        return False
    if "," not in between:
        return True
    if _LISTS.search(clause[last.end() :]):
        return True
    return not any(lexicon.cues["affirms"].match(part.strip()) for part in between.split(",")[1:])


def _segment(clause: str, found: re.Match[str]) -> str:
    """Return the part of a clause, between commas, in which a mention stands."""
    start, end = 0, len(clause)
    for comma in _SEGMENT.finditer(clause):
        if comma.end() <= found.start():
            start = comma.end()
        elif comma.start() >= found.end():
            end = comma.start()
            break
    return clause[start:end]


def _is_bare(lexicon: Lexicon, clause: str) -> bool:
    rest = clause
    for concept in lexicon.concepts.values():
        rest = concept.words.sub(" ", rest)
    rest = lexicon.cues["denies"].sub(" ", rest)
    rest = lexicon.cues["fillers"].sub(" ", rest)
    return not _WORD.search(rest)
