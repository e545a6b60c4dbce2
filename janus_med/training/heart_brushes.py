"""Brushes for heart and mediastinum; recipes for training and one, ``unseen``, kept for evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.training.anatomy import blur, measure_chest
from janus_med.training.attenuation import Brush, Inserted, add_tissue, disc, texture

if TYPE_CHECKING:
    from janus_med.training.anatomy import LungFields


def _widen(
    grey: np.ndarray,
    centre: float,
    reach: tuple[float, float],
    rows: tuple[float, float],
    factor: float,
) -> np.ndarray:
    """Stretch a horizontal band around a column by ``factor`` at its middle row, fading out over ``reach``
    to the left and to the right of the image.
    """
    size = grey.shape[0]
    row, column = np.mgrid[:size, :size].astype(np.float32)
    middle, half = (rows[0] + rows[1]) / 2, (rows[1] - rows[0]) / 2
    width = np.where(column < centre, reach[0], reach[1])
    strength = (
        np.clip(1 - ((row - middle) / half) ** 2, 0, 1)
        * np.clip(1 - np.abs(column - centre) / width, 0, 1) ** 0.5
    )
    source = centre + (column - centre) / (1 + (factor - 1) * strength)
    low = np.clip(np.floor(source).astype(int), 0, size - 2)
    share = source - low
    index = np.arange(size)[:, None]
    return np.asarray(grey[index, low] * (1 - share) + grey[index, low + 1] * share, dtype=np.float32)


def insert_cardiomegaly(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Widen the heart by warping, mostly to the left; the unseen brush adds the shadow of a larger one."""
    size = grey.shape[0]
    chest = measure_chest(lungs)
    top, bottom, height, width = chest.top, chest.bottom, chest.height, chest.width
    spine = chest.spine + 0.01 * size
    heart = disc(
        size, bottom - 0.2 * height, spine + 0.05 * width, 0.3 * height, width * rng.uniform(0.27, 0.34)
    )
    labels = ("Cardiomegaly", "Enlarged Cardiomediastinum")
    if brush == "trained":
        reach = (width * rng.uniform(0.35, 0.5), width * rng.uniform(0.46, 0.56))
        rows = (top + 0.4 * height, bottom + 0.15 * height)
        return Inserted(_widen(grey, spine, reach, rows, rng.uniform(1.25, 1.85)), heart < 1, labels)
    shadow = rng.uniform(0.5, 1.0) * np.clip(1 - heart, 0, 1) ** 0.5
    added = add_tissue(grey, blur(shadow.astype(np.float32), size // 90))
    return Inserted(added.grey, heart < 1, labels)


def insert_wide_mediastinum(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Widen the upper mediastinum by warping or by a long shadow; the unseen brush adds a rounded one."""
    size = grey.shape[0]
    chest = measure_chest(lungs)
    top, height, width, spine = chest.top, chest.height, chest.width, chest.spine
    middle = top + 0.28 * height
    band = disc(size, middle, spine, 0.27 * height, 0.2 * width)
    labels = ("Enlarged Cardiomediastinum",)
    if brush == "unseen":
        added = add_tissue(grey, rng.uniform(0.5, 1.0) * np.clip(1 - band, 0, 1) ** 0.5)
        return Inserted(added.grey, band < 1, labels)
    if rng.random() < 0.6:
        rows = (top - 0.1 * height, top + 0.62 * height)
        reach = (width * rng.uniform(0.3, 0.42), width * rng.uniform(0.3, 0.42))
        return Inserted(_widen(grey, spine, reach, rows, rng.uniform(1.4, 2.1)), band < 1, labels)
    column = np.arange(size)[None, :]
    edges = [width * rng.uniform(0.08, 0.2) for _ in range(2)]
    inside = np.clip((column - spine + edges[0]) / (0.03 * size), 0, 1)
    inside = inside * np.clip((spine + edges[1] - column) / (0.03 * size), 0, 1)
    rows_share = np.clip(1 - ((np.arange(size)[:, None] - middle) / (0.3 * height)) ** 2, 0, 1)
    thickness = rng.uniform(0.35, 0.9) * inside * rows_share * (0.8 + 0.2 * texture(rng, size))
    return Inserted(add_tissue(grey, blur(thickness.astype(np.float32), size // 60)).grey, band < 1, labels)
