"""The second scanner, built on nothing of the first: outlines instead of solids, a diverging beam, an old
screen-film system with a grid.

It exists to measure what a model loses on another machine. Organs are regions between curves, each at a depth
of its own and magnified by it; the detector blurs along the rows, its noise is correlated, its tone is the
toe and shoulder of film, and lines of the anti-scatter grid remain.
"""

from __future__ import annotations

import numpy as np

from janus_med.training.anatomy import LungFields, blur

FOCUS = 3.2
"""Distance of the X-ray focus from the detector, in widths of the field."""


def _grid(size: int, depth: float, centre: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return (S, 1) rows and (1, S) columns of the plane ``depth`` before the detector, seen from the
    focus.
    """
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    shrink = (FOCUS - depth) / FOCUS
    return (
        (centre[0] + (steps - centre[0]) * shrink)[:, None],
        (centre[1] + (steps - centre[1]) * shrink)[None, :],
    )


def _inside(distance: np.ndarray, soft: float = 0.015) -> np.ndarray:
    return np.clip(0.5 + distance / (2 * soft), 0, 1)


def _lung(
    rng: np.random.Generator, rows: np.ndarray, columns: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (S, S) share of the full depth of one lung, and whether a pixel belongs to it."""
    apex, base = rng.uniform(0.1, 0.16), rng.uniform(0.68, 0.78)
    height = np.clip((rows - apex) / (base - apex), 0, 1)  # 0 at the apex, 1 at the base
    wall = 0.2 + 0.17 * np.sqrt(height) + rng.uniform(-0.02, 0.02)
    medial = 0.07 + 0.02 * np.cos(6 * height) + (0.05 if side > 0 else 0.01) * height**2
    away = side * (columns - 0.5)
    share = (away - medial) / (wall - medial)
    bottom = base + 0.03 * np.sin(np.pi * np.clip(share, 0, 1.2)) * -1 + 0.07 * np.clip(share, 0, 1.2) ** 3
    edge = np.minimum(
        np.minimum(away - medial, wall - away),
        np.minimum(rows - apex - 0.1 * (share - 0.5) ** 2, bottom - rows),
    )
    body = np.clip(1 - np.abs(2 * share - 1) ** 3, 0, 1) ** 0.6 * np.clip(4 * height + 0.2, 0, 1)
    return body * _inside(edge), edge > 0


def _heart(rng: np.random.Generator, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    down, aside = rows - rng.uniform(0.58, 0.63), columns - rng.uniform(0.53, 0.57)
    angle, radius = np.arctan2(down, aside), np.hypot(down, aside)
    outline = rng.uniform(0.13, 0.16) * (1 + 0.18 * np.cos(angle - 0.6) + 0.06 * np.cos(3 * angle))
    return np.sqrt(np.clip(1 - (radius / outline) ** 2, 0, 1)) * 1.1


def _ribs(rng: np.random.Generator, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the (S, S) optical thickness of eight pairs of arcs: up behind, down in front, with cortical
    edges.
    """
    away = np.abs(columns - 0.5)
    start, step = rng.uniform(0.1, 0.14), rng.uniform(0.075, 0.09)
    drawn = np.zeros(np.broadcast_shapes(rows.shape, columns.shape), dtype=np.float32)
    for number in range(8):
        back = start + number * step + 0.9 * (away - 0.16) ** 2
        front = start + 0.1 + number * step + 0.35 * np.clip(0.38 - away, 0, None)
        for curve, bold in ((back, 0.22), (front * (away > 0.2) + 9 * (away <= 0.2), 0.14)):
            distance = np.abs(rows - curve) / 0.016
            drawn += bold * (distance < 1) * (0.6 + 0.4 * distance**2)
    return drawn * (away < 0.38)


def trace_outlines(rng: np.random.Generator, size: int) -> tuple[np.ndarray, LungFields]:
    """Draw a healthy patient as the second scanner sees one.

    Parameters
    ----------
    rng
        Decides the person.
    size
        S.

    Returns
    -------
    tuple of ndarray and LungFields
        (S, S) float32 optical thickness, and the lung fields.
    """
    centre = (0.5 + rng.uniform(-0.03, 0.03), 0.5 + rng.uniform(-0.03, 0.03))
    middle, behind, before = (_grid(size, depth, centre) for depth in (0.35, 0.2, 0.5))
    rows, columns = middle
    trunk = np.clip(1 - (np.abs(columns - 0.5) / rng.uniform(0.42, 0.47)) ** 4, 0, 1) ** 0.5
    shoulder = 0.5 * _inside(0.16 + 0.5 * np.abs(columns - 0.5) ** 2 - rows, 0.05)
    thickness = rng.uniform(2.8, 3.4) * trunk * (1 + shoulder * 0.4)
    masks = []
    for side in (-1, 1):
        air, mask = _lung(rng, rows, columns, side)
        thickness = thickness - rng.uniform(1.5, 1.8) * air
        masks.append(mask)
    back_rows, back_columns = behind
    spine = np.exp(-(((back_columns - 0.5) / 0.05) ** 4))
    discs = 0.85 + 0.15 * np.cos(2 * np.pi * back_rows / rng.uniform(0.055, 0.07))
    thickness = thickness + 0.9 * spine * discs + _ribs(rng, back_rows, back_columns)
    thickness = thickness + _heart(rng, *before) + _branches(rng, rows, columns, masks[0] | masks[1])
    return np.asarray(thickness, dtype=np.float32), LungFields(*masks)


def _branches(
    rng: np.random.Generator, rows: np.ndarray, columns: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """Return (S, S) vessel markings: interfering waves that run outwards from the hila and thin out."""
    away, down = np.abs(columns - 0.5) - 0.08, rows - 0.45
    angle, radius = np.arctan2(down, away), np.hypot(down, away)
    waves = np.cos(9 * angle + 5 * radius + rng.uniform(0, 6)) + np.cos(
        14 * angle - 9 * radius + rng.uniform(0, 6)
    )
    return 0.3 * np.clip(waves - 1.0, 0, None) * np.exp(-radius / 0.16) * inside


def expose_film(thickness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Take (S, S) optical thickness on screen-film: (S, S) float32, white = dense, not equalised."""
    size = len(thickness)
    light = np.log10(np.exp(-thickness) + rng.uniform(0.01, 0.05))
    light = (np.roll(light, 1, axis=1) + 2 * light + np.roll(light, -1, axis=1)) / 4
    grain = blur(rng.standard_normal((size, size), dtype=np.float32), 1) * rng.uniform(0.03, 0.08)
    lines = 0.015 * np.sin(2 * np.pi * np.arange(size) * rng.uniform(0.27, 0.43) + rng.uniform(0, 6))
    streaks = rng.normal(0, 0.006, (size, 1))
    exposure = light + grain + lines[None, :] + streaks
    density = 1 / (1 + np.exp(-(exposure + rng.uniform(0.6, 0.85)) * rng.uniform(5.0, 7.0)))
    grey = 1 - 0.92 * density**0.8
    border = int(size * rng.uniform(0, 0.04))
    if border:
        grey[:border], grey[-border:] = 0.97, 0.97
    return np.asarray(grey, dtype=np.float32)
