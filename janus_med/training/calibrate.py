"""Stage 3: round the weights to what is stored, then calibrate on persons that no other stage has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.training.samples import Sampler, stack, to_pixels

if TYPE_CHECKING:
    from torch import Tensor

    from janus_med.model import MedicalJanus
    from janus_med.training.stages import Bench

FALSE_REFUSALS = 0.02
"""Share of calibration chest films that the frontal check may refuse."""


@torch.no_grad()
def round_weights(model: MedicalJanus) -> None:
    """Round every weight to float16, so that what is measured is what a reader of the file gets."""
    for tensor in [*model.janus.state_dict().values(), *model.adapter_state().values()]:
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().to(tensor.dtype))


@torch.no_grad()
def calibrate(bench: Bench) -> None:
    """Fit probabilities, decisions and the frontal threshold; the weights must already be rounded."""
    model = bench.model
    sampler = Sampler(bench.store, "calibration", model.preset.grid, inserted_share=0.5)
    logits, labels = [], []
    for step in range(-(-bench.recipe.calibration_samples // 32)):
        rng = bench.rng("calibration", step)
        batch = stack([sampler.draw(rng) for _ in range(32)])
        logits.append(model.perceive(batch.pixels).understanding.logits)
        labels.append(batch.labels)
    with torch.enable_grad():
        model.calibration.fit(torch.cat(logits), torch.cat(labels), prior=torch.tensor(PRIORS))
    model.calibration.frontal_threshold[0] = _frontal_threshold(bench)


PRIORS = (0.5, 0.05, 0.05, 0.3, 0.05, 0.05, 0.05, 0.1, 0.1, 0.02, 0.1, 0.03, 0.02, 0.1)
"""Probability of a finding that too few calibration films show, by frequency in ChestX-ray14 as far as it has
it.
"""


def _frontal_threshold(bench: Bench) -> Tensor:
    indices = bench.store.indices(
        lambda case: case.part == "calibration" and case.source != "kermany_paediatric"
    )
    scores = frontal_scores(bench, indices)
    return torch.quantile(scores, FALSE_REFUSALS)


@torch.no_grad()
def frontal_scores(bench: Bench, indices: list[int]) -> Tensor:
    """Return the frontal logits (M,) of stored films."""
    scores = []
    for start in range(0, len(indices), 32):
        grey = np.stack([bench.store.grey(index) for index in indices[start : start + 32]])
        scores.append(bench.model.perceive(to_pixels(grey)).understanding.frontal)
    return torch.cat(scores)
