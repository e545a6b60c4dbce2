"""Token batches for the language stages: prompts from plans, reports and answers from the grammars, loss on
what the model shall write alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from janus_med.answering import Evidence, known_evidence, write_question_prompt
from janus_med.expert import ExpertFact, ExpertPlan, describe_location, order_findings, write_prompt
from janus_med.reading import FINDINGS
from janus_med.tokenizer import chat_prompt
from janus_med.training.corpus import random_plan, write_report
from janus_med.training.questions import QuestionTurn, question_turn, random_evidence

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from janus_med.reading import Decision

IGNORED = -100
QUESTION_EVERY = 5
"""Every so many steps the whole batch is questions, a fifth of all turns. Mixed into batches of reports, an
answer of a dozen tokens would have a small part of the mean over tokens.
"""
OPENED = 0.25
"""Share of the known findings of an image that the prompt of a question calls undecided."""

Turn = tuple[str, str]
"""The text of the user's turn, and what the model shall write."""


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Token ids, attention mask and labels, each (B, L), padded on the left."""

    ids: Tensor
    mask: Tensor
    labels: Tensor


def grammar_texts(seed: int, count: int) -> list[str]:
    """Return prompts with their reports or answers to train a tokenizer on; a fifth are questions."""
    rng = Random(seed)  # noqa: S311 - wording, not secrets
    asked = count // QUESTION_EVERY
    turns = grammar_turns(rng, count - asked) + question_turns(rng, asked)
    return [chat_prompt(prompt, 0) + " " + text for prompt, text in turns]


def make_batch(tokenizer: PreTrainedTokenizerFast, turns: list[Turn], image_tokens: int) -> TextBatch:
    """Turn (user's turn, report or answer) pairs into one batch."""
    rows = []
    for asked, text in turns:
        prompt = tokenizer(chat_prompt(asked, image_tokens)).input_ids
        answer = [*tokenizer(f" {text}", add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        rows.append((prompt, answer))
    length = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.full((len(rows), length), tokenizer.pad_token_id)
    labels = torch.full((len(rows), length), IGNORED)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for row, (prompt, answer) in enumerate(rows):
        start = length - len(prompt) - len(answer)
        ids[row, start:] = torch.tensor(prompt + answer)
        labels[row, length - len(answer) :] = torch.tensor(answer)
        mask[row, start:] = 1
    return TextBatch(ids, mask, labels)


def are_questions(step: int) -> bool:
    """Whether the batch of a step is questions."""
    return step % QUESTION_EVERY == QUESTION_EVERY - 1


def grammar_turns(rng: Random, count: int) -> list[Turn]:
    """Draw plans and their reports."""
    plans = [random_plan(rng) for _ in range(count)]
    return [(write_prompt(plan), write_report(plan, rng)) for plan in plans]


def question_turns(rng: Random, count: int) -> list[Turn]:
    """Draw questions about films that are known by their facts alone, and their answers."""
    return [_turn(question_turn(random_evidence(rng), rng)) for _ in range(count)]


def sample_question(labels: Tensor, masks: Tensor, rng: Random) -> Turn:
    """Make a question and its answer from what is known of one image.

    Parameters
    ----------
    labels, masks
        As for `sample_turn`.
    rng
        The question, its wording, and which findings the prompt calls undecided.
    """
    return _turn(question_turn(_evidence(labels, masks, rng), rng))


def _turn(turn: QuestionTurn) -> Turn:
    return write_question_prompt(turn.plan, turn.asked), turn.answer


def _evidence(labels: Tensor, masks: Tensor, rng: Random) -> Evidence:
    decisions: dict[str, Decision] = {
        name: "present" if value == 1 else "absent"
        for name, value in zip(FINDINGS, labels.tolist(), strict=True)
        if value in (0, 1) and rng.random() >= OPENED
    }
    facts = tuple(
        replace(_fact(name, masks[index], rng), certain=True)
        for index, name in enumerate(FINDINGS)
        if index and decisions.get(name) == "present"
    )
    return known_evidence(decisions, facts)


def sample_turn(labels: Tensor, masks: Tensor, rng: Random) -> Turn:
    """Make a turn from what is known of one image.

    Parameters
    ----------
    labels
        (14,) 0, 1, NaN.
    masks
        (14, g, g), NaN where the place is not known.
    rng
        Certainty, wording, and which places the prompt keeps to itself so that they must be seen in the
        image.

    Returns
    -------
    tuple
        The prompt, and the report of the full truth.
    """
    present = [index for index in range(1, len(FINDINGS)) if labels[index] == 1]
    facts = tuple(_fact(FINDINGS[index], masks[index], rng) for index in present)
    known_absent = [FINDINGS[index] for index in range(1, len(FINDINGS)) if labels[index] == 0]
    absent = order_findings(rng.sample(known_absent, rng.randint(0, min(5, len(known_absent)))))
    truth = ExpertPlan(facts, absent, normal=bool(labels[0] == 1) and not facts, prior=False)
    told = replace(truth, facts=tuple(_hide_place(fact, rng) for fact in facts))
    return write_prompt(told), write_report(truth, rng)


def _fact(name: str, mask: Tensor, rng: Random) -> ExpertFact:
    if bool(mask.isnan().any()):
        return ExpertFact(name, certain=rng.random() < 0.7)
    return replace(describe_location(name, mask.numpy()), certain=rng.random() < 0.7)


def _hide_place(fact: ExpertFact, rng: Random) -> ExpertFact:
    return replace(fact, side="", zone="") if rng.random() < 0.2 else fact
