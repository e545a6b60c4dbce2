"""Figures in plain numpy; one that takes weights is computed for every bootstrap resample at once."""

from __future__ import annotations

import numpy as np

BINS = 15


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the ROC curve, ties counted half; NaN when one label is missing.

    Parameters
    ----------
    scores, labels
        (M,) each; labels are 0 or 1.
    """
    return float(weighted_auroc(scores, labels, np.ones((1, len(labels))))[0])


def weighted_auroc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve for R weightings of the same M images.

    It is the share of (positive, negative) pairs in the right order (Hanley and McNeil 1982), a pair
    counting the product of its weights.

    Parameters
    ----------
    scores, labels
        (M,) each; labels are 0 or 1.
    weights
        (R, M), how often each image was drawn.

    Returns
    -------
    ndarray
        (R,) float64, NaN where one label has no weight.
    """
    if not len(labels):
        return np.full(len(weights), np.nan)
    order = np.argsort(scores, kind="stable")
    ranked = np.asarray(scores)[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))  # of each group of ties
    drawn, truth = weights[:, order].astype(np.float64), np.asarray(labels)[order] == 1
    positives = np.add.reduceat(drawn * truth, starts, axis=1)  # (R, groups)
    negatives = np.add.reduceat(drawn * ~truth, starts, axis=1)
    below = negatives.cumsum(axis=1) - negatives / 2
    with np.errstate(invalid="ignore"):
        areas = (positives * below).sum(axis=1) / (positives.sum(axis=1) * negatives.sum(axis=1))
    return np.asarray(areas)


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the expected calibration error over 15 equal bins (Guo et al. 2017)."""
    return float(weighted_calibration_error(probabilities, labels, np.ones((1, len(labels))))[0])


def weighted_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the expected calibration error (R,) for weights (R, M)."""
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gaps = np.zeros((len(labels), BINS))
    gaps[np.arange(len(labels)), bins] = probabilities - labels
    with np.errstate(invalid="ignore"):
        errors = np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
    return np.asarray(errors)


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
    return _intersection_over_union(heat >= level, mask)


def overlap_at(heat: np.ndarray, mask: np.ndarray, level: float) -> float:
    """Return intersection over union of a lesion and the patches above ``level`` times the maximum: what an
    overlay shows that does not know the lesion's size.
    """
    return _intersection_over_union(heat >= level * heat.max(), mask)


def _intersection_over_union(hot: np.ndarray, mask: np.ndarray) -> float:
    return float((hot & mask).sum() / (hot | mask).sum())


def contrast_to_noise(heat: np.ndarray, mask: np.ndarray) -> float:
    """Return the contrast-to-noise ratio of a map (Boecking et al., ECCV 2022).

    Parameters
    ----------
    heat
        (g, g) float32.
    mask
        (g, g) bool.

    Returns
    -------
    float
        Mean inside minus mean outside, over the root of the summed variances; NaN without an inside or an
        outside, 0 for a flat map. Unlike the published one it is signed: heat in the wrong place is negative.
    """
    if not mask.any() or mask.all():
        return float("nan")
    inside, outside = heat[mask].astype(np.float64), heat[~mask].astype(np.float64)
    noise = float(np.sqrt(inside.var() + outside.var()))
    return float(inside.mean() - outside.mean()) / noise if noise else 0.0


def area_under_steps(shares: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the area (M,) under piecewise linear curves (M, T) over increasing ``shares`` (T,): the deletion
    metric of RISE (Petsiuk et al., BMVC 2018).
    """
    return np.asarray(((values[:, 1:] + values[:, :-1]) / 2 * np.diff(shares)).sum(axis=1))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's correlation of two equally long arrays, ties at their mean rank; 0 when one is
    constant.
    """
    ranks = [_mean_ranks(np.ravel(values)) for values in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    scale = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / scale if scale else 0.0


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse])


def f1_score(stated: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the F1 score (R,) of (M,) statements for weights (R, M); NaN where nothing is true or stated."""
    hits = weights @ (stated & truth).astype(np.float64)
    total = weights @ stated.astype(np.float64) + weights @ truth.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * hits / total)
