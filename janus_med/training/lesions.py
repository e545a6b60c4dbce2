"""Lesions inserted into real radiographs: attenuation is added along the beam, never a grey value painted.

A radiograph shows transmitted intensity; a lesion of optical thickness t multiplies it by exp(-t)
(Beer-Lambert), so it adds little where the film is already white. Thickness maps carry texture of their own,
the host's blur and the anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from janus_med.training.anatomy import LungFields, blur

if TYPE_CHECKING:
    from collections.abc import Callable

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


def insert_lesion(
    finding: str, grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush = "trained"
) -> Inserted:
    """Insert one lesion.

    Parameters
    ----------
    finding
        A key of `BRUSHES`.
    grey
        (S, S) float32 in [0, 1], upright, white = dense.
    lungs
        Its lung fields.
    rng
        Place, size, shape and density.
    brush
        Which recipe.
    """
    return BRUSHES[finding](grey, lungs, rng, brush)


def _add(grey: np.ndarray, thickness: np.ndarray, *labels: str) -> Inserted:
    softened = blur(thickness.astype(np.float32), 1)
    return Inserted(attenuate(grey, softened), np.abs(softened) > VISIBLE, labels)


def _point_in(mask: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    rows, columns = np.nonzero(mask)
    index = int(rng.integers(len(rows)))
    return int(rows[index]), int(columns[index])


def _disc(size: int, row: float, column: float, radius_r: float, radius_c: float) -> np.ndarray:
    rows, columns = np.ogrid[:size, :size]
    return np.asarray(((rows - row) / radius_r) ** 2 + ((columns - column) / radius_c) ** 2, dtype=np.float32)


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
    return _add(grey, blur(thickness.astype(np.float32), size // 110), "Pleural Effusion")


def insert_consolidation(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Patchy air-space filling with soft, irregular edges; the unseen brush is a sharp lobar wedge."""
    size = grey.shape[0]
    field = lungs.right_of_image if rng.integers(2) else lungs.left_of_image
    row, column = _point_in(field, rng)
    radius = size * rng.uniform(0.06, 0.16)
    reach = np.exp(-_disc(size, row, column, radius * rng.uniform(0.7, 1.4), radius))
    if brush == "trained":
        patch = np.clip(reach * (1 + 0.5 * smooth_noise(rng, size, 16)) - 0.2, 0, None)
    else:
        patch = (reach > 0.35) * np.clip((np.mgrid[:size, :size][0] - row) / radius + 0.6, 0, 1)
    tissue = blur(field.astype(np.float32), size // 60)
    return _add(
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
        row, column = _point_in(lungs.both, rng)
        radius = size * (rng.uniform(0.014, 0.035) if many else rng.uniform(0.02, 0.075))
        distance = _disc(size, row, column, radius * rng.uniform(0.8, 1.25), radius)
        frequency = 20 if brush == "trained" else 56
        distance = distance * np.clip(
            1 + (0.25 if brush == "trained" else 0.6) * smooth_noise(rng, size, frequency), 0.4, 2
        )
        thickness += rng.uniform(0.35, 0.9) * np.sqrt(np.clip(1 - distance, 0, None))
    return _add(grey, thickness, "Lung Lesion")


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
    lung = _disc(size, centre_row, centre_column, reach_r, (outer - inner) * (1 - share))
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
    return _add(grey, thickness, "Edema", "Lung Opacity")


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
    return _add(grey, thickness * tissue * texture(rng, size), "Atelectasis", "Lung Opacity")


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
    heart = _disc(size, bottom - 0.14 * size, spine + 0.04 * size, 0.19 * size, size * rng.uniform(0.2, 0.27))
    if brush == "trained":
        widened = _widen(grey, spine + 0.02 * size, 0.36 * size, rows, rng.uniform(1.35, 1.9))
        return Inserted(widened, heart < 1, ("Cardiomegaly", "Enlarged Cardiomediastinum"))
    shadow = rng.uniform(0.5, 1.0) * np.clip(1 - heart, 0, 1) ** 0.5
    added = _add(grey, blur(shadow.astype(np.float32), size // 90))
    return Inserted(added.grey, heart < 1, ("Cardiomegaly", "Enlarged Cardiomediastinum"))


def insert_wide_mediastinum(
    grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Widen the upper mediastinum by warping, or (unseen brush) by adding a rounded soft-tissue shadow."""
    size = grey.shape[0]
    spine = 0.5 * (lungs.box(right=False)[3] + lungs.box(right=True)[2])
    band = _disc(size, 0.32 * size, spine, 0.15 * size, 0.13 * size)
    if brush == "trained":
        widened = _widen(grey, spine, 0.25 * size, (0.12 * size, 0.52 * size), rng.uniform(1.5, 2.2))
        return Inserted(widened, band < 1, ("Enlarged Cardiomediastinum",))
    added = _add(grey, rng.uniform(0.5, 1.0) * np.clip(1 - band, 0, 1) ** 0.5)
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
        thickness = thickness + 2.0 * (_disc(size, row, column, 0.055 * size, 0.05 * size) ** 2 < 1)
    return _add(grey, thickness, "Support Devices")


BRUSHES: dict[str, Callable[[np.ndarray, LungFields, np.random.Generator, Brush], Inserted]] = {
    "Pleural Effusion": insert_effusion,
    "Consolidation": insert_consolidation,
    "Lung Lesion": insert_nodules,
    "Pneumothorax": insert_pneumothorax,
    "Edema": insert_edema,
    "Atelectasis": insert_atelectasis,
    "Cardiomegaly": insert_cardiomegaly,
    "Enlarged Cardiomediastinum": insert_wide_mediastinum,
    "Support Devices": insert_device,
}


def insert_decoy(grey: np.ndarray, lungs: LungFields, rng: np.random.Generator) -> np.ndarray:
    """Change the film without disease: a smoothed patch, a shadow outside the lungs, a printed marker, a skin
    fold.

    Returns
    -------
    ndarray
        (S, S) float32 in [0, 1]; no label changes.
    """
    size = grey.shape[0]
    kind = int(rng.integers(4))
    if kind == 0:
        row, column = _point_in(lungs.both, rng)
        weight = np.exp(-_disc(size, row, column, 0.08 * size, 0.08 * size))
        return np.asarray(grey * (1 - weight) + blur(grey, 2) * weight, dtype=np.float32)
    if kind == 1:
        row, column = _point_in(~lungs.both, rng)
        radius = size * rng.uniform(0.02, 0.1)
        shadow = np.exp(-_disc(size, row, column, radius, radius)) * ~lungs.both
        return attenuate(grey, rng.uniform(0.3, 1.0) * shadow)
    if kind == 2:
        marked = grey.copy()
        row, column = int(rng.uniform(0.02, 0.9) * size), int(rng.choice([0.03, 0.88]) * size)
        height, width = int(size * rng.uniform(0.03, 0.07)), int(size * rng.uniform(0.02, 0.09))
        marked[row : row + height, column : column + width] = 1.0
        return marked
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    edge = columns - size * rng.uniform(0.1, 0.9) - rng.uniform(-0.3, 0.3) * rows
    return attenuate(grey, rng.uniform(0.1, 0.3) * np.clip(edge / (0.08 * size), 0, 1) * (edge < 0.08 * size))
