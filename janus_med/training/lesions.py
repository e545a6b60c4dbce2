"""Lesions inserted into real radiographs, and decoys: changes of the film that are no disease."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.training.anatomy import LungFields, blur
from janus_med.training.attenuation import Brush, Inserted, attenuate, disc, point_in
from janus_med.training.device_brushes import insert_device, insert_fracture
from janus_med.training.heart_brushes import insert_cardiomegaly, insert_wide_mediastinum
from janus_med.training.lung_brushes import (
    insert_atelectasis,
    insert_consolidation,
    insert_edema,
    insert_nodules,
)
from janus_med.training.pleura_brushes import insert_effusion, insert_pneumothorax, insert_thickening

if TYPE_CHECKING:
    from collections.abc import Callable

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
    "Fracture": insert_fracture,
    "Pleural Other": insert_thickening,
}


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
        row, column = point_in(lungs.both, rng)
        weight = np.exp(-disc(size, row, column, 0.08 * size, 0.08 * size))
        return np.asarray(grey * (1 - weight) + blur(grey, 2) * weight, dtype=np.float32)
    if kind == 1:
        row, column = point_in(~lungs.both, rng)
        radius = size * rng.uniform(0.02, 0.1)
        shadow = np.exp(-disc(size, row, column, radius, radius)) * ~lungs.both
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
