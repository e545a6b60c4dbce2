"""Brushes for the lungs: consolidation, nodules, edema, atelectasis.

Each disease has recipes for training and one, ``unseen``, that is kept for evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.training.anatomy import (
    blur,
    choose_side,
    lateral_position,
    measure_chest,
    vertical_position,
)
from janus_med.training.attenuation import (
    Brush,
    Inserted,
    add_tissue,
    disc,
    point_in,
    raise_tissue,
    smooth_noise,
    texture,
)

if TYPE_CHECKING:
    from janus_med.training.anatomy import LungFields


def insert_consolidation(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Air-space filling with soft, irregular edges, one focus or several; the unseen brush is a wedge."""
    size = grey.shape[0]
    field = lungs.field(right=choose_side(lungs, rng))
    foci = int(rng.integers(2, 5)) if brush == "trained" and rng.random() < 0.35 else 1
    patch = np.zeros((size, size), dtype=np.float32)
    for _ in range(foci):
        patch = np.maximum(patch, _focus(size, field, rng, brush))
        field = lungs.both if rng.random() < 0.5 else field
    tissue = blur((lungs.both if foci > 1 else field).astype(np.float32), max(1, size // 80))
    thickness = rng.uniform(0.4, 1.2) * patch * tissue * texture(rng, size)
    return add_tissue(grey, thickness, "Consolidation", "Lung Opacity")


def _focus(size: int, field: np.ndarray, rng: np.random.Generator, brush: Brush) -> np.ndarray:
    row, column = point_in(field, rng)
    radius = size * rng.uniform(0.05, 0.17)
    reach = np.exp(-disc(size, row, column, radius * rng.uniform(0.7, 1.5), radius))
    if brush == "unseen":
        return np.asarray((reach > 0.35) * np.clip((np.mgrid[:size, :size][0] - row) / radius + 0.6, 0, 1))
    ragged = reach * (1 + rng.uniform(0.2, 0.8) * smooth_noise(rng, size, int(rng.integers(10, 26))))
    return np.asarray(np.clip(ragged - 0.2, 0, 1) ** rng.uniform(0.5, 1.0))


def insert_nodules(grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush) -> Inserted:
    """One mass or up to twelve nodules: spheres of soft tissue with lobulated rims, some hollow; the unseen
    brush is spiculated.
    """
    size = grey.shape[0]
    many = bool(rng.random() < 0.5)
    density = rng.uniform(0.3, 0.8)
    thickness = np.zeros((size, size), dtype=np.float32)
    for _ in range(int(rng.integers(3, 13)) if many else 1):
        row, column = point_in(lungs.both, rng)
        radius = size * (rng.uniform(0.014, 0.035) if many else rng.uniform(0.022, 0.085))
        distance = disc(size, row, column, radius * rng.uniform(0.8, 1.25), radius)
        ragged, cells = (0.25, 20) if brush == "trained" else (0.6, 56)
        distance = distance * np.clip(1 + ragged * smooth_noise(rng, size, cells), 0.4, 2)
        hollow = rng.uniform(0.4, 0.9) if brush == "trained" and rng.random() < 0.1 else 0.0
        depth = np.sqrt(np.clip(1 - distance, 0, None))
        depth = depth - hollow * np.sqrt(np.clip(0.5 - distance, 0, None))
        thickness += density * rng.uniform(0.8, 1.2) * depth.astype(np.float32)
    return add_tissue(grey, thickness, "Lung Lesion")


def insert_edema(grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush) -> Inserted:
    """Haze around both hila, or all over, with septal lines; the unseen brush is coarsely mottled."""
    size = grey.shape[0]
    rows, columns = np.mgrid[:size, :size]
    spine = measure_chest(lungs).spine
    if brush == "unseen":
        spread = 0.6 + 0.3 * smooth_noise(rng, size, 28)
    elif rng.random() < 0.4:
        spread = 0.35 + 0.4 * np.maximum(
            vertical_position(lungs.left_of_image), vertical_position(lungs.right_of_image)
        )
    else:
        away = (np.abs(columns - spine) - 0.14 * size) / (rng.uniform(0.1, 0.2) * size)
        spread = np.exp(-(away**2 + ((rows - 0.5 * size) / (0.2 * size)) ** 2))
    mesh = np.abs(smooth_noise(rng, size, int(rng.integers(36, 60)))) < 0.18
    tissue = blur(lungs.both.astype(np.float32), size // 60)
    strength = rng.uniform(0.35, 1.0) * np.clip(spread, 0, None)
    thickness = strength * tissue * texture(rng, size) * (1 + rng.uniform(0.2, 0.8) * mesh)
    return add_tissue(grey, thickness, "Edema", "Lung Opacity")


def insert_atelectasis(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Plates in the lower lung, or a base that lost its volume under a raised diaphragm; the unseen brush is
    a triangular collapse beside the spine.
    """
    size, right = grey.shape[0], choose_side(lungs, rng)
    field = lungs.field(right=right)
    across, down = lateral_position(field, right=right), vertical_position(field)
    soft = blur(field.astype(np.float32), max(1, size // 110))
    labels = ("Atelectasis", "Lung Opacity")
    if brush == "unseen":
        wedge = 0.8 * np.clip((down - 0.45) * 2.2 - across * 1.6, 0, 1)
        return add_tissue(grey, wedge * soft * texture(rng, size), *labels)
    if rng.random() < 0.35:
        raised = raise_tissue(grey, field, rng.uniform(0.06, 0.16))
        base = np.clip((down - rng.uniform(0.6, 0.8)) / 0.2, 0, 1) * rng.uniform(0.35, 0.9)
        return add_tissue(raised, base * soft * texture(rng, size), *labels)
    return add_tissue(grey, _plates(size, across, down, rng) * soft * texture(rng, size), *labels)


def _plates(size: int, across: np.ndarray, down: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    thickness = np.zeros((size, size), dtype=np.float32)
    for _ in range(int(rng.integers(1, 4))):
        height, slope = rng.uniform(0.6, 0.95), rng.uniform(-0.25, 0.25)
        bow = rng.uniform(-0.3, 0.3) * (across - 0.5) ** 2
        distance = (down - height - slope * (across - 0.5) - bow) / rng.uniform(0.008, 0.03)
        middle, half = rng.uniform(0.3, 0.7), rng.uniform(0.15, 0.5)
        ends = np.clip(1.4 - ((across - middle) / half) ** 2, 0, 1)
        thickness += (rng.uniform(0.3, 0.8) * np.exp(-(distance**2)) * ends).astype(np.float32)
    return thickness
