"""The frontal check learns what is an upright frontal chest film; everything else stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from janus_med.training.data import OUT_OF_POPULATION
from janus_med.training.nonchest import draw_other
from janus_med.training.samples import Sampler, to_pixels

if TYPE_CHECKING:
    from torch import Tensor, nn

    from janus_med.training.stages import Bench

CHUNK = 32


class ScopeStage:
    """Adult films, as they are or with lesions, against drawn and spoilt pictures, on frozen features."""

    name = "scope"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        bench.model.encoder.freeze()
        self._films = bench.store.indices(
            lambda case: case.part == "train" and case.source not in OUT_OF_POPULATION
        )
        self._sampler = Sampler(bench.store, "train", bench.model.preset.grid)
        steps = range(-(-bench.recipe.pool // CHUNK))
        self._chest = torch.cat([self._encode(step, chest=True) for step in steps])
        self._other = torch.cat([self._encode(step, chest=False) for step in steps])

    @torch.no_grad()
    def _encode(self, step: int, *, chest: bool) -> Tensor:
        rng = self._bench.rng(self.name, 2 * step + chest)
        films = [self._bench.store.grey(int(index)) for index in rng.choice(self._films, CHUNK)]
        if chest:
            grey = [film if rng.random() < 0.6 else self._sampler.draw(rng).grey for film in films]
        else:
            grey = [draw_other(film, rng) for film in films]
        return self._bench.model.encoder.encode(to_pixels(np.stack(grey)))

    def modules(self) -> dict[str, nn.Module | nn.Parameter]:
        """The head of the frontal check."""
        return {"frontal": self._bench.model.understanding.frontal}

    def loss(self, step: int) -> Tensor:
        """Binary cross-entropy of chest against other."""
        rng, size = self._bench.rng(self.name, 2**20 + step), self._bench.recipe.stages[self.name].batch
        chest = self._chest[torch.from_numpy(rng.integers(0, len(self._chest), size))]
        other = self._other[torch.from_numpy(rng.integers(0, len(self._other), size))]
        logits = self._bench.model.understanding.frontal(torch.cat([chest, other]))
        return binary_cross_entropy_with_logits(logits, torch.cat([torch.ones(size), torch.zeros(size)]))
