"""A rule labeler: which of the fourteen findings a report states, denies or raises, and on which side.

The method is the one of NegEx and the CheXpert labeler (mention, then cues in the same clause; Chapman et al.
2001, Irvin et al. 2019). The words are in `janus_med.finding_terms`, the cues in `janus_med.negation`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from janus_med.finding_terms import FINDING_TERMS, compile_terms
from janus_med.negation import REACH_AFTER, REACH_BEFORE, FactPolarity, is_asked, judge, split_clauses
from janus_med.reading import FINDINGS
from janus_med.report_text import read_statements, split_sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Fact", "FactPolarity", "FactSide", "Mention", "find_mentions", "label_report", "label_sentence"]

FactSide = Literal["left", "right", "bilateral"]


@dataclass(frozen=True)
class Fact:
    """What a text says of one finding; ``side`` is None when it names none."""

    polarity: FactPolarity
    side: FactSide | None = None


@dataclass(frozen=True)
class Mention:
    """One place where a sentence names a finding: the evidence behind a fact.

    Attributes
    ----------
    finding
        Its name among the fourteen.
    words, clause
        The words that name it, and the part of the sentence in which their cues were sought.
    fact
        What that part says of it.
    asked
        Whether it only asks ("evaluate for pneumothorax").
    """

    finding: str
    words: str
    clause: str
    fact: Fact
    asked: bool


_FINDERS = compile_terms(FINDING_TERMS)
_NORMAL = re.compile(
    r"\bno (?:\w+ ){0,3}(?:acute|active|significant) (?:\w+ ){0,2}(?:abnormalit\w+|disease|process|"
    r"finding\w*)|"
    r"\b(?:normal|unremarkable) (?:chest|study|examination|exam|radiograph|film)|lungs are clear|clear lungs|"
    r"(?:heart|cardiac)[\w ]{0,30}(?:normal|within normal limits|unremarkable)|"
    r"no (?:definite )?abnormalit\w+(?! (?:is )?stated)",
    re.IGNORECASE,
)
_SIDES: tuple[tuple[FactSide, re.Pattern[str]], ...] = (
    ("left", re.compile(r"\bleft(?:-sided)?\b", re.IGNORECASE)),
    ("right", re.compile(r"\bright(?:-sided)?\b", re.IGNORECASE)),
)
_BOTH = re.compile(r"\b(?:bilateral\w*|both)\b", re.IGNORECASE)
_RANK: dict[str, int] = {"positive": 3, "uncertain": 2, "negative": 1}


def label_report(text: str) -> dict[str, Fact]:
    """Label a whole report.

    Parameters
    ----------
    text
        Findings, impression or both, in English. Indication, history, technique and comparison are left out
        when a heading names them, and so is what is only asked.

    Returns
    -------
    dict of str to Fact
        Only the findings that the text speaks of. A positive statement wins over an uncertain one, that one
        over a negative. ``No Finding`` is positive when something is called normal and nothing but devices is
        stated or raised.
    """
    stated = read_statements(text)
    mentions = [
        mention
        for sentence in split_sentences(stated)
        for mention in find_mentions(sentence)
        if not mention.asked
    ]
    facts = _collect(mentions)
    abnormal = any(fact.polarity != "negative" for name, fact in facts.items() if name != "Support Devices")
    if not abnormal and (_NORMAL.search(stated) or facts):
        facts["No Finding"] = Fact("positive")
    return {name: facts[name] for name in FINDINGS if name in facts}


def label_sentence(sentence: str) -> dict[str, Fact]:
    """Label one sentence.

    Parameters
    ----------
    sentence
        One sentence. What it asks about counts as raised.

    Returns
    -------
    dict of str to Fact
        ``No Finding`` is positive when the sentence calls something normal and states no more.
    """
    facts = _collect(find_mentions(sentence))
    stated = any(fact.polarity != "negative" for fact in facts.values())
    if _NORMAL.search(sentence) and not stated:
        facts["No Finding"] = Fact("positive")
    return facts


def find_mentions(sentence: str) -> Iterator[Mention]:
    """Find each place where a sentence names one of the findings, clause by clause.

    Parameters
    ----------
    sentence
        One sentence, as `janus_med.report_text.split_sentences` cuts them.
    """
    side_of_sentence = _side(sentence)
    for clause in split_clauses(sentence):
        side = _side(clause) or side_of_sentence
        for name, finder in _FINDERS.items():
            for found in finder.finditer(clause):
                yield _read_mention(name, found, side)


def _read_mention(name: str, found: re.Match[str], side: FactSide | None) -> Mention:
    clause = found.string
    before = clause[max(0, found.start() - REACH_BEFORE) : found.start()]
    after = clause[found.end() : found.end() + REACH_AFTER]
    asked = is_asked(before)
    polarity: FactPolarity = "uncertain" if asked else judge(before, found.group(), after)
    fact = Fact(polarity, None if polarity == "negative" else side)
    return Mention(name, found.group(), clause, fact, asked)


def _collect(mentions: Iterable[Mention]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for mention in mentions:
        facts[mention.finding] = _stronger(facts.get(mention.finding), mention.fact)
    return facts


def _side(text: str) -> FactSide | None:
    named = [side for side, words in _SIDES if words.search(text)]
    if len(named) == 2 or _BOTH.search(text):
        return "bilateral"
    return named[0] if named else None


def _stronger(old: Fact | None, new: Fact) -> Fact:
    if old is None or _RANK[new.polarity] > _RANK[old.polarity]:
        return new
    if _RANK[new.polarity] < _RANK[old.polarity] or old.side == new.side or new.side is None:
        return old
    return Fact(old.polarity, new.side if old.side is None else "bilateral")
