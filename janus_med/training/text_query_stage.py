"""The shared attention learns to be asked in words; everything else stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.phrase_tokens import encode_sentences
from janus_med.training.losses import evidence_loss
from janus_med.training.phrases import draw_phrase
from janus_med.training.stages import encode_pool

if TYPE_CHECKING:
    from torch import Tensor, nn

    from janus_med.training.stages import Bench

INSERTED_SHARE = 0.8
"""Of real films the labels are known but not the places."""


class TextQueryStage:
    """One sentence a film, of the finding it shows or does not show, on frozen features."""

    name = "text_queries"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        bench.model.encoder.freeze()
        torch.manual_seed(bench.seed + 3)
        self._queries = bench.model.add_text_queries()
        self._pool = encode_pool(bench, self.name, bench.recipe.pool, INSERTED_SHARE)

    def modules(self) -> dict[str, nn.Module | nn.Parameter]:
        """The text queries alone."""
        return {"text_queries": self._queries}

    def loss(self, step: int) -> Tensor:
        """Cross-entropy of each patch: whether it shows what the sentence says."""
        rng, words = self._bench.rng(self.name, 2**20 + step), self._bench.words(self.name, step)
        size = self._bench.recipe.stages[self.name].batch
        films = rng.integers(0, len(self._pool.labels), size).tolist()
        drawn = [(i, draw_phrase(self._pool.labels[i], self._pool.masks[i], words)) for i in films]
        kept = [(i, phrase) for i, phrase in drawn if phrase is not None]
        ids, mask = encode_sentences(self._bench.tokenizer, [phrase.text for _, phrase in kept])
        evidence = self._bench.model.locate(self._pool.tokens[[i for i, _ in kept]], ids, mask)
        targets = torch.from_numpy(np.stack([phrase.mask for _, phrase in kept])).flatten(1)
        return evidence_loss(evidence, targets)
