"""Refuse an answer whose words do not say what was decided: it is read back and compared with its plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from janus_med.errors import ModelFault
from janus_med.expert import SIDED, ExpertFact
from janus_med.facts import label_sentence

if TYPE_CHECKING:
    from janus_med.answering import AnswerPlan
    from janus_med.facts import Fact

_LEAD = re.compile(r"(yes|no),\s+", re.IGNORECASE)
_OPEN = re.compile(r"cannot be decided|not told apart|left to the reader", re.IGNORECASE)
_PLURAL = re.compile(r"nodules|more than one|multiple", re.IGNORECASE)
_ZONE = re.compile(r"\b(upper|mid|lower)\b", re.IGNORECASE)
_SOUND = re.compile(r"\b(?:is|are) (?:normal|clear)\b|no abnormality", re.IGNORECASE)


def check_answer(text: str, plan: AnswerPlan) -> None:
    """Raise unless an answer says exactly its plan.

    Parameters
    ----------
    text
        One sentence, as the language model wrote it.
    plan
        What it was told to say.

    Raises
    ------
    ModelFault
        When reply, finding, polarity, side, zone or number differ, something else is named, or nothing is
        said.
    """
    lead = _LEAD.match(text)
    if (lead.group(1).lower() if lead else "") != (plan.reply if plan.reply in ("yes", "no") else ""):
        raise ModelFault("the answer's yes or no is not the decision")
    rest = text[lead.end() :] if lead else text
    if bool(_OPEN.search(rest)) != is_open(plan):
        raise ModelFault("the answer decides what was left open, or leaves open what was decided")
    if plan.question.kind == "view":
        _expect("frontal view" in rest, "the view")
    elif not plan.facts and plan.question.kind in ("list", "normal"):
        lungs = plan.question.scope == "lungs"
        _expect(plan.decision == "defer" or bool(_SOUND.search(rest)), "the film")
        _expect(bool(re.search(r"\b[Ll]ungs?\b", rest)) == lungs, "what is judged")
    _check_findings(rest, plan)


def is_open(plan: AnswerPlan) -> bool:
    """Whether an answer leaves something to the reader: the question itself, a side or a number."""
    if plan.question.kind == "list":
        return plan.decision == "defer" and not plan.facts
    if plan.decision == "defer":
        return True
    fact = plan.facts[0] if plan.facts else None
    if plan.question.kind == "where" and fact is not None:
        return fact.finding in SIDED and not fact.side
    return plan.question.kind == "count" and fact is not None and not fact.count


def _check_findings(text: str, plan: AnswerPlan) -> None:
    expected = _expected(plan)
    said: dict[str, str] = {}
    for clause in text.split(";"):
        for name, fact in label_sentence(clause).items():
            if name == "No Finding":
                continue
            said[name] = "uncertain" if _OPEN.search(clause) else fact.polarity
            wanted = next((one for one in plan.facts if one.finding == name), None)
            if wanted is not None:
                _check_place(clause, fact, wanted, counted=plan.question.kind == "count")
    _expect(said == expected, "a finding")


def _expected(plan: AnswerPlan) -> dict[str, str]:
    if plan.facts:
        return {fact.finding: "positive" if fact.certain else "uncertain" for fact in plan.facts}
    polarity = {"absent": "negative", "defer": "uncertain"}.get(plan.decision)
    return {plan.question.finding: polarity} if plan.question.finding and polarity else {}


def _check_place(clause: str, said: Fact, wanted: ExpertFact, *, counted: bool) -> None:
    if not counted:
        zones = {zone.lower() for zone in _ZONE.findall(clause)}
        _expect((said.side or "") == wanted.side, "the side")
        _expect(zones == ({wanted.zone} if wanted.zone else set()), "the zone")
    if wanted.finding == "Lung Lesion" and wanted.count:
        _expect(bool(_PLURAL.search(clause)) == (wanted.count == "multiple"), "the number")


def _expect(agrees: bool, what: str) -> None:
    if not agrees:
        raise ModelFault(f"the answer's text and its decision disagree about {what}")
