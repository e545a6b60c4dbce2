"""What stands behind the frozen encoder in `bench.decoupling`: projections, a head that answers, a head that
writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import PreTrainedTokenizerFast
from transformers.modeling_outputs import BaseModelOutputWithPooling

from janus_med.adapters.cross_attention import FindingAttention
from janus_med.adapters.generation import lora_parameters
from janus_med.adapters.understanding import UnderstandingAdapter
from janus_med.expert import SIDED, ExpertFact, ExpertPlan, describe_location
from janus_med.model import MedicalJanus
from janus_med.reading import FINDINGS
from janus_med.text_answers import Prompt
from janus_med.text_decoder import TextDecoder
from janus_med.tokenizer import chat_prompt
from janus_med.training.corpus import write_report
from janus_med.training.losses import evidence_loss
from janus_med.training.texts import IGNORED, TextBatch, make_batch

T = TypeVar("T")

ASKED = ("", "left", "right")
"""Is there FINDING, is there FINDING on the left, on the right."""

INSTRUCTION = "Write findings."
MOST_TOKENS = 80
LARGEST_WEIGHT = 30.0


class Projection(nn.Module):
    """A residual bottleneck over (B, N, D) tokens; it starts as the identity.

    The norm has no weights and the way out no bias, so that two of half the rank have exactly the
    parameters of one.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.enter = nn.Linear(width, rank)
        self.leave = nn.Linear(rank, width, bias=False)
        nn.init.zeros_(self.leave.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        changed: Tensor = self.leave(nn.functional.gelu(self.enter(self.norm(tokens))))
        return tokens + changed


class QuestionHead(nn.Module):
    """Finding queries over the projected tokens, and the logits of three yes/no questions a finding."""

    def __init__(self, width: int, image_tokens: int, heads: int) -> None:
        super().__init__()
        self.attention = FindingAttention(width, len(FINDINGS), heads)
        self.judge = UnderstandingAdapter(width, len(FINDINGS), 16, image_tokens)
        self.from_side = nn.Parameter(torch.full((len(FINDINGS), 2, 3), 0.2))  # side, evidence here and there
        self._grid = round(image_tokens**0.5)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, K, 3) logits in the order of `ASKED`, and the (B, K, N) evidence."""
        cross = self.attention(tokens)
        present = self.judge(tokens, cross).logits
        places = cross.evidence.unflatten(-1, (self._grid, self._grid))
        half = self._grid // 2
        right, left = places[..., :half].flatten(2), places[..., -half:].flatten(2)  # of the patient
        strong = torch.stack(
            [left.logsumexp(-1), right.logsumexp(-1), torch.ones_like(present)], -1
        )  # (B, K, 3)
        sides = torch.einsum("bkc,ksc->bks", strong, self.from_side) + present[..., None]
        return torch.cat([present[..., None], sides], -1), cross.evidence


def question_loss(answered: tuple[Tensor, Tensor], truth: Tensor, masks: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy of the known answers, and the evidence loss of training.

    Parameters
    ----------
    answered
        What the head gave.
    truth
        (B, K, 3) 0, 1, NaN.
    masks
        (B, K, g, g), NaN where the place is not known.
    weights
        (K, 3) how often a question has the answer no for each yes.
    """
    logits, evidence = answered
    known = ~truth.isnan()
    spread = weights.expand_as(truth)[known]
    loss = binary_cross_entropy_with_logits(logits[known], truth[known], pos_weight=spread)
    return loss + evidence_loss(evidence, masks.flatten(2))


def true_answers(labels: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """(M, K, 3) float32 of 0, 1, NaN from labels (M, K) and masks (M, K, g, g); NaN is not asked."""
    truth = np.full((*labels.shape, len(ASKED)), np.nan, dtype=np.float32)
    truth[:, 1:, 0] = labels[:, 1:]
    for index, name in enumerate(FINDINGS):
        if name in SIDED:
            truth[labels[:, index] == 0, index, 1:] = 0
            for film in np.flatnonzero(labels[:, index] == 1):
                side = true_fact(index, masks[film, index]).side
                if side:
                    truth[film, index, 1:] = [side in (asked, "bilateral") for asked in ASKED[1:]]
    return truth


def true_fact(index: int, mask: np.ndarray) -> ExpertFact:
    """What a report says of a finding that is present; its place where the (g, g) mask knows it."""
    return ExpertFact(FINDINGS[index]) if np.isnan(mask).any() else describe_location(FINDINGS[index], mask)


def yes_weights(truth: Tensor) -> Tensor:
    """(K, 3) how many films have the answer no for each with yes, so that a logit of 0 parts them evenly."""
    yes, no = (truth == 1).sum(0), (truth == 0).sum(0)
    return (no / yes.clamp(min=1)).clamp(1, LARGEST_WEIGHT)


class _FirstWording(Random):
    """One wording a fact: what is learnt is the facts, not the taste of the grammar."""

    def choice(self, seq: Sequence[T]) -> T:
        return seq[0]


def true_report(labels: np.ndarray, masks: np.ndarray) -> str:
    """The findings section of one film, (K,) labels and (K, g, g) masks, from the truth alone."""
    facts = tuple(true_fact(k, masks[k]) for k in range(1, len(FINDINGS)) if labels[k] == 1)
    plan = ExpertPlan(facts, normal=bool(labels[0] == 1) and not facts)
    return write_report(plan, _FirstWording(0)).splitlines()[0]


class ReportHead:
    """The language model of a fitted model: aligner and LoRA learn, and no prompt names a finding."""

    def __init__(self, model: MedicalJanus, tokenizer: PreTrainedTokenizerFast, image_tokens: int) -> None:
        self._janus, self._model = model.janus, model
        self._tokenizer, self._count = tokenizer, image_tokens
        self._aligner = model.add_generation().aligner.requires_grad_(True)
        self._lora = dict(lora_parameters(model.janus))
        for parameter in self._lora.values():
            parameter.requires_grad_(True)

    def parameters(self) -> list[nn.Parameter]:
        return [*self._aligner.parameters(), *self._lora.values()]

    def loss(self, tokens: Tensor, reports: list[str]) -> Tensor:
        """Mean cross-entropy a token of the reports given (B, N, D) projected tokens."""
        logits, batch = self._forward(tokens, reports)
        return nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=IGNORED
        )

    @torch.no_grad()
    def nats(self, tokens: Tensor, reports: list[str]) -> np.ndarray:
        """(B,) cross-entropy of each whole report."""
        logits, batch = self._forward(tokens, reports)
        losses = nn.functional.cross_entropy(
            logits[:, :-1].transpose(1, 2), batch.labels[:, 1:], ignore_index=IGNORED, reduction="none"
        )
        return np.asarray(losses.sum(1).numpy())

    def _forward(self, tokens: Tensor, reports: list[str]) -> tuple[Tensor, TextBatch]:
        batch = make_batch(self._tokenizer, [(INSTRUCTION, text) for text in reports], self._count)
        images = {"image": BaseModelOutputWithPooling(pooler_output=self._aligner(tokens))}
        output = self._janus(input_ids=batch.ids, attention_mask=batch.mask, mm_encoder_outputs=images)
        return output.logits, batch

    @torch.no_grad()
    def write(self, tokens: Tensor) -> list[str]:
        """Greedy text of each image, at most `MOST_TOKENS` tokens."""
        ids = self._tokenizer(chat_prompt(INSTRUCTION, self._count)).input_ids
        prompts = [Prompt(ids, image) for image in self._aligner(tokens)]
        answers = TextDecoder(self._model).decode(prompts, self._tokenizer.eos_token_id, MOST_TOKENS)
        return [self._tokenizer.decode(one.tokens, skip_special_tokens=True) for one in answers]
