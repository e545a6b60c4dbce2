"""Disease as attenuation along the beam: what every inserted lesion is made of.

A radiograph shows transmitted intensity; a lesion of optical thickness t multiplies it by exp(-t)
(Beer-Lambert), so it adds little where the film is already white. A grey value is never painted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from janus_med.training.anatomy import blur

Brush = Literal["trained", "unseen"]
"""``unseen`` draws the same disease by another recipe and is kept for evaluation."""

VISIBLE = 0.08


@dataclass(frozen=True, eq=False)
class Inserted:
    """One lesion in one image.

    Attributes
    ----------
    grey
        (S, S) float32 in [0, 1] with the lesion.
    mask
        (S, S) bool, where it shows.
    labels
        Findings that are now present.
    """

    grey: np.ndarray
    mask: np.ndarray
    labels: tuple[str, ...]


def attenuate(grey: np.ndarray, thickness: np.ndarray) -> np.ndarray:
    """Add optical thickness (negative removes tissue) to an image whose black is full transmission."""
    transmitted = np.clip(1.02 - grey, 0.02, None)
    return np.clip(1.02 - transmitted * np.exp(-thickness), 0.0, 1.0).astype(np.float32)


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Return (size, size) float32 noise of mean 0 and unit spread with features of about ``size / cells``
    pixels.
    """
    coarse = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    spread = np.kron(coarse, np.ones((-(-size // cells),) * 2, dtype=np.float32))[:size, :size]
    noise = blur(spread, max(1, size // (2 * cells)))
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6), dtype=np.float32)


def texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return (size, size) float32 around 1: mottled at three scales."""
    layers = [smooth_noise(rng, size, cells) * weight for cells, weight in ((7, 0.2), (20, 0.15), (56, 0.1))]
    return np.clip(1.0 + sum(layers), 0.2, 2.0).astype(np.float32)


def add_tissue(grey: np.ndarray, thickness: np.ndarray, *labels: str) -> Inserted:
    """Add optical thickness, softened as the detector would, and note where it shows."""
    softened = blur(thickness.astype(np.float32), 1)
    return Inserted(attenuate(grey, softened), np.abs(softened) > VISIBLE, labels)


def point_in(mask: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Return row and column of a random true pixel."""
    rows, columns = np.nonzero(mask)
    index = int(rng.integers(len(rows)))
    return int(rows[index]), int(columns[index])


def disc(size: int, row: float, column: float, radius_r: float, radius_c: float) -> np.ndarray:
    """Return (size, size) squared elliptic distance from a centre: below 1 inside."""
    rows, columns = np.ogrid[:size, :size]
    return np.asarray(((rows - row) / radius_r) ** 2 + ((columns - column) / radius_c) ** 2, dtype=np.float32)


def raise_tissue(grey: np.ndarray, field: np.ndarray, share: float) -> np.ndarray:
    """Draw what lies at the base of a lung upwards by ``share`` of its height, fading out to its middle.

    Parameters
    ----------
    grey
        (S, S) float32 in [0, 1].
    field
        (S, S) bool, the lung.
    share
        In [0, 1).
    """
    size = grey.shape[0]
    rows = np.nonzero(field.any(axis=1))[0]
    top, height = float(rows[0]), float(rows[-1] - rows[0] + 1)
    columns = np.asarray(field.any(axis=0), dtype=np.float32)
    sides = blur(np.tile(columns, (3, 1)), size // 20)[1]
    depth = np.clip((np.arange(size) - top - 0.4 * height) / (0.6 * height), 0, 1)
    source = np.arange(size)[:, None] + share * height * depth[:, None] * sides[None, :]
    low = np.clip(np.floor(source).astype(int), 0, size - 2)
    part = np.clip(source - low, 0, 1)
    index = np.arange(size)[None, :]
    return np.asarray(grey[low, index] * (1 - part) + grey[low + 1, index] * part, dtype=np.float32)
