"""Brushes for the lungs and the pleura; each draws one disease by two recipes, one kept for evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.training.anatomy import blur
from janus_med.training.attenuation import (
    Brush,
    Inserted,
    add_tissue,
    attenuate,
    disc,
    point_in,
    smooth_noise,
    texture,
)

if TYPE_CHECKING:
    from janus_med.training.anatomy import LungFields


def insert_effusion(grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush) -> Inserted:
    """Fluid at the base with a meniscus that climbs the chest wall; unseen brush: a flat, layering one."""
    size = grey.shape[0]
    right = bool(rng.integers(2))
    top, bottom, inner, outer = lungs.box(right=right)
    inner, outer = (inner, outer) if right else (outer, inner)
    rows, columns = np.ogrid[:size, :size]
    lateral = np.clip((columns - inner) / (outer - inner + 1e-6), 0, 1.15)  # 0 at the spine, 1 at the wall
    level = bottom - (bottom - top) * rng.uniform(0.12, 0.6)
    climb = (bottom - top) * rng.uniform(0.1, 0.3)
    slope = climb * lateral**2.5 if brush == "trained" else climb * 0.3 * (lateral - 0.5)
    depth = (rows - (level - slope)) / (0.12 * size)
    low, high, fade = min(inner, outer), max(inner, outer), 0.035 * size
    inside = np.clip((columns - low) / fade, 0, 1) * np.clip((high - columns) / fade, 0, 1)
    inside = inside * np.clip((bottom + 0.08 * size - rows) / (0.08 * size), 0, 1)
    density = rng.uniform(0.5, 1.6)
    thickness = density * np.clip(depth, 0, 1) ** 0.7 * inside * (0.75 + 0.25 * texture(rng, size))
    return add_tissue(grey, blur(thickness.astype(np.float32), size // 110), "Pleural Effusion")


def insert_consolidation(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Patchy air-space filling with soft, irregular edges; the unseen brush is a sharp lobar wedge."""
    size = grey.shape[0]
    field = lungs.right_of_image if rng.integers(2) else lungs.left_of_image
    row, column = point_in(field, rng)
    radius = size * rng.uniform(0.06, 0.16)
    reach = np.exp(-disc(size, row, column, radius * rng.uniform(0.7, 1.4), radius))
    if brush == "trained":
        patch = np.clip(reach * (1 + 0.5 * smooth_noise(rng, size, 16)) - 0.2, 0, None)
    else:
        patch = (reach > 0.35) * np.clip((np.mgrid[:size, :size][0] - row) / radius + 0.6, 0, 1)
    tissue = blur(field.astype(np.float32), size // 60)
    return add_tissue(
        grey, rng.uniform(0.6, 1.5) * patch * tissue * texture(rng, size), "Consolidation", "Lung Opacity"
    )


def insert_nodules(grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush) -> Inserted:
    """One mass or up to twelve nodules: spheres of soft tissue with lobulated rims; the unseen brush is
    spiculated.
    """
    size = grey.shape[0]
    many = bool(rng.random() < 0.5)
    count = int(rng.integers(3, 13)) if many else 1
    thickness = np.zeros((size, size), dtype=np.float32)
    for _ in range(count):
        row, column = point_in(lungs.both, rng)
        radius = size * (rng.uniform(0.014, 0.035) if many else rng.uniform(0.02, 0.075))
        distance = disc(size, row, column, radius * rng.uniform(0.8, 1.25), radius)
        frequency = 20 if brush == "trained" else 56
        distance = distance * np.clip(
            1 + (0.25 if brush == "trained" else 0.6) * smooth_noise(rng, size, frequency), 0.4, 2
        )
        thickness += rng.uniform(0.35, 0.9) * np.sqrt(np.clip(1 - distance, 0, None))
    return add_tissue(grey, thickness, "Lung Lesion")


def insert_pneumothorax(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Air outside a retracted lung: no vessels, darker, a thin pleural line; unseen brush: apical only."""
    size = grey.shape[0]
    right = bool(rng.integers(2))
    field = lungs.right_of_image if right else lungs.left_of_image
    top, bottom, inner, outer = lungs.box(right=right)
    share = rng.uniform(0.12, 0.4)
    centre_column = inner if right else outer
    centre_row = bottom - 0.35 * (bottom - top) if brush == "trained" else bottom + 0.3 * (bottom - top)
    reach_r = (bottom - top) * (1.3 if brush == "unseen" else 0.75) * (1 - share * 0.8)
    lung = disc(size, centre_row, centre_column, reach_r, (outer - inner) * (1 - share))
    air = blur((field & (lung > 1)).astype(np.float32), max(1, size // 110))
    line = np.exp(-(((np.sqrt(lung) - 1) * (outer - inner) / 1.2) ** 2)) * field
    plain = grey * (1 - 0.8 * air) + blur(grey, size // 40) * 0.8 * air  # vessels vanish
    thickness = rng.uniform(0.3, 0.7) * line - rng.uniform(0.15, 0.4) * air
    drawn = attenuate(plain, blur(thickness.astype(np.float32), 0))
    return Inserted(drawn, (air > 0.3) | (line > 0.4), ("Pneumothorax",))


def insert_edema(grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush) -> Inserted:
    """Haze around both hila with septal lines; the unseen brush is diffuse and mottled."""
    size = grey.shape[0]
    rows, columns = np.mgrid[:size, :size]
    spine = 0.5 * (lungs.box(right=False)[3] + lungs.box(right=True)[2])
    hilar = np.exp(
        -(
            ((np.abs(columns - spine) - 0.14 * size) / (0.15 * size)) ** 2
            + ((rows - 0.5 * size) / (0.2 * size)) ** 2
        )
    )
    if brush == "unseen":
        hilar = 0.6 + 0.3 * smooth_noise(rng, size, 28)
    mesh = np.abs(smooth_noise(rng, size, 45)) < 0.18
    tissue = blur(lungs.both.astype(np.float32), size // 50)
    thickness = (
        rng.uniform(0.4, 1.1) * np.clip(hilar, 0, None) * tissue * texture(rng, size) * (1 + 0.4 * mesh)
    )
    return add_tissue(grey, thickness, "Edema", "Lung Opacity")


def insert_atelectasis(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Plate-like bands in the lower lung; the unseen brush is a triangular collapse beside the spine."""
    size = grey.shape[0]
    right = bool(rng.integers(2))
    field = lungs.right_of_image if right else lungs.left_of_image
    top, bottom, left, edge = lungs.box(right=right)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    thickness = np.zeros((size, size), dtype=np.float32)
    for _ in range(int(rng.integers(1, 4))):
        row = bottom - (bottom - top) * rng.uniform(0.05, 0.4)
        slope, width = rng.uniform(-0.4, 0.4), size * rng.uniform(0.006, 0.018)
        band = np.exp(-(((rows - row - slope * (columns - (left + edge) / 2)) / width) ** 2))
        thickness += rng.uniform(0.4, 0.9) * band
    if brush == "unseen":
        inner = left if right else edge
        thickness = 0.9 * np.clip(
            (rows - (top + bottom) / 2) / size * 3 - np.abs(columns - inner) / size * 4, 0, 1
        )
    tissue = blur(field.astype(np.float32), size // 80) * (rows > (top + bottom) / 2)
    return add_tissue(grey, thickness * tissue * texture(rng, size), "Atelectasis", "Lung Opacity")
