"""Figures and their 95 % bootstrap intervals, in plain numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

RESAMPLES = 500
BINS = 15


@dataclass(frozen=True)
class Figure:
    """A value, its 95 % interval, and the positives and images it rests on; NaN when it cannot be told."""

    value: float
    low: float
    high: float
    positives: int
    count: int

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        return f"{self.value:.2f} ({self.low:.2f}-{self.high:.2f})"


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the ROC curve, ties counted half; NaN when one label is missing.

    Parameters
    ----------
    scores, labels
        (M,) each; labels are 0 or 1.
    """
    positives = int((labels == 1).sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float(
        (ranks[inverse][labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    )


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error over 15 equal bins (Guo et al. 2017)."""
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    total = 0.0
    for index in np.unique(bins):
        inside = bins == index
        total += inside.sum() * abs(float(probabilities[inside].mean() - labels[inside].mean()))
    return total / len(labels)


def measure(
    metric: Callable[[np.ndarray, np.ndarray], float],
    scores: np.ndarray,
    labels: np.ndarray,
    rng: np.random.Generator,
) -> Figure:
    """Apply a metric to the known labels and bootstrap it over images.

    Parameters
    ----------
    metric
        Takes scores and labels, returns one number.
    scores, labels
        (M,) each; images whose label is NaN are left out.
    rng
        Of the resampling.
    """
    known = ~np.isnan(labels)
    scores, labels = scores[known], labels[known]
    positives = int((labels == 1).sum())
    if not positives or positives == len(labels):
        return Figure(float("nan"), float("nan"), float("nan"), positives, len(labels))
    drawn = []
    for _ in range(RESAMPLES):
        pick = rng.integers(0, len(labels), len(labels))
        drawn.append(metric(scores[pick], labels[pick]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Figure(metric(scores, labels), float(low), float(high), positives, len(labels))


def proportion(hits: np.ndarray, rng: np.random.Generator) -> Figure:
    """Return the mean of (M,) values with its bootstrap interval."""
    values = np.asarray(hits, dtype=np.float64)
    if not len(values):
        return Figure(float("nan"), float("nan"), float("nan"), 0, 0)
    drawn = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(float(values.mean()), float(low), float(high), int(values.sum()), len(values))


def overlap(heat: np.ndarray, mask: np.ndarray) -> float:
    """Return intersection over union of a lesion and the hottest patches, as many of them as the lesion
    covers.

    Parameters
    ----------
    heat
        (g, g) float32.
    mask
        (g, g) bool with at least one patch.
    """
    level = np.sort(heat, axis=None)[-int(mask.sum())]
    hot = heat >= level
    return float((hot & mask).sum() / (hot | mask).sum())
