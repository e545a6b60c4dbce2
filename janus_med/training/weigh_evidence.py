"""Before calibration: how much the patches of an image count beside the image as a whole.

A finding learns to be told by its film, too: by what else is in it and where it comes from. That carries over
to other films less well than the patches do, and the training films cannot show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from janus_med.adapters.understanding import strongest_evidence
from janus_med.calibration import FEWEST
from janus_med.evaluation.metrics import auroc
from janus_med.reading import FINDINGS
from janus_med.training.samples import Sampler, stack

if TYPE_CHECKING:
    from torch import Tensor

    from janus_med.training.stages import Bench

FACTORS = (0.5, 1.0, 2.0)

LEAST_GAIN = 0.01
"""Of the area under the ROC curve, for evidence to count for more than training found."""


@dataclass(frozen=True, eq=False)
class JudgedFilms:
    """(M, K) each: uncalibrated logits, `strongest_evidence` of the patches, labels (NaN: not known)."""

    logits: Tensor
    evidence: Tensor
    labels: Tensor


@torch.no_grad()
def judge_films(bench: Bench, purpose: str, count: int) -> JudgedFilms:
    """Judge films of calibration persons, half of them with inserted findings; each purpose draws its own."""
    sampler = Sampler(bench.store, "calibration", bench.model.preset.grid, inserted_share=0.5)
    logits, evidence, labels = [], [], []
    for step in range(-(-count // 32)):
        rng = bench.rng(purpose, step)
        batch = stack([sampler.draw(rng) for _ in range(32)])
        perception = bench.model.perceive(batch.pixels)
        logits.append(perception.understanding.logits)
        evidence.append(strongest_evidence(perception.cross.evidence))
        labels.append(batch.labels)
    return JudgedFilms(torch.cat(logits), torch.cat(evidence), torch.cat(labels))


@torch.no_grad()
def weigh_evidence(bench: Bench) -> dict[str, float]:
    """Add to the weight of the evidence where that orders calibration films better; return what was added."""
    films = judge_films(bench, "evidence", 2 * bench.recipe.calibration_samples)
    added = {}
    for index, name in enumerate(FINDINGS):
        factor = best_factor(films.logits[:, index], films.evidence[:, index], films.labels[:, index])
        if factor:
            bench.model.understanding.from_evidence[index] += factor
            added[name] = factor
    return added


def best_factor(logits: Tensor, evidence: Tensor, labels: Tensor) -> float:
    """Return how much of the evidence to add to the logits, 0 unless the order gains `LEAST_GAIN`.

    Parameters
    ----------
    logits, evidence
        (M,) of one finding.
    labels
        (M,) 0, 1 or NaN where the truth is not known.
    """
    known = ~labels.isnan()
    truth = labels[known].numpy()
    if min(int(truth.sum()), int((1 - truth).sum())) < FEWEST:
        return 0.0
    areas = {factor: auroc((logits + factor * evidence)[known].numpy(), truth) for factor in (0.0, *FACTORS)}
    best = max(FACTORS, key=areas.__getitem__)
    return best if areas[best] >= areas[0.0] + LEAST_GAIN else 0.0
