"""Our own grammar of questions and answers: a plan of facts becomes a question with its true answer.

The wordings are written for this project. Each kind keeps some phrasings back: they are never trained on, and
what a model makes of them is measured (`janus_med.evaluation.questions`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from janus_med.answering import LUNG_FINDINGS, AnswerPlan, Evidence, known_evidence, plan_answer
from janus_med.expert import SIDED, ZONED, Count, Side, Zone
from janus_med.questions import Kind, Question, View
from janus_med.reading import FINDINGS
from janus_med.training.answers import NOUNS, write_answer
from janus_med.training.corpus import random_fact, random_plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from janus_med.reading import Decision

Phrasing = Literal["trained", "unseen"]

KINDS: tuple[Kind, ...] = (*("presence",) * 5, "where", "where", "count", "list", "normal", "normal", "view")
"""How often each kind is drawn."""

_OTHER_NOUNS: dict[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": ("a widened mediastinum",),
    "Cardiomegaly": ("an enlarged heart", "cardiac enlargement"),
    "Lung Opacity": ("an opacity", "an infiltrate"),
    "Lung Lesion": ("a nodule", "a mass", "a lung lesion"),
    "Edema": ("edema", "vascular congestion"),
    "Consolidation": ("a consolidation",),
    "Pneumonia": ("an infection",),
    "Atelectasis": ("a collapse", "volume loss"),
    "Pneumothorax": ("pneumothorax",),
    "Pleural Effusion": ("an effusion", "pleural fluid"),
    "Pleural Other": ("a pleural plaque",),
    "Fracture": ("a fracture", "a broken rib"),
    "Support Devices": ("a tube or catheter", "a pacemaker", "a device"),
}
_PRESENCE: dict[Phrasing, tuple[str, ...]] = {
    "trained": (
        "Is there {noun}{place}?",
        "Is there any sign of {bare}{place}?",
        "Does the film show {noun}{place}?",
        "Do you see {noun}{place}?",
        "Can {noun} be seen{place}?",
        "{Bare}{place}?",
        "Is there evidence of {bare}{place}?",
    ),
    "unseen": (
        "Does this patient have {noun}{place}?",
        "Any {bare}{place}?",
        "Are there any signs of {bare}{place} on this radiograph?",
        "Is {noun} present{place}?",
    ),
}
_INVERTED: dict[Phrasing, tuple[tuple[str, str], ...]] = {
    "trained": (
        ("Cardiomegaly", "Is the heart size normal?"),
        ("Cardiomegaly", "Is the cardiac silhouette normal?"),
        ("Pleural Effusion", "Are the costophrenic angles clear?"),
        ("Enlarged Cardiomediastinum", "Is the mediastinum normal?"),
    ),
    "unseen": (
        ("Cardiomegaly", "Does the heart look normal in size?"),
        ("Pleural Effusion", "Are both costophrenic angles sharp?"),
        ("Enlarged Cardiomediastinum", "Are the mediastinal contours normal?"),
    ),
}
_WHERE: dict[Phrasing, tuple[str, ...]] = {
    "trained": (
        "Where is the {bare}?",
        "On which side is the {bare}?",
        "Where do you see the {bare}?",
        "Is the {bare} on the left or on the right?",
        "Which lung has the {bare}?",
    ),
    "unseen": (
        "What is the location of the {bare}?",
        "Which side has the {bare}?",
        "Where can the {bare} be seen?",
    ),
}
_COUNT: dict[Phrasing, tuple[tuple[Count, str], ...]] = {
    "trained": (
        ("", "How many nodules are there?"),
        ("", "How many lung nodules do you see?"),
        ("multiple", "Are there multiple nodules?"),
        ("multiple", "Is there more than one nodule?"),
        ("single", "Is there a single nodule?"),
    ),
    "unseen": (
        ("", "What is the number of nodules?"),
        ("multiple", "Do you see several lung nodules?"),
        ("single", "Is it a solitary nodule?"),
    ),
}
_LIST: dict[Phrasing, tuple[str, ...]] = {
    "trained": (
        "Which findings are there?",
        "What does the film show?",
        "What abnormalities do you see?",
        "What is abnormal?",
        "List the findings.",
    ),
    "unseen": (
        "What can be seen on this radiograph?",
        "Which abnormalities are present?",
        "Describe the findings.",
    ),
}
_NORMAL: dict[Phrasing, tuple[str, ...]] = {
    "trained": (
        "Is the film normal?",
        "Is this a normal chest radiograph?",
        "Is there any abnormality?",
        "Is anything abnormal?",
        "Are the lungs clear?",
        "Are the lungs normal?",
        "Is the {side} lung normal?",
        "Is there any abnormality in the lungs?",
    ),
    "unseen": (
        "Does this chest film look normal?",
        "Is the film abnormal?",
        "Are the lung fields clear?",
        "Is the {side} lung clear?",
    ),
}
_VIEWS: dict[Phrasing, tuple[tuple[View, str], ...]] = {
    "trained": (
        ("", "Which view is it?"),
        ("", "What is the projection?"),
        ("frontal", "Is it a frontal view?"),
        ("lateral", "Is this a lateral film?"),
        ("projection", "Is it AP or PA?"),
    ),
    "unseen": (
        ("", "What view is shown?"),
        ("frontal", "Was a frontal projection taken?"),
        ("lateral", "Is the image a lateral view?"),
        ("projection", "Is this a PA film?"),
    ),
}


@dataclass(frozen=True)
class Asked:
    """A question as it is put and what it means."""

    text: str
    question: Question


@dataclass(frozen=True)
class QuestionTurn:
    """One turn: the plan and the wording of the prompt, and the true answer."""

    plan: AnswerPlan
    asked: str
    answer: str


def draw_question(rng: Random, findings: Sequence[str], phrasing: Phrasing = "trained") -> Asked:
    """Draw a question.

    Parameters
    ----------
    rng
        Kind, finding, place and wording.
    findings
        Which may be asked about, with repetitions for those to be asked more often; never empty.
    phrasing
        Wordings that are trained on, or those kept back.
    """
    kind = rng.choice(KINDS)
    if kind == "list":
        return Asked(rng.choice(_LIST[phrasing]), Question("list"))
    if kind == "view":
        view, text = rng.choice(_VIEWS[phrasing])
        return Asked(text, Question("view", view=view))
    if kind == "normal":
        return _ask_normal(rng, phrasing)
    finding = rng.choice(list(findings))
    if kind == "count" and "Lung Lesion" in findings:
        count, text = rng.choice(_COUNT[phrasing])
        return Asked(text, Question("count", "Lung Lesion", count=count))
    if kind == "where":
        text = rng.choice(_WHERE[phrasing]).format(bare=_bare(finding, rng))
        return Asked(text, Question("where", finding))
    return _ask_presence(finding, rng, phrasing)


def _ask_presence(finding: str, rng: Random, phrasing: Phrasing) -> Asked:
    inverted = [text for name, text in _INVERTED[phrasing] if name == finding]
    if inverted and rng.random() < 0.3:
        text = rng.choice(inverted)
        side: Side = "bilateral" if "both" in text else ""
        return Asked(text, Question("presence", finding, side, inverted=True))
    side, zone = _draw_place(finding, rng)
    place = _place_words(side, zone)
    bare = _bare(finding, rng)
    noun = rng.choice([NOUNS[finding], *_OTHER_NOUNS[finding]])
    text = rng.choice(_PRESENCE[phrasing]).format(
        noun=noun, bare=bare, Bare=bare[0].upper() + bare[1:], place=place
    )
    return Asked(text, Question("presence", finding, side, zone))


def _draw_place(finding: str, rng: Random) -> tuple[Side, Zone]:
    if finding not in SIDED or rng.random() < 0.6:
        return "", ""
    side: Side = rng.choice(get_args(Side)[1:])
    zone: Zone = rng.choice(get_args(Zone)) if finding in ZONED and side != "bilateral" else ""
    return side, zone


def _place_words(side: Side, zone: Zone) -> str:
    if zone:
        return f" in the {side} {zone} zone"
    return {"": "", "bilateral": " on both sides"}.get(side, f" on the {side}")


def _bare(finding: str, rng: Random) -> str:
    noun = rng.choice([NOUNS[finding], *_OTHER_NOUNS[finding]])
    return noun.removeprefix("a ").removeprefix("an ")


def _ask_normal(rng: Random, phrasing: Phrasing) -> Asked:
    template = rng.choice(_NORMAL[phrasing])
    side: Side = rng.choice(("left", "right")) if "{side}" in template else ""
    inverted = "abnormal" in template
    question = Question(
        "normal", side=side, inverted=inverted, scope="lungs" if "lung" in template else "film"
    )
    return Asked(template.format(side=side), question)


def question_turn(evidence: Evidence, rng: Random, phrasing: Phrasing = "trained") -> QuestionTurn:
    """Ask something about a film and answer it; as often of present as of absent and undecided findings."""
    by_state = [
        [name for name in FINDINGS[1:] if evidence.decisions[name] == state]
        for state in ("present", "absent", "defer")
    ]
    asked = draw_question(rng, rng.choice([names for names in by_state if names]), phrasing)
    plan = plan_answer(asked.question, evidence)
    return QuestionTurn(plan, asked.text, write_answer(plan, rng))


def random_evidence(rng: Random) -> Evidence:
    """Draw what may be known of a film, as broadly as for reports."""
    plan = random_plan(rng)
    decisions: dict[str, Decision] = dict.fromkeys(plan.absent, "absent")
    decisions |= {fact.finding: "present" if fact.certain else "defer" for fact in plan.facts}
    if plan.normal:
        decisions["No Finding"] = "present"
        if rng.random() < 0.5:
            decisions |= dict.fromkeys(FINDINGS[1:], "absent")
    elif rng.random() < 0.3:
        decisions |= {name: "absent" for name in LUNG_FINDINGS if name not in decisions}
    facts = plan.facts
    if rng.random() < 0.35:  # plans of reports have few certain findings, and questions want as many of them
        added = replace(random_fact(rng.choice(FINDINGS[1:] + ("Lung Lesion",) * 4), rng), certain=True)
        facts = (*(fact for fact in facts if fact.finding != added.finding), added)
        decisions |= {added.finding: "present", "No Finding": "absent"}
    return known_evidence(decisions, facts)
