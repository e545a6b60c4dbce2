"""Stage 2 of a hospital: LoRA, aligner and write-back learn the hospital's own reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.training.report_turns import report_turn
from janus_med.training.samples import augment, to_pixels
from janus_med.training.stages import GenerationStage
from janus_med.training.texts import grammar_turns, make_batch

if TYPE_CHECKING:
    from torch import Tensor

    from janus_med.training.stages import Bench

GRAMMAR_SHARE = 4
"""One turn in so many is free grammar: the text must go on following its prompt."""
CHUNK = 32


class ReportStage(GenerationStage):
    """Films of the hospital, each with the report that a radiologist wrote of it."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._films = bench.store.indices(lambda case: case.part == "train" and bool(case.report))
        self._texts = [bench.store.cases[index].report for index in self._films]
        starts = range(0, len(self._films), CHUNK)
        self._tokens = [self._encode(start) for start in starts]

    def loss(self, step: int) -> Tensor:
        """Cross-entropy of a report given image tokens and its facts; without reports, of the grammar."""
        if not self._films:
            return super().loss(step)
        model, words = self._bench.model, self._bench.words(self.name, step)
        size = self._bench.recipe.stages[self.name].batch
        pick = self._bench.rng(self.name, 2**20 + step).integers(0, len(self._films), size)
        turns = [report_turn(self._texts[index]) for index in pick[size // GRAMMAR_SHARE :]]
        turns += grammar_turns(words, size - len(turns))
        batch = make_batch(self._bench.tokenizer, turns, model.preset.image_tokens)
        order = [*pick[size // GRAMMAR_SHARE :], *pick[: size // GRAMMAR_SHARE]]
        tokens = torch.stack([self._tokens[index // CHUNK][index % CHUNK] for index in order])
        images = model.image_embeddings(model.attention(tokens.to(model.attention.gate.dtype)))
        output = model.janus(
            input_ids=batch.ids, attention_mask=batch.mask, labels=batch.labels, mm_encoder_outputs=images
        )
        loss: Tensor = output.loss
        return loss

    def _encode(self, start: int) -> Tensor:
        """Encode some films, each moved and exposed a little differently."""
        rng = self._bench.rng(self.name, start)
        none = np.zeros((0, self._bench.store.size, self._bench.store.size), dtype=np.float32)
        grey = [
            augment(self._bench.store.grey(index), none, rng)[0]
            for index in self._films[start : start + CHUNK]
        ]
        return self._bench.model.encoder.encode(to_pixels(np.stack(grey)))
