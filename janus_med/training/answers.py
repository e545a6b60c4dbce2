"""The answers of our own grammar: a plan becomes the one sentence that says it, so text and truth agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from janus_med.expert import SIDED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from janus_med.answering import AnswerPlan
    from janus_med.expert import ExpertFact

NOUNS: dict[str, str] = {
    "Enlarged Cardiomediastinum": "mediastinal widening",
    "Cardiomegaly": "cardiomegaly",
    "Lung Opacity": "a lung opacity",
    "Lung Lesion": "a lung nodule",
    "Edema": "pulmonary edema",
    "Consolidation": "consolidation",
    "Pneumonia": "pneumonia",
    "Atelectasis": "atelectasis",
    "Pneumothorax": "a pneumothorax",
    "Pleural Effusion": "a pleural effusion",
    "Pleural Other": "pleural thickening",
    "Fracture": "a rib fracture",
    "Support Devices": "a support device",
}


def write_answer(plan: AnswerPlan, rng: Random) -> str:
    """Write the one sentence that says exactly the plan.

    Parameters
    ----------
    plan
        From `janus_med.answering.plan_answer`.
    rng
        Chooses among equivalent wordings.
    """
    writers = {
        "presence": _answer_presence,
        "where": _answer_where,
        "count": _answer_count,
        "list": _answer_list,
        "normal": _answer_normal,
        "view": _answer_view,
    }
    lead = {"yes": "Yes, ", "no": "No, "}.get(plan.reply, "")
    text = lead + writers[plan.question.kind](plan, rng)
    return text[0].upper() + text[1:]


def _answer_presence(plan: AnswerPlan, rng: Random) -> str:
    question = plan.question
    if plan.facts and plan.decision == "defer":  # present, but not shown where it was asked for
        place = " ".join(
            part for part in (question.side, f"{question.zone} zone" if question.zone else "side") if part
        )
        asked = "other side" if question.side == "bilateral" else place
        return f"{_state(plan.facts[0])}; the {asked} cannot be decided."
    if plan.facts:
        fact = plan.facts[0]
        return rng.choice((f"{_state(fact)}.", f"{name_fact(fact)} {_be(fact)} seen."))
    return _answer_unplaced(plan, rng)


def _answer_unplaced(plan: AnswerPlan, rng: Random) -> str:
    noun = NOUNS[plan.question.finding]
    if plan.decision == "absent":
        return rng.choice(("there is no {}.", "no {} is seen.")).format(noun.removeprefix("a "))
    return rng.choice(
        ("it cannot be decided whether there is {}.", "whether there is {} cannot be decided.")
    ).format(noun)


def _answer_where(plan: AnswerPlan, rng: Random) -> str:
    if not plan.facts:
        return _answer_unplaced(plan, rng)
    fact = plan.facts[0]
    if fact.finding not in SIDED:
        return f"{_state(fact)}; it has no side."
    if not fact.side:
        return f"{_state(fact)}; the side cannot be decided."
    bare = "lung nodules" if fact.count == "multiple" else NOUNS[fact.finding].removeprefix("a ")
    subject = f"the {bare} {_be(fact)}"
    if fact.zone:
        return f"{subject} in the {fact.side} {fact.zone} zone."
    return f"{subject} {'on both sides' if fact.side == 'bilateral' else f'on the {fact.side}'}."


def _answer_count(plan: AnswerPlan, rng: Random) -> str:
    if not plan.facts:
        return _answer_unplaced(plan, rng)
    count = plan.facts[0].count
    if not count:
        return "there is a lung nodule; the number cannot be decided."
    return "there is one lung nodule." if count == "single" else "there is more than one lung nodule."


def _answer_list(plan: AnswerPlan, rng: Random) -> str:
    if plan.facts:
        return f"{rng.choice(('the film shows', 'seen:'))} {_enumerate(plan.facts)}."
    if plan.decision == "absent":
        return rng.choice(("the film is normal.", "the film shows no abnormality."))
    return "no finding can be stated; the film is left to the reader."


def _answer_normal(plan: AnswerPlan, rng: Random) -> str:
    question = plan.question
    lung = "the lungs are" if question.side in ("", "bilateral") else f"the {question.side} lung is"
    subject = "the film is" if question.scope == "film" else lung
    if plan.decision == "absent":
        return f"{subject} {'normal' if question.scope == 'film' else 'clear'}."
    if plan.decision == "present":
        return f"the film shows {_enumerate(plan.facts)}."
    open_text = f"whether {subject} normal cannot be decided"
    return f"{open_text}; {_enumerate(plan.facts)}." if plan.facts else f"{open_text}."


def _answer_view(plan: AnswerPlan, rng: Random) -> str:
    view = "this is a frontal view"
    return f"{view}; AP and PA are not told apart." if plan.question.view == "projection" else f"{view}."


def _state(fact: ExpertFact) -> str:
    return f"there {_be(fact)} {name_fact(fact)}"


def _be(fact: ExpertFact) -> str:
    return "are" if fact.count == "multiple" else "is"


def _enumerate(facts: Sequence[ExpertFact]) -> str:
    """Name facts, the certain ones first, each in a clause of its own: a side or a doubt belongs to one."""
    certain = [name_fact(fact) for fact in facts if fact.certain]
    return "; ".join(certain + [f"possibly {name_fact(fact)}" for fact in facts if not fact.certain])


def name_fact(fact: ExpertFact) -> str:
    """Name a fact with its place: ``a left lower zone lung opacity``."""
    noun = NOUNS[fact.finding]
    article, bare = ("a ", noun[2:]) if noun.startswith("a ") else ("", noun)
    if fact.count == "multiple":
        article, bare = "multiple ", "lung nodules"
    zone = f"{fact.zone} zone" if fact.zone else ""
    return article + " ".join(part for part in (fact.side, zone, bare) if part)
