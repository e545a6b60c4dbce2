"""Read a generated report back and find each sentence that says otherwise than its plan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from janus_med.facts import find_mentions, label_sentence
from janus_med.planning import IMPLIED_BY
from janus_med.report_spans import find_sentences

if TYPE_CHECKING:
    from janus_med.expert import ExpertFact, ExpertPlan
    from janus_med.facts import Fact, Mention

_SIDE = re.compile(r"\b(?:left|right|bilateral\w*|both)\b", re.IGNORECASE)
_ZONE = re.compile(r"\b(upper|mid|lower)\b", re.IGNORECASE)
_MANY = re.compile(r"\b(?:multiple|nodules|masses)\b", re.IGNORECASE)
_NODULE = re.compile(r"\b(?:an?|multiple|nodules?|mass(?:es)?)\b\W?", re.IGNORECASE)

Range = tuple[int, int]


@dataclass(frozen=True)
class Disagreement:
    """A sentence that does not say what was decided.

    Attributes
    ----------
    sentence
        Its number in the text, from 0.
    reason
        What it says and what was decided, for a reader.
    culprit
        First and last but one character of the text in which the wrong choice fell.
    """

    sentence: int
    reason: str
    culprit: Range


def find_disagreements(text: str, plan: ExpertPlan) -> tuple[Disagreement, ...]:
    """Compare every sentence with the plan.

    Parameters
    ----------
    text
        ``FINDINGS: ... IMPRESSION: ...``.
    plan
        What the prompt said.

    Returns
    -------
    tuple of Disagreement
        In reading order, at most one a sentence. What a sentence leaves out is no disagreement: a finding
        without its side is incomplete, on the other side it is wrong. A finding that its section has told
        already is one: the sentence stands in the place of another finding.

    Raises
    ------
    ModelFault
        When a section is missing or empty.
    """
    wanted = {fact.finding: fact for fact in plan.facts}
    found = []
    told: dict[str, set[str]] = {"findings": set(), "impression": set()}
    for number, span in enumerate(find_sentences(text)):
        sentence = text[span.start : span.end]
        planned = {name for name, said in label_sentence(sentence).items() if said.polarity != "negative"}
        planned &= wanted.keys()
        judged = _judge(sentence, wanted, plan)
        if judged is None and planned and planned <= told[span.section]:
            again = ", ".join(sorted(planned))
            judged = f"it speaks of {again} a second time", _named(sentence, planned)
        told[span.section] |= planned
        if judged is not None:
            reason, (start, end) = judged
            found.append(Disagreement(number, reason, (span.start + start, span.start + end)))
    return tuple(found)


def _judge(sentence: str, wanted: dict[str, ExpertFact], plan: ExpertPlan) -> tuple[str, Range] | None:
    """Return the first disagreement of a sentence, and where in it, or None."""
    for name, said in label_sentence(sentence).items():
        if name in wanted and said.polarity != "negative":
            judged = _judge_fact(said, sentence, wanted[name])
        else:
            judged = _judge_unplanned(name, said, sentence, wanted, plan)
        if judged is not None:
            return judged
    return None


def _judge_unplanned(
    name: str, said: Fact, sentence: str, wanted: dict[str, ExpertFact], plan: ExpertPlan
) -> tuple[str, Range] | None:
    named = _named(sentence, {name})
    if name == "No Finding":
        wrong = not plan.normal
        return ("it calls the film normal, which was not decided", (0, len(sentence))) if wrong else None
    if said.polarity == "negative":
        wrong = name not in plan.absent + plan.untold
        return (f"it denies {name}, which was not found absent", named) if wrong else None
    if wanted.keys() & IMPLIED_BY.get(name, frozenset()):
        return None
    return f"it speaks of {name}, which was not found", named


def _judge_fact(said: Fact, sentence: str, fact: ExpertFact) -> tuple[str, Range] | None:
    whole = (0, len(sentence))
    if fact.certain and said.polarity == "uncertain":
        return f"it doubts {fact.finding}, which was found", whole
    if not fact.certain and said.polarity == "positive":
        return f"it states {fact.finding}, which was left to the reader", whole
    if said.side is not None and said.side != fact.side:
        reason = f"it says {said.side}, the region is {fact.side or 'on no side'}"
        return reason, _first(_SIDE, sentence)
    zones = {zone.lower() for zone in _ZONE.findall(sentence)}
    if zones - {fact.zone}:
        reason = f"it says {' and '.join(sorted(zones))} zone, the region is {fact.zone or 'in none'}"
        return reason, _first(_ZONE, sentence)
    if fact.count and bool(_MANY.search(sentence)) != (fact.count == "multiple"):
        return f"its number differs: {fact.count} was found", _first(_NODULE, sentence)
    return None


def _named(sentence: str, findings: set[str]) -> Range:
    """Return the characters up to the last word that names one of the findings."""
    ends = (_end(one, sentence) for one in find_mentions(sentence) if one.finding in findings)
    return 0, max(ends, default=0)


def _end(mention: Mention, sentence: str) -> int:
    return sentence.find(mention.words) + len(mention.words)


def _first(words: re.Pattern[str], sentence: str) -> Range:
    match = words.search(sentence)
    return match.span() if match else (0, len(sentence))
