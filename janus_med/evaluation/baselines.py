"""Rivals without a network: gradients or grey levels and a linear classifier, on the model's own films."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from janus_med.evaluation.metrics import auroc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

CELLS = 14
ORIENTATIONS = 9
CLIP = 0.2
LEVELS = 32
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


def hog(grey: np.ndarray) -> np.ndarray:
    """Describe a film by histograms of oriented gradients (Dalal and Triggs, CVPR 2005).

    14 x 14 cells, nine unsigned orientations with linear voting, blocks of 2 x 2 cells normalised by L2-Hys.

    Parameters
    ----------
    grey
        (S, S) float32, S at least 14.

    Returns
    -------
    ndarray
        (6084,) float32.
    """
    cell = grey.shape[0] // CELLS
    side = cell * CELLS
    rows, columns = np.gradient(grey.astype(np.float32))
    strength = np.hypot(rows, columns)[:side, :side]
    place = (np.arctan2(rows, columns)[:side, :side] % np.pi) / np.pi * ORIENTATIONS
    lower = np.floor(place)
    upper_share = (place - lower) * strength
    cells = _vote(lower, strength - upper_share, cell) + _vote(lower + 1, upper_share, cell)
    blocks = np.concatenate([cells[:-1, :-1], cells[1:, :-1], cells[:-1, 1:], cells[1:, 1:]], axis=-1)
    for _ in range(2):
        blocks = np.minimum(blocks / np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + 1e-6), CLIP)
    return np.asarray(blocks.ravel(), dtype=np.float32)


def _vote(orientation: np.ndarray, votes: np.ndarray, cell: int) -> np.ndarray:
    """Sum the votes of each cell and orientation: (14, 14, 9)."""
    row, column = np.indices(votes.shape) // cell
    bins = ((row * CELLS + column) * ORIENTATIONS + orientation.astype(int) % ORIENTATIONS).ravel()
    counted = np.bincount(bins, votes.ravel(), CELLS * CELLS * ORIENTATIONS)
    return np.asarray(counted.reshape(CELLS, CELLS, ORIENTATIONS), dtype=np.float32)


def grey_histogram(grey: np.ndarray) -> np.ndarray:
    """Return how often each of 32 grey levels occurs (32,) float32: brightness without any shape."""
    counts, _ = np.histogram(grey, bins=LEVELS, range=(0.0, 1.0))
    return np.asarray(counts / grey.size, dtype=np.float32)


def describe(
    films: Sequence[np.ndarray], describe_one: Callable[[np.ndarray], np.ndarray], cache: Path
) -> np.ndarray:
    """Return the features (M, F) of M films; kept in ``cache`` under a digest of the pixels."""
    digest = hashlib.sha256(describe_one.__name__.encode())
    for film in films:
        digest.update(np.ascontiguousarray(film).tobytes())
    file = cache / f"{describe_one.__name__}-{digest.hexdigest()[:16]}.npy"
    if file.exists():
        return np.asarray(np.load(file, allow_pickle=False))
    features = np.stack([describe_one(film) for film in films])
    cache.mkdir(parents=True, exist_ok=True)
    np.save(file, features, allow_pickle=False)
    return features


@dataclass(frozen=True, eq=False)
class LinearRival:
    """Standardisation and one linear score a finding: weights (F, K), offsets (K,)."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    penalty: float

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return the logits (M, K) of features (M, F)."""
        return np.asarray((features - self.mean) / self.scale @ self.weights + self.offsets)


def fit_rival(train: tuple[np.ndarray, np.ndarray], chosen_on: tuple[np.ndarray, np.ndarray]) -> LinearRival:
    """Fit an L2-penalised logistic regression for each finding by L-BFGS.

    Parameters
    ----------
    train
        Features (M, F) and labels (M, K) of 0, 1, NaN.
    chosen_on
        The same of other persons: the penalty with the best mean area under the curve there is taken.

    Notes
    -----
    The optimum lies in the span of the training films, so it is found there: M numbers a finding, not F.
    """
    features, labels = train
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    scaled = (features - mean) / scale / np.sqrt(features.shape[1])  # a film has a norm near 1
    left, values, right = np.linalg.svd(scaled.astype(np.float64), full_matrices=False)
    kept = values > 1e-6 * values[0]
    basis = torch.from_numpy(left[:, kept] * values[kept])  # (M, rank)
    back = right[kept].T / np.sqrt(features.shape[1])  # (F, rank)
    truth = torch.from_numpy(labels.astype(np.float64))
    best: LinearRival | None = None
    best_area = -1.0
    for penalty in PENALTIES:
        weights, offsets = _fit_logistic(basis, truth, penalty / len(labels))
        rival = LinearRival(mean, scale, back @ weights, offsets, penalty)
        area = mean_auroc(rival.scores(chosen_on[0]), chosen_on[1])
        if best is None or area > best_area:
            best, best_area = rival, area
    assert best is not None  # PENALTIES is not empty
    return best


def mean_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean area over the findings that have both labels; one half when none has."""
    areas = []
    for index in range(labels.shape[1]):
        known = ~np.isnan(labels[:, index])
        areas.append(auroc(scores[known, index], labels[known, index]))
    told = [area for area in areas if not np.isnan(area)]
    return float(np.mean(told)) if told else 0.5


def _fit_logistic(basis: Tensor, labels: Tensor, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    known = ~labels.isnan()
    share = known.double() / known.sum(dim=0).clamp(min=1)  # each finding weighs the same
    targets = torch.nan_to_num(labels)
    weights = torch.zeros(basis.shape[1], labels.shape[1], dtype=torch.float64, requires_grad=True)
    offsets = torch.zeros(labels.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, offsets], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        losses = binary_cross_entropy_with_logits(basis @ weights + offsets, targets, reduction="none")
        loss = (losses * share).sum() + penalty / 2 * weights.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return weights.detach().numpy(), offsets.detach().numpy()
