"""Pictures that are not an upright frontal chest radiograph: what the scope check learns to refuse.

Limbs, heads and bowls of bone are drawn as attenuation; the rest is chest films turned, cut, negated or
shuffled. No real film of another body part is used, so a real one tests what was learnt.
"""

from __future__ import annotations

import numpy as np

from janus_med.preprocessing import equalise_contrast
from janus_med.training.anatomy import blur
from janus_med.training.attenuation import smooth_noise

KINDS = (
    "limb",
    "limb",
    "limb",
    "ball",
    "noise",
    "blank",
    "turned",
    "upside_down",
    "cut",
    "negative",
    "shuffled",
)


def draw_other(chest: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one refused picture.

    Parameters
    ----------
    chest
        (S, S) float32 in [0, 1], the film that some kinds spoil.
    rng
        Kind and shape.

    Returns
    -------
    ndarray
        (S, S) float32 in [0, 1], equalised.
    """
    kind = str(rng.choice(KINDS))
    size = chest.shape[0]
    if kind == "limb":
        picture = _limb(size, rng)
    elif kind == "ball":
        picture = _ball(size, rng)
    elif kind == "noise":
        coarse, fine = rng.choice((3, 6, 12, 30, 60), 2)
        picture = smooth_noise(rng, size, int(coarse)) + smooth_noise(rng, size, int(fine))
    elif kind == "blank":
        picture = np.full((size, size), rng.random()) + rng.normal(0, 0.02, (size, size))
    else:
        picture = _spoil(chest, kind, rng)
    return equalise_contrast(np.asarray(picture, dtype=np.float32))


def _spoil(chest: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    size = chest.shape[0]
    if kind == "turned":
        return np.rot90(chest, int(rng.choice((1, 3))))
    if kind == "upside_down":
        return chest[::-1]
    if kind == "negative":
        return 1.0 - chest
    if kind == "cut":
        side = int(size * rng.uniform(0.2, 0.4))
        top, left = rng.integers(0, size - side, 2)
        piece = chest[top : top + side, left : left + side]
        index = (np.arange(size) * side // size).clip(0, side - 1)
        return piece[index][:, index]
    tiles = [
        tile
        for row in np.split(chest[: size // 4 * 4], 4)
        for tile in np.split(row[:, : size // 4 * 4], 4, axis=1)
    ]
    order = rng.permutation(16)
    return np.block([[tiles[order[4 * row + column]] for column in range(4)] for row in range(4)])


def _limb(size: int, rng: np.random.Generator) -> np.ndarray:
    """One or two limbs: a soft cylinder with one or two long bones (dense cortex, lighter marrow), perhaps a
    joint.
    """
    along, across = np.mgrid[:size, :size].astype(np.float32) / size
    turn = rng.uniform(-0.5, 0.5)
    if rng.random() < 0.3:
        along, across = across, along
    thickness = np.zeros((size, size), dtype=np.float32)
    limbs = int(rng.choice((1, 1, 2)))
    for limb in range(limbs):
        centre = (limb + 0.5) / limbs + rng.uniform(-0.1, 0.1) + turn * (along - 0.5)
        taper = 1 + rng.uniform(-0.5, 0.5) * (along - 0.5)
        width = rng.uniform(0.12, 0.35) / limbs * taper
        thickness += rng.uniform(0.6, 1.2) * _cylinder(across - centre, width)
        for bone in range(int(rng.choice((1, 2)))):
            middle = centre + (bone - 0.3) * 0.5 * width
            joint = 1 + rng.uniform(0.3, 1.2) * np.exp(-(((along - rng.uniform(0, 1)) / 0.1) ** 2))
            radius = rng.uniform(0.18, 0.4) * width * joint
            thickness += 1.5 * _cylinder(across - middle, radius) - 0.9 * _cylinder(
                across - middle, 0.65 * radius
            )
    film = 1 - np.exp(-thickness)
    return film * (1 + 0.03 * smooth_noise(rng, size, 40)) + rng.normal(0, 0.01, film.shape)


def _cylinder(offset: np.ndarray, radius: np.ndarray) -> np.ndarray:
    return np.sqrt(np.clip(1 - (offset / radius) ** 2, 0, None))


def _ball(size: int, rng: np.random.Generator) -> np.ndarray:
    """A head or a slice through a body: nested ellipses with a dense shell and a few inner shapes."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32) / size - 0.5
    film = np.zeros((size, size), dtype=np.float32)
    height, width = rng.uniform(0.25, 0.48, 2)
    for share, value in ((1.0, 0.9), (0.9, -rng.uniform(0.2, 0.8))):
        film += value * ((rows / (height * share)) ** 2 + (columns / (width * share)) ** 2 < 1)
    for _ in range(int(rng.integers(1, 8))):
        row, column = rng.uniform(-0.25, 0.25, 2)
        reach = rng.uniform(0.02, 0.15, 2)
        film += rng.uniform(-0.3, 0.5) * (
            ((rows - row) / reach[0]) ** 2 + ((columns - column) / reach[1]) ** 2 < 1
        )
    return blur(film, int(rng.integers(0, 4))) + rng.normal(0, 0.02, film.shape)
