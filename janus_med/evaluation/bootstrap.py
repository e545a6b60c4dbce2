"""Estimates with their bootstrap distribution: persons are drawn, and every image of a person comes along."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from janus_med.evaluation.metrics import weighted_auroc, weighted_calibration_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RESAMPLES = 1000


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


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value and what it becomes in each of R resamples.

    Estimates that come from the same weights may be subtracted and divided: the resamples are paired.
    ``pivotal`` mirrors the interval at the value, for a figure that resampling itself pushes up and that is
    never negative, as a calibration error.
    """

    value: float
    drawn: np.ndarray
    positives: int
    count: int
    pivotal: bool = False

    def __sub__(self, other: Estimate) -> Estimate:
        return Estimate(self.value - other.value, self.drawn - other.drawn, self.positives, self.count)

    def __truediv__(self, other: Estimate) -> Estimate:
        value = self.value / other.value if other.value else float("nan")
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = np.where(other.drawn != 0, self.drawn / other.drawn, np.nan)
        return Estimate(value, drawn, self.positives, self.count)

    @property
    def figure(self) -> Figure:
        """The value with the central 95 % of the resamples (Davison and Hinkley 1997, chapter 5)."""
        if np.isnan(self.value) or np.isnan(self.drawn).all():
            return Figure(self.value, float("nan"), float("nan"), self.positives, self.count)
        low, high = np.nanquantile(self.drawn, [0.025, 0.975])
        if self.pivotal:
            low, high = max(2 * self.value - high, 0.0), max(2 * self.value - low, 0.0)
        return Figure(self.value, float(low), float(high), self.positives, self.count)


def resample(
    persons: Sequence[str] | np.ndarray, rng: np.random.Generator, count: int = RESAMPLES
) -> np.ndarray:
    """Draw persons with replacement.

    Parameters
    ----------
    persons
        (M,) whose image each one is.
    rng
        Of the draws.
    count
        R.

    Returns
    -------
    ndarray
        (R, M) float64, how often each image was drawn.
    """
    names, inverse = np.unique(np.asarray(persons), return_inverse=True)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=count)
    return np.asarray(draws[:, inverse], dtype=np.float64)


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray], weights: np.ndarray, positives: int = 0
) -> Estimate:
    """Apply a statistic, which takes weights (R, M) and returns (R,), to the images and to every resample."""
    count = weights.shape[1]
    if not count:
        return Estimate(float("nan"), np.full(len(weights), np.nan), 0, 0)
    return Estimate(float(statistic(np.ones((1, count)))[0]), statistic(weights), positives, count)


def estimate_auroc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Estimate:
    """Estimate the area under the ROC curve over the images with a known label.

    Parameters
    ----------
    scores, labels
        (M,) each; NaN labels are left out.
    weights
        (R, M) from `resample`.
    """
    known = ~np.isnan(labels)
    scores, labels = scores[known], labels[known]
    return bootstrap(
        lambda drawn: weighted_auroc(scores, labels, drawn), weights[:, known], int((labels == 1).sum())
    )


def estimate_calibration(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Estimate:
    """Estimate the expected calibration error over the images with a known label; shapes as for
    `estimate_auroc`.
    """
    known = ~np.isnan(labels)
    probabilities, labels = probabilities[known], labels[known]
    return replace(
        bootstrap(
            lambda drawn: weighted_calibration_error(probabilities, labels, drawn),
            weights[:, known],
            int((labels == 1).sum()),
        ),
        pivotal=True,
    )


def estimate_mean(values: np.ndarray, weights: np.ndarray) -> Estimate:
    """Estimate the mean of (M,) numbers or truths; NaN values are left out."""
    values = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(values)
    values = values[known]

    def average(drawn: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.asarray(drawn @ values / drawn.sum(axis=1))

    return bootstrap(average, weights[:, known], int((values == 1).sum()))


def macro(estimates: Sequence[Estimate]) -> Estimate:
    """Average estimates of the same resamples, each resample over those it can tell."""
    told = [one for one in estimates if not np.isnan(one.value)]
    if not told:
        return Estimate(float("nan"), np.full(1, np.nan), 0, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a resample in which no estimate can be told
        drawn = np.nanmean([one.drawn for one in told], axis=0)
    return Estimate(
        float(np.mean([one.value for one in told])),
        drawn,
        sum(one.positives for one in told),
        max(one.count for one in told),
        told[0].pivotal,
    )


def proportion(hits: np.ndarray | list[bool], rng: np.random.Generator) -> Figure:
    """Return the mean of (M,) values of unrelated images with its bootstrap interval."""
    values = np.asarray(hits, dtype=np.float64)
    return estimate_mean(
        values, resample(np.arange(len(values)), rng) if len(values) else np.ones((1, 0))
    ).figure
