"""Brushes for devices and bones: lines, tubes, leads, a pacemaker, clips; a broken rib."""

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
from janus_med.training.attenuation import Brush, Inserted, add_tissue, disc, point_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from janus_med.training.anatomy import LungFields


def insert_device(grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush) -> Inserted:
    """One to three devices of different kinds; the unseen brush is a row of surgical clips."""
    size = grey.shape[0]
    if brush == "unseen":
        return add_tissue(grey, _clips(size, lungs, rng), "Support Devices")
    kinds = rng.choice(len(DEVICES), size=int(rng.choice((1, 1, 2, 3))), replace=False)
    thickness = np.zeros((size, size), dtype=np.float32)
    for kind in kinds:
        thickness = np.maximum(thickness, DEVICES[int(kind)](size, lungs, rng))
    return add_tissue(grey, rng.uniform(0.5, 1.3) * thickness, "Support Devices")


def _curve(size: int, points: list[tuple[float, float]], width: int) -> np.ndarray:
    """A smooth line of about ``width`` pixels through points (row, column) in pixels; (S, S) in [0, 1]."""
    ends = np.array(points, dtype=np.float64)
    along = np.linspace(0, len(ends) - 1, 4 * size)
    path = np.stack([np.interp(along, np.arange(len(ends)), ends[:, axis]) for axis in (0, 1)], axis=1)
    kernel = np.hanning(2 * size // max(2, len(points) - 1) + 3)
    half = len(kernel) // 2
    path = np.stack(
        [
            np.convolve(np.pad(path[:, axis], half, mode="edge"), kernel / kernel.sum(), mode="valid")
            for axis in (0, 1)
        ],
        axis=1,
    )
    drawn = np.zeros((size, size), dtype=np.float32)
    rows, columns = path.round().astype(int).T
    shown = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    drawn[rows[shown], columns[shown]] = 1.0
    return np.clip(blur(drawn, width) * (2 * width + 1) ** 1.3, 0, 1)


def _middle(lungs: LungFields) -> tuple[float, float, float, float]:
    """Column of the spine, top, bottom and width of both lungs, in pixels."""
    chest = measure_chest(lungs)
    return chest.spine, chest.top, chest.bottom, chest.width


def _central_line(size: int, lungs: LungFields, rng: np.random.Generator) -> np.ndarray:
    spine, top, bottom, width = _middle(lungs)
    side = 1 if rng.integers(2) else -1
    start = (top - 0.05 * size * rng.random(), spine + side * width * rng.uniform(0.15, 0.5))
    bend = (top + 0.1 * (bottom - top), spine + side * 0.12 * width)
    tip = (top + rng.uniform(0.3, 0.55) * (bottom - top), spine - 0.06 * width)
    return _curve(size, [start, bend, (bend[0] + 0.12 * size, spine - 0.05 * width), tip], 0)


def _tracheal_tube(size: int, lungs: LungFields, rng: np.random.Generator) -> np.ndarray:
    spine, top, bottom, width = _middle(lungs)
    column = spine + rng.uniform(-0.03, 0.03) * width
    tip = top + rng.uniform(0.12, 0.3) * (bottom - top)
    return _curve(
        size, [(0, column + rng.uniform(-0.05, 0.05) * size), (top * 0.6, column), (tip, column)], 1
    )


def _gastric_tube(size: int, lungs: LungFields, rng: np.random.Generator) -> np.ndarray:
    spine, top, bottom, width = _middle(lungs)
    middle = (0.6 * bottom + 0.4 * top, spine + 0.03 * width)
    end = (bottom + 0.1 * size, spine + rng.uniform(0.1, 0.35) * width)
    return _curve(
        size, [(0, spine), (top, spine + 0.01 * width), middle, (bottom, spine + 0.08 * width), end], 0
    )


def _chest_tube(size: int, lungs: LungFields, rng: np.random.Generator) -> np.ndarray:
    right = choose_side(lungs, rng)
    field = lungs.field(right=right)
    top, bottom, inner, outer = lungs.box(right=right)
    wall = outer + 0.08 * size if right else inner - 0.08 * size
    entry = (bottom - rng.uniform(0.05, 0.4) * (bottom - top), wall)
    tip = point_in(field, rng)
    bend = ((entry[0] + tip[0]) / 2 + rng.uniform(-0.1, 0.1) * size, (entry[1] + tip[1]) / 2)
    return _curve(size, [entry, bend, (float(tip[0]), float(tip[1]))], 1) * 0.8


def _pacemaker(size: int, lungs: LungFields, rng: np.random.Generator) -> np.ndarray:
    spine, top, bottom, width = _middle(lungs)
    side = 1 if rng.random() < 0.75 else -1
    row, column = (
        top + rng.uniform(0.08, 0.25) * (bottom - top),
        spine + side * width * rng.uniform(0.33, 0.45),
    )
    tip = (bottom - rng.uniform(0.02, 0.2) * (bottom - top), spine + rng.uniform(-0.02, 0.15) * width)
    lead = _curve(
        size, [(row, column), (top, spine + side * 0.15 * width), (0.5 * (top + bottom), spine), tip], 0
    )
    box = disc(size, row, column, 0.05 * size, 0.045 * size) ** 2 < 1
    return np.maximum(lead, 1.6 * box)


def _electrodes(size: int, lungs: LungFields, rng: np.random.Generator) -> np.ndarray:
    spine, top, bottom, width = _middle(lungs)
    drawn = np.zeros((size, size), dtype=np.float32)
    for _ in range(int(rng.integers(2, 4))):
        row, column = rng.uniform(top, bottom), spine + rng.uniform(-0.5, 0.5) * width
        end = (rng.uniform(0.3, 1.0) * size, float(rng.choice((0, size - 1))))
        bend = (0.5 * (row + end[0]) + rng.uniform(-0.15, 0.15) * size, 0.5 * (column + end[1]))
        drawn = np.maximum(drawn, 0.6 * _curve(size, [(row, column), bend, end], 0))
        drawn = np.maximum(drawn, disc(size, row, column, 0.014 * size, 0.014 * size) < 1)
    return drawn


def _sternal_wires(size: int, lungs: LungFields, rng: np.random.Generator) -> np.ndarray:
    spine, top, bottom, _ = _middle(lungs)
    drawn = np.zeros((size, size), dtype=np.float32)
    for row in np.linspace(
        top + 0.2 * (bottom - top), bottom - 0.1 * (bottom - top), int(rng.integers(3, 7))
    ):
        ring = np.abs(np.sqrt(disc(size, row, spine, 0.014 * size, 0.022 * size)) - 1) < 0.3
        drawn = np.maximum(drawn, ring)
    return drawn


def _clips(size: int, lungs: LungFields, rng: np.random.Generator) -> np.ndarray:
    drawn = np.zeros((size, size), dtype=np.float32)
    row, column = point_in(lungs.both, rng)
    for _ in range(int(rng.integers(4, 10))):
        row = int(np.clip(row + rng.integers(-12, 13), 2, size - 3))
        column = int(np.clip(column + rng.integers(-12, 13), 4, size - 5))
        drawn[row - 1 : row + 1, column - 2 : column + 3] = 1.2
    return drawn


DEVICES: tuple[Callable[[int, LungFields, np.random.Generator], np.ndarray], ...] = (
    _central_line,
    _tracheal_tube,
    _gastric_tube,
    _chest_tube,
    _pacemaker,
    _electrodes,
    _sternal_wires,
)


def insert_fracture(grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush) -> Inserted:
    """One to four ribs that step at the wall of the chest; the unseen brush is a gap with callus."""
    size, right = grey.shape[0], choose_side(lungs, rng)
    field = lungs.field(right=right)
    across, down = lateral_position(field, right=right), vertical_position(field)
    places = np.nonzero(field & (across > 0.55) & (down > 0.1) & (down < 0.85))
    broken, mask = grey, np.zeros((size, size), dtype=bool)
    if not len(places[0]):
        places = np.nonzero(field)
    for _ in range(int(rng.integers(1, 5))):
        index = int(rng.integers(len(places[0])))
        row, column = int(places[0][index]), int(places[1][index])
        broken = _break(broken, row, column, rng, brush)
        mask |= disc(size, row, column, 0.035 * size, 0.035 * size) < 1
    return Inserted(broken, mask, ("Fracture",))


def _break(grey: np.ndarray, row: int, column: int, rng: np.random.Generator, brush: Brush) -> np.ndarray:
    size = grey.shape[0]
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    tilt = rng.uniform(-0.4, 0.4)
    across = (columns - column) + tilt * (rows - row)
    near = np.exp(-(disc(size, row, column, 0.035 * size, 0.035 * size) ** 2))
    if brush == "unseen":
        gap = np.exp(-((across / 1.5) ** 2)) * near
        callus = np.exp(-disc(size, row, column, 0.02 * size, 0.02 * size))
        return add_tissue(grey, 0.5 * callus - 0.5 * gap).grey
    step = rng.uniform(2.0, 4.5) * size / 224 * (1 if rng.integers(2) else -1)
    source = rows + step * near * (across > 0)
    low = np.clip(np.floor(source).astype(int), 0, size - 2)
    share = np.clip(source - low, 0, 1)
    index = np.arange(size)[None, :]
    moved = grey[low, index] * (1 - share) + grey[low + 1, index] * share
    line = np.exp(-((across / 1.2) ** 2)) * near
    return np.clip(moved - rng.uniform(0.05, 0.2) * line, 0, 1).astype(np.float32)
