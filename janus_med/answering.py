"""What an answer may say: decisions and maps answer a question, and a prompt tells the language model.

As for reports (`janus_med.planning`, `janus_med.expert`), the facts come from the understanding side; the
same words are used in training (from known facts) and in reading (from decisions and attention maps).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from janus_med.expert import ExpertFact, describe_map, list_facts
from janus_med.planning import plan_report
from janus_med.reading import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from janus_med.questions import Question, View
    from janus_med.reading import Decision, FindingReading

Reply = Literal["", "yes", "no", "undecided"]

LUNG_FINDINGS = frozenset(
    {"Lung Opacity", "Lung Lesion", "Edema", "Consolidation", "Pneumonia", "Atelectasis"}
)
"""What makes lungs abnormal; pleura, heart and devices are not the lungs."""

_VIEWS: dict[View, tuple[Decision, Reply]] = {
    "": ("present", ""),
    "frontal": ("present", "yes"),
    "lateral": ("absent", "no"),
    "projection": ("defer", "undecided"),
}
"""Only frontal films are read at all, and AP is not told from PA."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of one film.

    Attributes
    ----------
    decisions
        One a finding, `FINDINGS` complete.
    places
        Where each present finding is, as far as that is known.
    spoken
        What a list of findings names: present ones, and undecided ones that are likely.
    """

    decisions: Mapping[str, Decision]
    places: Mapping[str, ExpertFact]
    spoken: tuple[ExpertFact, ...]

    def place(self, finding: str) -> ExpertFact:
        """The fact of a present finding."""
        return self.places.get(finding, ExpertFact(finding))


@dataclass(frozen=True)
class AnswerPlan:
    """All that the prompt of one answer says.

    Attributes
    ----------
    question
        What is asked.
    decision
        Whether what is asked is present, absent or left to the reader. Of ``list`` and ``normal``: whether an
        abnormal finding is.
    reply
        The word a closed question is answered with; "" for an open one.
    facts
        What the answer names: certain as seen, not certain as possible.
    """

    question: Question
    decision: Decision
    reply: Reply
    facts: tuple[ExpertFact, ...] = ()


def gather_evidence(findings: tuple[FindingReading, ...]) -> Evidence:
    """Turn the readings of one film into evidence; places come from the attention maps."""
    present = [
        finding for finding in findings if finding.decision == "present" and finding.name != "No Finding"
    ]
    places = {finding.name: describe_map(finding.name, finding.attention) for finding in present}
    decisions = {finding.name: finding.decision for finding in findings}
    return Evidence(decisions, places, plan_report(findings).facts)


def plan_answer(question: Question, evidence: Evidence) -> AnswerPlan:
    """Answer a question from what is known of the film.

    Parameters
    ----------
    question
        From `janus_med.questions.parse_question`.
    evidence
        Of an image that is a frontal chest film.

    Returns
    -------
    AnswerPlan
        A finding is decided for the film and placed by its map. So a finding that is present, but not shown
        where it is asked for, leaves the asked place undecided: the map shows where evidence is, not where
        none is.
    """
    if question.kind == "view":
        return _plan_view(question)
    if question.kind in ("list", "normal"):
        return _plan_film(question, evidence)
    decision = evidence.decisions[question.finding]
    if decision != "present":
        closed = question.kind == "presence" or bool(question.count)
        return AnswerPlan(question, decision, _reply(decision, inverted=question.inverted) if closed else "")
    fact = evidence.place(question.finding)
    if question.kind == "presence":
        return _plan_presence(question, fact)
    reply: Reply = ""
    if question.kind == "count" and question.count:
        reply = "undecided" if not fact.count else "yes" if fact.count == question.count else "no"
    return AnswerPlan(question, decision, reply, (fact,))


def _plan_presence(question: Question, fact: ExpertFact) -> AnswerPlan:
    elsewhere = (question.side and fact.side not in (question.side, "bilateral")) or (
        question.zone and fact.zone != question.zone
    )
    decision: Decision = "defer" if elsewhere else "present"
    return AnswerPlan(question, decision, _reply(decision, inverted=question.inverted), (fact,))


def _plan_view(question: Question) -> AnswerPlan:
    decision, reply = _VIEWS[question.view]
    return AnswerPlan(question, decision, reply)


def _plan_film(question: Question, evidence: Evidence) -> AnswerPlan:
    facts = tuple(fact for fact in evidence.spoken if _concerns(fact, question))
    abnormal = [fact for fact in facts if fact.certain and fact.finding != "Support Devices"]
    decision: Decision = "present" if abnormal else "absent" if _is_cleared(question, evidence) else "defer"
    if question.kind == "list":
        return AnswerPlan(question, decision, "", facts)
    reply = _reply(decision, inverted=not question.inverted)
    return AnswerPlan(question, decision, reply, () if decision == "absent" else facts)


def _concerns(fact: ExpertFact, question: Question) -> bool:
    if question.kind == "list":
        return True
    if question.scope == "lungs" and fact.finding not in LUNG_FINDINGS:
        return False
    return not question.side or fact.side in (question.side, "bilateral")


def _is_cleared(question: Question, evidence: Evidence) -> bool:
    if question.scope == "lungs":
        return all(evidence.decisions[name] == "absent" for name in LUNG_FINDINGS)
    undecided = [fact for fact in evidence.spoken if fact.finding != "Support Devices"]
    return evidence.decisions["No Finding"] == "present" and not undecided


def _reply(decision: Decision, *, inverted: bool) -> Reply:
    if decision == "defer":
        return "undecided"
    return "yes" if (decision == "present") != inverted else "no"


def write_question_prompt(plan: AnswerPlan, asked: str) -> str:
    """Write plan and question as the text of the user's turn.

    Parameters
    ----------
    plan
        The answer.
    asked
        The question as it was put; cleaned of all that is no word.
    """
    lines = [
        f"Expert answer. Asked: {_phrase_question(plan.question)}.",
        f"Decision: {plan.decision}. Reply: {plan.reply or 'open'}.",
        list_facts("Present", plan.facts, certain=True),
        list_facts("Uncertain", plan.facts, certain=False),
        f"Question: {clean_question(asked)}",
        "Answer in one sentence.",
    ]
    return "\n".join(lines)


def clean_question(asked: str) -> str:
    """Keep letters, figures and plain punctuation: what was typed can be no special token and no new line."""
    return " ".join(re.sub(r"[^A-Za-z0-9 ,.?'/-]", " ", asked).split())


def _phrase_question(question: Question) -> str:
    about = question.finding or (question.scope if question.kind in ("list", "normal") else question.view)
    return " ".join(
        part for part in (question.kind, about, question.side, question.zone, question.count) if part
    )


def known_evidence(decisions: Mapping[str, Decision], facts: tuple[ExpertFact, ...]) -> Evidence:
    """Make evidence of known facts; a finding without a decision is left open."""
    filled: dict[str, Decision] = {name: decisions.get(name, "defer") for name in FINDINGS}
    return Evidence(filled, {fact.finding: fact for fact in facts if fact.certain}, facts)
