"""Token batches for the language stages: prompts from plans, reports from the grammar, loss on the report
alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from janus_med.expert import ExpertFact, ExpertPlan, describe_location, order_findings, write_prompt
from janus_med.reading import FINDINGS
from janus_med.tokenizer import chat_prompt
from janus_med.training.corpus import random_plan, write_report

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

IGNORED = -100


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Token ids, attention mask and labels, each (B, L), padded on the left."""

    ids: Tensor
    mask: Tensor
    labels: Tensor


def grammar_texts(seed: int, count: int) -> list[str]:
    """Return prompts and reports to train a tokenizer on."""
    rng = Random(seed)  # noqa: S311 - wording, not secrets
    plans = [random_plan(rng) for _ in range(count)]
    return [chat_prompt(write_prompt(plan), 0) + " " + write_report(plan, rng) for plan in plans]


def make_batch(
    tokenizer: PreTrainedTokenizerFast, turns: list[tuple[ExpertPlan, str]], image_tokens: int
) -> TextBatch:
    """Turn (plan of the prompt, report) pairs into one batch."""
    rows = []
    for plan, report in turns:
        prompt = tokenizer(chat_prompt(write_prompt(plan), image_tokens)).input_ids
        answer = [*tokenizer(f" {report}", add_special_tokens=False).input_ids, tokenizer.eos_token_id]
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


def grammar_turns(rng: Random, count: int) -> list[tuple[ExpertPlan, str]]:
    """Draw plans and their reports."""
    plans = [random_plan(rng) for _ in range(count)]
    return [(plan, write_report(plan, rng)) for plan in plans]


def sample_turn(labels: Tensor, masks: Tensor, rng: Random) -> tuple[ExpertPlan, str]:
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
        The plan as the prompt tells it, and the report of the full truth.
    """
    present = [index for index in range(1, len(FINDINGS)) if labels[index] == 1]
    facts = tuple(_fact(FINDINGS[index], masks[index], rng) for index in present)
    known_absent = [FINDINGS[index] for index in range(1, len(FINDINGS)) if labels[index] == 0]
    absent = order_findings(rng.sample(known_absent, rng.randint(0, min(5, len(known_absent)))))
    truth = ExpertPlan(facts, absent, normal=bool(labels[0] == 1) and not facts, prior=False)
    told = replace(truth, facts=tuple(_hide_place(fact, rng) for fact in facts))
    return told, write_report(truth, rng)


def _fact(name: str, mask: Tensor, rng: Random) -> ExpertFact:
    if bool(mask.isnan().any()):
        return ExpertFact(name, certain=rng.random() < 0.7)
    return replace(describe_location(name, mask.numpy()), certain=rng.random() < 0.7)


def _hide_place(fact: ExpertFact, rng: Random) -> ExpertFact:
    return replace(fact, side="", zone="") if rng.random() < 0.2 else fact
