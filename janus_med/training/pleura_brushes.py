"""Brushes for the pleura: effusion, pneumothorax, thickening.

Each disease has recipes for training and one, ``unseen``, that is kept for evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.training.anatomy import blur, choose_side, lateral_position, vertical_position
from janus_med.training.attenuation import Brush, Inserted, add_tissue, attenuate, smooth_noise, texture

if TYPE_CHECKING:
    from janus_med.training.anatomy import LungFields


def insert_effusion(grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush) -> Inserted:
    """Fluid at the base with a meniscus that climbs the wall, from a blunt angle to a white side; unseen: a
    level.
    """
    sides = (True, False) if rng.random() < 0.25 else (choose_side(lungs, rng),)
    thickness = sum(_fluid(grey.shape[0], lungs, rng, brush, right=right) for right in sides)
    return add_tissue(grey, np.asarray(thickness), "Pleural Effusion")


def _fluid(
    size: int, lungs: LungFields, rng: np.random.Generator, brush: Brush, *, right: bool
) -> np.ndarray:
    field = lungs.field(right=right)
    across, down = lateral_position(field, right=right), vertical_position(field)
    climb = rng.uniform(0.08, 0.3) * across ** rng.uniform(1.5, 3.5)
    level = 1 - rng.uniform(0.04, 0.55) if rng.random() < 0.8 else rng.uniform(0.05, 0.4)
    slope = climb if brush == "trained" else 0.06 * (across - 0.5)
    depth = (down - (level - slope)) / rng.uniform(0.08, 0.25)
    soft = blur(field.astype(np.float32), max(1, size // 90))
    filled = np.clip(depth, 0, 1) ** rng.uniform(0.6, 1.2)
    return np.asarray(rng.uniform(0.5, 1.6) * filled * soft * (0.8 + 0.2 * texture(rng, size)))


def insert_pneumothorax(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Air outside a retracted lung: no vessels, darker, a thin pleural line; along the wall or round a
    collapsed lung, at the apex alone for the unseen brush.
    """
    size, right = grey.shape[0], choose_side(lungs, rng)
    field = lungs.field(right=right)
    across, down = lateral_position(field, right=right), vertical_position(field)
    lung_edge = _lung_edge(across, down, rng, brush)
    beyond = (across - lung_edge) * field
    air = blur(((beyond > 0) & field).astype(np.float32), max(1, size // 150))
    width = rng.uniform(0.02, 0.035)
    line = blur(np.exp(-((beyond / width) ** 2)) * field * (lung_edge < 0.99), 1)
    plain = grey * (1 - 0.8 * air) + blur(grey, size // 40) * 0.8 * air  # vessels vanish
    darker = rng.uniform(0.08, 0.35)
    drawn = attenuate(plain, rng.uniform(0.1, 0.4) * line - darker * air)
    return Inserted(drawn, (air > 0.3) | (line > 0.5), ("Pneumothorax",))


def _lung_edge(across: np.ndarray, down: np.ndarray, rng: np.random.Generator, brush: Brush) -> np.ndarray:
    """Lateral position of the edge of the lung at each height: 1 is the wall."""
    if brush == "unseen":
        return np.asarray(1.02 - rng.uniform(0.5, 0.9) * np.clip(1 - down / rng.uniform(0.25, 0.5), 0, 1))
    if rng.random() < 0.25:  # a lung that has shrunk towards the hilum
        return np.asarray(rng.uniform(0.3, 0.55) * np.clip(1 - ((down - 0.55) / 0.42) ** 2, 0, 1) ** 0.5)
    share, deepest = rng.uniform(0.08, 0.4), rng.uniform(0.0, 0.6)
    return np.asarray(1 - share * np.exp(-(((down - deepest) / rng.uniform(0.3, 0.7)) ** 2)))


def insert_thickening(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Pleural thickening as a rim along wall or apex; the unseen brush is a plaque seen from the front."""
    size, right = grey.shape[0], choose_side(lungs, rng)
    field = lungs.field(right=right)
    across, down = lateral_position(field, right=right), vertical_position(field)
    if brush == "unseen":
        place = np.exp(-(((across - 0.6) / 0.2) ** 2 + ((down - 0.5) / 0.12) ** 2))
        rim = (place * (1 + 0.6 * smooth_noise(rng, size, 24)) > 0.55).astype(np.float32) * 0.6
    elif rng.random() < 0.4:
        rim = np.clip(1 - down / rng.uniform(0.05, 0.14), 0, 1) ** 0.5
    else:
        reach = rng.uniform(0.05, 0.16) * np.exp(
            -(((down - rng.uniform(0.3, 0.95)) / rng.uniform(0.15, 0.4)) ** 2)
        )
        rim = np.clip((across - 1 + reach) / 0.04, 0, 1)
    return add_tissue(grey, rng.uniform(0.35, 0.9) * rim * blur(field.astype(np.float32), 1), "Pleural Other")
