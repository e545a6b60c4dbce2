"""Films of virtual patients cut into film and quarters: small nodules that show in the quarters alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from janus_med.training.phantom_patient import NODULES, draw_disease, draw_patient, fall_ill
from janus_med.training.phantom_studies import collect, show_disease, take_film

if TYPE_CHECKING:
    from janus_med.training.phantom_patient import Patient
    from janus_med.training.phantom_studies import PhantomStudy

SMALL = 0.6
"""A small nodule has this share of a nodule's radius: one to three pixels of a film of 64."""
DENSE = 3.0
"""And this many times its density, as a calcified one has."""


def draw_tiles(seed: int, size: int, *, healthy: bool | None = None, coarse: bool = False) -> PhantomStudy:
    """Draw a film and its quarters.

    Parameters
    ----------
    seed
        Decides all that is not given.
    size
        S of each of the five images; the film is drawn at 2 S.
    healthy
        Without a nodule; None draws either.

    Returns
    -------
    PhantomStudy
        M = 5, as `janus_med.modalities.tiled.cut_tiles` orders them.
    """
    rng = np.random.default_rng([seed, 5])
    patient, well = draw_patient(rng), rng.random() < 0.5
    disease = draw_disease(rng, NODULES)
    ill = not (well if healthy is None else healthy)
    if ill:
        patient = _shrink(fall_ill(patient, disease))
    film, rays = take_film(patient, "frontal", 2 * size, rng)
    shown = show_disease(patient, disease, rays) if ill else np.zeros_like(film, dtype=bool)
    tiles = [_halve(film), *_quarters(film)]
    masks = [_halve(shown.astype(np.float32)) > 0, *_quarters(shown)]
    return collect(np.stack(tiles), (disease,) * ill, (np.stack(masks),) * ill)


def _shrink(patient: Patient) -> Patient:
    *others, (finding, focus) = patient.foci
    small = replace(focus.scaled(SMALL), density=DENSE * focus.density)
    return replace(patient, foci=(*others, (finding, small)))


def _halve(film: np.ndarray) -> np.ndarray:
    side = len(film) // 2
    return np.asarray(film.reshape(side, 2, side, 2).mean(axis=(1, 3)), dtype=np.float32)


def _quarters(film: np.ndarray) -> list[np.ndarray]:
    side = len(film) // 2
    return [film[row : row + side, col : col + side] for row in (0, side) for col in (0, side)]
