"""Recovery after pruning: the pruned base learns to answer as the whole one did (Hinton et al., 2015).

The encoder learns the teacher's image tokens and finding logits on films, the language model the teacher's
distribution over the words of grammar reports and answers: some behind image tokens, twice as many without.
The adapters stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, mse_loss
from transformers.modeling_outputs import BaseModelOutputWithPooling

from janus_med.encoders import encode_with_gradient
from janus_med.training.run import CLIP, rate_at
from janus_med.training.samples import generator, stack
from janus_med.training.texts import IGNORED, are_questions, grammar_turns, make_batch, question_turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedTokenizerFast

    from janus_med.model import MedicalJanus
    from janus_med.training.samples import Sampler

PEAK_RATE = 5e-4
BATCH = 8


@dataclass(frozen=True, eq=False)
class Lesson:
    """Whole model, pruned model, where films come from, how long."""

    teacher: MedicalJanus
    student: MedicalJanus
    tokenizer: PreTrainedTokenizerFast
    sampler: Sampler
    steps: int
    seed: int


def recover(lesson: Lesson, progress: Callable[[int, int, float], None] | None = None) -> None:
    """Fit the pruned towers of the student in place; its adapters do not move.

    Parameters
    ----------
    lesson
        Teacher and student are frozen before and after.
    progress
        Called with (step, steps, loss).
    """
    parameters = _learning(lesson.student)
    optimiser = torch.optim.AdamW(parameters, betas=(0.9, 0.95), weight_decay=0.0)
    for step in range(lesson.steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, lesson.steps, PEAK_RATE)
        optimiser.zero_grad()
        loss = _loss(lesson, step)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimiser.step()
        if progress is not None:
            progress(step + 1, lesson.steps, float(loss.detach()))
    lesson.student.requires_grad_(False)


def _learning(student: MedicalJanus) -> list[nn.Parameter]:
    student.requires_grad_(False)
    towers = (student.janus.model.vision_model, student.janus.model.language_model.layers)
    chosen = [
        parameter for tower in towers for name, parameter in tower.named_parameters() if "lora_" not in name
    ]
    for parameter in chosen:
        parameter.requires_grad_(True)
    return chosen


def _loss(lesson: Lesson, step: int) -> Tensor:
    teacher, student = lesson.teacher, lesson.student
    rng = generator(lesson.seed, "recover", step)
    pixels = stack([lesson.sampler.draw(rng) for _ in range(BATCH)]).pixels
    with torch.no_grad():
        seen = teacher.perceive(pixels)
    tokens = encode_with_gradient(student.janus.model.vision_model, pixels)
    logits = student.understand(tokens).understanding.logits
    sight = mse_loss(tokens, seen.tokens) / seen.tokens.var() + mse_loss(logits, seen.understanding.logits)
    image = teacher.image_embeddings(seen.cross)["image"].pooler_output
    return sight + _text_loss(lesson, image, step) + _text_loss(lesson, None, step)


def _text_loss(lesson: Lesson, image: Tensor | None, step: int) -> Tensor:
    """Divergence of the word distributions, mean over the words of the reports or answers."""
    words = Random(f"{lesson.seed}-{step}-{image is None}")  # noqa: S311 - wording, not secrets
    draw = question_turns if are_questions(step) else grammar_turns
    turns = draw(words, 2 * BATCH if image is None else len(image))
    batch = make_batch(lesson.tokenizer, turns, 0 if image is None else lesson.student.preset.image_tokens)
    before = batch.labels[:, 1:] != IGNORED  # the logits that predict a word of the report
    with torch.no_grad():
        taught = _logits(lesson.teacher, batch.ids, batch.mask, image)[before].log_softmax(-1)
    said = _logits(lesson.student, batch.ids, batch.mask, image)[before].log_softmax(-1)
    return kl_div(said, taught, reduction="batchmean", log_target=True)


def _logits(model: MedicalJanus, ids: Tensor, mask: Tensor, image: Tensor | None) -> Tensor:
    """Return (B, L - 1, V) logits, the last one left out."""
    images = None if image is None else {"image": BaseModelOutputWithPooling(pooler_output=image)}
    output = model.janus(input_ids=ids, attention_mask=mask, mm_encoder_outputs=images)
    logits: Tensor = output.logits[:, :-1]
    return logits
