"""A report is read back against its plan; what disagrees is worded otherwise, or withheld.

Covered: every kind of disagreement, every sentence of the grammar, the choices that are forbidden, and what
a reader is told. Not covered: how often a model needs it (`janus-med model evaluate`).
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch

from janus_med.engine import JanusMed
from janus_med.errors import ModelFault
from janus_med.expert import ExpertFact, ExpertPlan
from janus_med.plan_check import find_disagreements
from janus_med.reading import FINDINGS, FindingReading
from janus_med.text_answers import Answer
from janus_med.training.corpus import random_plan, write_report
from janus_med.writing import REWORDINGS, Writer, Written, read_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from janus_med.text_answers import Prompt


@pytest.fixture(scope="module")
def engine() -> JanusMed:
    return JanusMed.load(device="cpu")


PLAN = ExpertPlan(
    (
        ExpertFact("Lung Lesion", True, "left", "upper", "single"),
        ExpertFact("Pleural Effusion", False, "right"),
        ExpertFact("Cardiomegaly"),
    ),
    ("Pneumothorax",),
)


def _report(findings: str, impression: str = "Cardiomegaly.") -> str:
    return f"FINDINGS: {findings}\nIMPRESSION: {impression}"


def test_every_report_of_the_grammar_agrees_with_its_plan() -> None:
    rng = Random(3)
    plans = [replace(random_plan(rng), prior=False) for _ in range(400)]
    assert [find_disagreements(write_report(plan, rng), plan) for plan in plans] == [()] * 400


def test_sentence_that_tells_a_finding_again_stands_in_the_place_of_another() -> None:
    twice = "Possible right effusion. Cardiomegaly. A right effusion is suspected."
    (found,) = find_disagreements(_report("Cardiomegaly.", twice), PLAN)
    assert (found.sentence, found.reason) == (3, "it speaks of Pleural Effusion a second time")
    text = _report("Cardiomegaly.", twice)
    assert text[slice(*found.culprit)].strip() == "A right effusion"


@pytest.mark.parametrize(
    ("sentence", "reason", "culprit"),
    [
        ("A nodule in the right upper zone.", "it says right, the region is left", "right"),
        ("A nodule in the left lower zone.", "it says lower zone, the region is upper", "lower"),
        ("Multiple nodules in the left upper zone.", "its number differs: single was found", "Multiple "),
        ("Possible left upper zone nodule.", "it doubts Lung Lesion, which was found", None),
        (
            "There is a right pleural effusion.",
            "it states Pleural Effusion, which was left to the reader",
            None,
        ),
        (
            "There is a left pneumothorax.",
            "it speaks of Pneumothorax, which was not found",
            "There is a left pneumothorax",
        ),
        ("No lung nodule.", "it denies Lung Lesion, which was not found absent", "No lung nodule"),
        ("No consolidation.", "it denies Consolidation, which was not found absent", "No consolidation"),
        ("The lungs are clear.", "it calls the film normal, which was not decided", None),
    ],
)
def test_sentence_that_says_otherwise_is_named_with_its_wrong_choice(
    sentence: str, reason: str, culprit: str | None
) -> None:
    text = _report(f"No pneumothorax. {sentence}")
    (found,) = find_disagreements(text, PLAN)
    assert (found.sentence, found.reason) == (1, reason)
    assert text[slice(*found.culprit)].strip() == (culprit or sentence).strip()


@pytest.mark.parametrize("sentence", ["A nodule is seen.", "The heart is enlarged.", "Unusual words here."])
def test_what_a_sentence_leaves_out_is_no_disagreement(sentence: str) -> None:
    assert find_disagreements(_report(sentence), PLAN) == ()


def test_parent_of_a_planned_finding_may_be_named() -> None:
    plan = ExpertPlan((ExpertFact("Consolidation", True, "left"),))
    assert find_disagreements(_report("There is left lung opacity.", "Left consolidation."), plan) == ()


def test_denial_of_what_is_absent_agrees_even_if_the_prompt_did_not_list_it() -> None:
    text = _report("No consolidation.")
    assert find_disagreements(text, PLAN)
    assert find_disagreements(text, replace(PLAN, untold=("Consolidation",))) == ()


class Repeating:
    """A decoder that knows some texts, the first one best, and obeys the ban of a prompt."""

    def __init__(self, engine: JanusMed, *texts: str) -> None:
        encode = engine.tokenizer.backend_tokenizer.encode
        ends = [engine.tokenizer.eos_token_id]
        self.known = [[*encode(text, add_special_tokens=False).ids, *ends] for text in texts]
        self.asked = 0

    def decode(self, prompts: Sequence[Prompt], end: int, limit: int, *, capture: bool) -> list[Answer]:
        self.asked += 1
        return [self._answer(prompt) for prompt in prompts]

    def _answer(self, prompt: Prompt) -> Answer:
        for ids in self.known:
            ban = prompt.ban
            if ban is None or all(
                token not in ban.forbidden_after(ids[:place]) for place, token in enumerate(ids)
            ):
                return Answer(tuple(ids), (0.9,) * len(ids))
        return Answer(tuple(self.known[0][:3]), (0.1,) * 3)


def _write(engine: JanusMed, plan: ExpertPlan, *texts: str) -> tuple[Written | ModelFault, Repeating]:
    decoder = Repeating(engine, *texts)
    writer = Writer(engine.model, engine.tokenizer, cast("Any", decoder))
    image = torch.zeros(1, engine.model.preset.image_tokens, engine.model.preset.text_width)
    return writer.write([plan], image)[0], decoder


WRONG = _report("There is a right pneumothorax.", "Right pneumothorax.")
RIGHT = _report("There is a left pneumothorax.", "Left pneumothorax.")
LEFT = ExpertPlan((ExpertFact("Pneumothorax", True, "left"),))


def test_wrong_side_is_worded_otherwise(engine: JanusMed) -> None:
    halfway = _report("There is a left pneumothorax.", "Right pneumothorax.")
    written, decoder = _write(engine, LEFT, WRONG, halfway, RIGHT)
    assert isinstance(written, Written)
    assert (written.text, written.withheld, decoder.asked) == (RIGHT, (), 3)


def test_text_that_agrees_is_written_once(engine: JanusMed) -> None:
    written, decoder = _write(engine, LEFT, RIGHT, WRONG)
    assert isinstance(written, Written)
    assert (written.text, decoder.asked) == (RIGHT, 1)


def test_what_cannot_be_worded_otherwise_is_withheld_with_its_reason(engine: JanusMed) -> None:
    written, decoder = _write(engine, LEFT, _report("No edema seen. A left pneumothorax.", "Pneumothorax."))
    assert isinstance(written, Written)
    assert decoder.asked == 1 + REWORDINGS
    assert [one.reason for one in written.withheld] == ["it denies Edema, which was not found absent"]
    sentences = read_sentences(written, _findings())
    assert [one.text for one in sentences] == ["A left pneumothorax.", "Pneumothorax."]


def test_text_without_a_section_is_a_fault_and_not_worded_otherwise(engine: JanusMed) -> None:
    written, decoder = _write(engine, LEFT, "FINDINGS: There is a right pneumothorax.")
    assert isinstance(written, Written)
    assert decoder.asked == 1
    with pytest.raises(ModelFault, match="lacks a section"):
        read_sentences(written, _findings())


def _findings() -> tuple[FindingReading, ...]:
    flat = np.ones((2, 2), dtype=np.float32)
    return tuple(FindingReading(name, 0.5, "defer", flat) for name in FINDINGS)
