"""Brushes for heart, mediastinum and devices; each by two recipes, one kept for evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.training.anatomy import blur
from janus_med.training.attenuation import Brush, Inserted, add_tissue, disc

if TYPE_CHECKING:
    from janus_med.training.anatomy import LungFields


def _widen(
    grey: np.ndarray, centre: float, reach: float, rows: tuple[float, float], factor: float
) -> np.ndarray:
    """Stretch a horizontal band around a column by ``factor`` at its middle row, fading out to the sides."""
    size = grey.shape[0]
    row, column = np.mgrid[:size, :size].astype(np.float32)
    middle, half = (rows[0] + rows[1]) / 2, (rows[1] - rows[0]) / 2
    strength = (
        np.clip(1 - ((row - middle) / half) ** 2, 0, 1)
        * np.clip(1 - np.abs(column - centre) / reach, 0, 1) ** 0.5
    )
    source = centre + (column - centre) / (1 + (factor - 1) * strength)
    low = np.clip(np.floor(source).astype(int), 0, size - 2)
    share = source - low
    index = np.arange(size)[:, None]
    return np.asarray(grey[index, low] * (1 - share) + grey[index, low + 1] * share, dtype=np.float32)


def insert_cardiomegaly(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Widen the heart by warping, or (unseen brush) by adding the shadow of a larger one."""
    size = grey.shape[0]
    bottom = max(lungs.box(right=False)[1], lungs.box(right=True)[1])
    spine = 0.5 * (lungs.box(right=False)[3] + lungs.box(right=True)[2]) + 0.02 * size
    rows = (0.38 * size, bottom + 0.12 * size)
    heart = disc(size, bottom - 0.14 * size, spine + 0.04 * size, 0.19 * size, size * rng.uniform(0.2, 0.27))
    if brush == "trained":
        widened = _widen(grey, spine + 0.02 * size, 0.36 * size, rows, rng.uniform(1.35, 1.9))
        return Inserted(widened, heart < 1, ("Cardiomegaly", "Enlarged Cardiomediastinum"))
    shadow = rng.uniform(0.5, 1.0) * np.clip(1 - heart, 0, 1) ** 0.5
    added = add_tissue(grey, blur(shadow.astype(np.float32), size // 90))
    return Inserted(added.grey, heart < 1, ("Cardiomegaly", "Enlarged Cardiomediastinum"))


def insert_wide_mediastinum(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Widen the upper mediastinum by warping, or (unseen brush) by adding a rounded soft-tissue shadow."""
    size = grey.shape[0]
    spine = 0.5 * (lungs.box(right=False)[3] + lungs.box(right=True)[2])
    band = disc(size, 0.32 * size, spine, 0.15 * size, 0.13 * size)
    if brush == "trained":
        widened = _widen(grey, spine, 0.25 * size, (0.12 * size, 0.52 * size), rng.uniform(1.5, 2.2))
        return Inserted(widened, band < 1, ("Enlarged Cardiomediastinum",))
    added = add_tissue(grey, rng.uniform(0.5, 1.0) * np.clip(1 - band, 0, 1) ** 0.5)
    return Inserted(added.grey, band < 1, ("Enlarged Cardiomediastinum",))


def insert_device(grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush) -> Inserted:
    """A catheter or tube as a dense curved line, now and then a pacemaker box; the unseen brush is a row of
    clips.
    """
    size = grey.shape[0]
    start = np.array([rng.uniform(0.0, 0.15), rng.uniform(0.25, 0.75)]) * size
    bend = np.array([rng.uniform(0.15, 0.4), rng.uniform(0.35, 0.65)]) * size
    end = np.array([rng.uniform(0.35, 0.7), rng.uniform(0.4, 0.65)]) * size
    steps = np.linspace(0, 1, 3 * size)[:, None]
    path = (1 - steps) ** 2 * start + 2 * steps * (1 - steps) * bend + steps**2 * end
    if brush == "unseen":
        path = path[:: size // 6]
    drawn = np.zeros((size, size), dtype=np.float32)
    rows, columns = np.clip(path.round().astype(int), 0, size - 1).T
    drawn[rows, columns] = 1.0
    width = int(rng.integers(0, 2)) if brush == "trained" else 2
    line = np.clip(blur(drawn, width) * (2 * width + 1) ** 1.3, 0, 1)
    thickness = rng.uniform(0.6, 1.4) * line
    if brush == "trained" and rng.random() < 0.35:
        row, column = 0.22 * size, (0.25 if rng.integers(2) else 0.75) * size
        thickness = thickness + 2.0 * (disc(size, row, column, 0.055 * size, 0.05 * size) ** 2 < 1)
    return add_tissue(grey, thickness, "Support Devices")
