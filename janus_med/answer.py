"""One answered question: the understanding side decides, the language model words it, and it is read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from janus_med.answer_check import check_answer
from janus_med.answering import AnswerPlan, gather_evidence, plan_answer, write_question_prompt
from janus_med.errors import ModelFault
from janus_med.overlay import find_regions
from janus_med.proposals import propose_texts
from janus_med.question_scope import Refusal
from janus_med.readings import is_frontal, read_findings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedTokenizerFast
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    from janus_med.answering import Reply
    from janus_med.model import MedicalJanus, Perception
    from janus_med.overlay import Region
    from janus_med.question_scope import Reason
    from janus_med.questions import Kind, Question
    from janus_med.reading import Decision, FindingReading, ModelInfo
    from janus_med.spatial import SpatialTrace


@dataclass(frozen=True, eq=False)
class Answer:
    """What is said to one question about one image.

    Attributes
    ----------
    asked
        The question as it was put.
    text
        One sentence of AI text; of a refused question the fixed message of its reason.
    model
        Who answers.
    refused
        Why there is no answer; "" when there is one.
    kind, finding
        What was asked; "" where it does not apply.
    decision
        Whether what was asked is present, absent or left to the reader; None when refused.
    reply
        The word that answers a closed question; "" for an open one.
    probability
        Calibrated, of the asked finding; of ``normal`` that of No Finding; None where there is none.
    shown
        The present findings that the text names, each with its attention map: nothing else may be drawn.
    """

    asked: str
    text: str
    model: ModelInfo
    refused: Reason | None = None
    kind: Kind | None = None
    finding: str = ""
    decision: Decision | None = None
    reply: Reply = ""
    probability: float | None = None
    shown: tuple[FindingReading, ...] = ()

    @property
    def attention(self) -> np.ndarray | None:
        """(h, w) float32 in [0, 1], the map of the one present finding asked about; None otherwise."""
        maps = [reading.attention for reading in self.shown if reading.name == self.finding]
        return maps[0] if maps else None

    def regions(self, trace: SpatialTrace, sop_instance_uid: str) -> dict[str, tuple[Region, ...]]:
        """Find the regions of the shown findings in the source image.

        Parameters
        ----------
        trace
            The spatial steps of the preprocessing of the image that was asked about.
        sop_instance_uid
            That image.

        Returns
        -------
        dict
            By finding; as `janus_med.overlay.find_regions`.
        """
        return {one.name: find_regions(one.attention, trace, sop_instance_uid) for one in self.shown}

    def to_json(self) -> dict[str, Any]:
        """The answer as plain Python, ready for `json.dumps`; maps are rows of the patch grid, top first."""
        return {
            "asked": self.asked,
            "text": self.text,
            "refused": self.refused,
            "kind": self.kind,
            "finding": self.finding,
            "decision": self.decision,
            "reply": self.reply,
            "probability": None if self.probability is None else round(self.probability, 6),
            "shown": [
                {
                    "name": one.name,
                    "probability": round(one.probability, 6),
                    "attention": np.round(one.attention.astype(float), 3).tolist(),
                }
                for one in self.shown
            ],
            "model": {
                "id": self.model.id,
                "preset": self.model.preset,
                "weights_sha256": self.model.weights_sha256,
                "adapters_sha256": self.model.adapters_sha256,
            },
        }


def refuse(asked: str, refusal: Refusal, model: ModelInfo) -> Answer:
    """Say why a question is not answered; no model is run."""
    return Answer(asked, refusal.message, model, refused=refusal.reason)


def answer_question(
    model: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    info: ModelInfo,
    perception: Perception,
    asked: str,
    question: Question,
) -> Answer:
    """Answer a question that was understood, from what was perceived of one image.

    Raises
    ------
    ModelFault
        When the model answers with NaN, or words nothing that says what was decided.
    """
    if not is_frontal(model, perception)[0]:
        return refuse(asked, Refusal("not_frontal"), info)
    findings = read_findings(model, perception, 0)
    plan = decide_answer(question, findings)
    images = model.image_embeddings(perception.cross)
    text = word_answer(model, tokenizer, plan, asked, images)
    return compose_answer(asked, plan, text, findings, info)


def decide_answer(question: Question, findings: tuple[FindingReading, ...]) -> AnswerPlan:
    """Answer a question from the readings of one film."""
    return plan_answer(question, gather_evidence(findings))


def compose_answer(
    asked: str, plan: AnswerPlan, text: str, findings: tuple[FindingReading, ...], model: ModelInfo
) -> Answer:
    """Bring decision, words and maps together."""
    question = plan.question
    named = {fact.finding for fact in plan.facts if fact.certain}
    judged = question.finding or ("No Finding" if question.kind == "normal" else "")
    probabilities = {reading.name: reading.probability for reading in findings}
    return Answer(
        asked=asked,
        text=text,
        model=model,
        kind=question.kind,
        finding=question.finding,
        decision=plan.decision,
        reply=plan.reply,
        probability=probabilities.get(judged) if question.scope == "film" else None,
        shown=tuple(one for one in findings if one.name in named and one.decision == "present"),
    )


def word_answer(
    model: MedicalJanus,
    tokenizer: PreTrainedTokenizerFast,
    plan: AnswerPlan,
    asked: str,
    images: dict[str, BaseModelOutputWithPooling],
) -> str:
    """Let the language model word a plan.

    Parameters
    ----------
    model, tokenizer
        Of one folder.
    plan
        What to say.
    asked
        The question as it was put.
    images
        ``mm_encoder_outputs`` of one image.

    Returns
    -------
    str
        The first of its proposals that says the plan.

    Raises
    ------
    ModelFault
        When none does.
    """
    prompt = write_question_prompt(plan, asked)
    return choose_text(propose_texts(model, tokenizer, prompt, images), plan)


def choose_text(proposals: Iterable[str], plan: AnswerPlan) -> str:
    """Return the first proposal that says the plan; the fault of the first one when none does.

    Raises
    ------
    ModelFault
        With the reason why the first proposal was refused.
    """
    faults: list[ModelFault] = []
    for text in proposals:
        try:
            check_answer(text, plan)
        except ModelFault as fault:
            faults.append(fault)
        else:
            return text
    raise faults[0] if faults else ModelFault("the language model wrote nothing")
