"""Slices through the virtual patient, and the same patient over a few seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from janus_med.preprocessing import equalise_contrast
from janus_med.reading import FINDINGS
from janus_med.training.phantom_beam import aim, draw_exposure, draw_pose, expose, project
from janus_med.training.phantom_patient import NODULES, Disease, draw_patient, fall_ill
from janus_med.training.phantom_studies import PhantomStudy, collect

if TYPE_CHECKING:
    from janus_med.training.phantom_patient import Ellipsoid, Lung, Patient

TOP_ROW, BOTTOM_ROW = 0.22, 0.66
"""Rows of the first and the last slice."""

SWING = 0.06
"""How far a hemidiaphragm moves to either side of its middle, a share of the field."""

TRAVEL = 0.3
"""How far the tip of a catheter comes, a share of the field."""


def draw_volume(
    seed: int, size: int, slices: int = 12, *, at: int | None = None, healthy: bool | None = None
) -> PhantomStudy:
    """Draw axial slices through one patient, from top to bottom, in a fixed lung window.

    Parameters
    ----------
    seed
        Decides all that is not given. With equal seeds the healthy and the ill volume differ by the nodule
        alone.
    size
        S.
    slices
        M.
    at
        Index of the slice that the nodule is centred on.
    healthy
        Whether there is no nodule; None draws.

    Returns
    -------
    PhantomStudy
        ``masks`` of Lung Lesion tell the slices that show it.
    """
    rng = np.random.default_rng([seed, 4])
    patient, tubes = draw_patient(rng), _draw_tubes(rng)
    rows = np.linspace(TOP_ROW, BOTTOM_ROW, slices, dtype=np.float32)
    drawn, well = int(rng.integers(1, slices - 1)), bool(rng.random() < 0.5)
    chosen = drawn if at is None else at
    disease = Disease(NODULES, float(rng.uniform(0.2, 0.7)), (float(rng.random()), 0.0, float(rng.random())))
    noise = rng.normal(0, rng.uniform(0.01, 0.04), (slices, size, size))
    nodule = _centre_on(fall_ill(patient, disease).foci[-1][1], float(rows[chosen]))
    ill = not (well if healthy is None else healthy)
    density = _slice_patient(patient, tubes, rows, size)
    share = _fill(nodule, rows, size)
    if ill:
        density = np.clip(density + nodule.density * share, 0, 6.5)
    images = np.clip(density / 8 + noise, 0, 1)
    return collect(images, (disease,) if ill else (), (share > 0.5,) if ill else ())


def _centre_on(nodule: Ellipsoid, row: float) -> Ellipsoid:
    return replace(nodule, centre=(nodule.centre[0], row, nodule.centre[2]))


def _axes(rows: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x (1, 1, S), y (M, 1, 1) and z (1, S, 1): a slice has its front at the top."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    return steps[None, None, :], rows[:, None, None], steps[None, :, None]


def _fill(solid: Ellipsoid, rows: np.ndarray, size: int) -> np.ndarray:
    """Return (M, S, S) share of each voxel inside a solid, softened at its surface."""
    x, y, z = (
        (values - middle) / radius
        for values, middle, radius in zip(_axes(rows, size), solid.centre, solid.radii, strict=True)
    )
    sharp = 0.7 * size * min(solid.radii[0], solid.radii[2])
    return np.clip(0.5 + sharp * (1 - np.sqrt(x**2 + y**2 + z**2)), 0, 1)


def _fill_lung(lung: Lung, rows: np.ndarray, size: int) -> np.ndarray:
    x, y, z = _axes(rows, size)
    (middle, _, depth), (width, _, thickness) = lung.air.centre, lung.air.radii
    floor = lung.dome + 0.1 * (((x - middle) / width) ** 2 + ((z - depth) / thickness) ** 2)
    return _fill(lung.air, rows, size) * (y < floor)


def _slice_patient(patient: Patient, tubes: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """Return (M, S, S) density."""
    lungs = sum(_fill_lung(lung, rows, size) for lung in patient.lungs)
    density = patient.body.density * _fill(patient.body, rows, size) - 4.0 * np.asarray(lungs)
    for organ in (patient.heart, *patient.organs):
        density = density + organ.density * _fill(organ, rows, size)
    return np.clip(density + 4.0 * _slice_tubes(tubes, rows, size) * np.asarray(lungs), 0, 6.5)


def _draw_tubes(rng: np.random.Generator, count: int = 10) -> np.ndarray:
    """Return (V, 5): column and depth at the hilum's height, their slopes, and radius of each vessel."""
    side = rng.choice((0.3, 0.7), count)
    return np.stack(
        [
            side + rng.uniform(-0.12, 0.12, count),
            rng.uniform(0.35, 0.65, count),
            rng.uniform(-0.25, 0.25, count),
            rng.uniform(-0.25, 0.25, count),
            rng.uniform(0.009, 0.02, count),
        ],
        axis=1,
    ).astype(np.float32)


def _slice_tubes(tubes: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """Return (M, S, S) share of vessel: a tube shows as a dot in every slice, a nodule in a few."""
    x, y, z = _axes(rows, size)
    drawn = np.zeros((len(rows), size, size), dtype=np.float32)
    for column, depth, slope, tilt, radius in tubes.tolist():
        away = ((x - column - slope * (y - 0.46)) / radius) ** 2 + (
            (z - depth - tilt * (y - 0.46)) / radius
        ) ** 2
        np.maximum(drawn, 1 / (1 + away**2), out=drawn)
    return drawn


def draw_sequence(
    seed: int, size: int, frames: int = 8, *, paradox: bool | None = None, migrating: bool | None = None
) -> PhantomStudy:
    """Draw the frames of one breath, with a catheter in place.

    A paralysed hemidiaphragm rises while the other one falls (the sniff test); a single frame shows two
    diaphragms at some height, as anyone's. The tip of a catheter moves to and fro with the breath, or comes
    out steadily: both tips pass through the same places, in another order.

    Parameters
    ----------
    seed
        Decides all that is not given.
    size
        S.
    frames
        M, even.
    paradox, migrating
        The two entries of `MOTIONS`; None draws.

    Returns
    -------
    PhantomStudy
        M frames in order of time.
    """
    rng = np.random.default_rng([seed, 5])
    patient, rays, exposure = draw_patient(rng), aim("frontal", size, draw_pose(rng)), draw_exposure(rng)
    drawn = rng.random(2) < 0.5
    motion = np.array(
        [drawn[0] if paradox is None else paradox, drawn[1] if migrating is None else migrating], np.float32
    )
    moves = _draw_moves(rng, frames, *motion)
    start, turned = rng.uniform((0.25, 0.26), (0.4, 0.34)), rng.uniform(-0.1, 0.1)
    offsets = rng.normal(0, 0.04, 2)
    images = []
    for right, left, tip in moves:
        moved = _set_domes(patient, offsets + np.array([right, left]))
        end = start + tip * np.array([1.0, turned])
        thickness = project(moved, rays) + _lay_catheter(end, rays.rows, rays.across)
        images.append(equalise_contrast(expose(thickness, exposure, rng)))
    study = collect(np.stack(images))
    labels = study.labels.copy()
    labels[FINDINGS.index("Support Devices")] = 1.0
    return replace(study, labels=labels, motion=motion)


def _draw_moves(rng: np.random.Generator, frames: int, paradox: float, migrating: float) -> np.ndarray:
    """Return (M, 3): shift of the right and the left dome, and how far the catheter's tip has come."""
    angles = 2 * np.pi * (np.arange(frames) / frames + rng.random())
    right = SWING * np.sin(angles)
    left = -right if paradox else right
    order = np.arange(frames)
    if not migrating:
        order = np.concatenate([order[::2], order[1::2][::-1]])
    if rng.random() < 0.5:
        order = frames - 1 - order
    flipped = rng.random() < 0.5
    right, left = (left, right) if flipped else (right, left)
    return np.stack([right, left, TRAVEL * order / (frames - 1)], axis=1)


def _set_domes(patient: Patient, shifts: np.ndarray) -> Patient:
    right, left = (
        replace(lung, dome=lung.dome + float(shift))
        for lung, shift in zip(patient.lungs, shifts, strict=True)
    )
    return replace(patient, lungs=(right, left))


def _lay_catheter(end: np.ndarray, rows: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return the (S, S) optical thickness of a line from the neck to ``end`` (row, column)."""
    start = np.array([0.0, 0.3])
    way = end - start
    along = ((rows - start[0]) * way[0] + (across - start[1]) * way[1]) / float(way @ way)
    along = np.clip(along, 0, 1)
    distance = (rows - start[0] - along * way[0]) ** 2 + (across - start[1] - along * way[1]) ** 2
    return np.asarray(1.6 / (1 + distance / 0.014**2) ** 2, dtype=np.float32)
