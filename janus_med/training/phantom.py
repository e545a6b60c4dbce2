"""Frontal chest radiographs of virtual patients with known disease, from two scanners that share no code.

Nothing is painted: disease is attenuation along the beam, put between patient and detector. Everything
follows from the seed. A model that reads phantoms well has been shown to work as a program, not in a clinic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from janus_med.preprocessing import equalise_contrast
from janus_med.reading import FINDINGS
from janus_med.training.lesions import BRUSHES, insert_lesion
from janus_med.training.phantom_beam import aim, draw_exposure, draw_pose, expose, find_fields, project
from janus_med.training.phantom_contour import expose_film, trace_outlines
from janus_med.training.phantom_patient import draw_patient

if TYPE_CHECKING:
    from janus_med.training.anatomy import LungFields
    from janus_med.training.attenuation import Brush, Inserted

Scanner = Literal["first", "second"]

CLEAR_LUNG = 0.9
"""The quantile of transmitted light in the lungs that a brush takes for full transmission."""

TRIES = 50


@dataclass(frozen=True, eq=False)
class PhantomFilm:
    """One film.

    Attributes
    ----------
    grey
        (S, S) float32 in [0, 1], equalised as any input is.
    labels
        (14,) float32 of 0, 1, and NaN for a Pneumonia that an opacity may or may not be.
    masks
        (14, S, S) float32 of 0 and 1, NaN where there is no place to know (``No Finding``).
    """

    grey: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


def draw_film(
    seed: int,
    size: int,
    scanner: Scanner = "first",
    brush: Brush = "trained",
    findings: tuple[str, ...] | None = None,
) -> PhantomFilm:
    """Draw one frontal film.

    Parameters
    ----------
    seed
        Decides patient, disease, position, exposure and noise.
    size
        S in pixels.
    scanner
        Which of the two.
    brush
        By which recipe disease is drawn.
    findings
        Keys of `BRUSHES`; None draws none to three.

    Returns
    -------
    PhantomFilm
        With labels and masks of what was inserted.

    Raises
    ------
    ValueError
        If a finding cannot be made to show in a film this small.
    """
    rng = np.random.default_rng([seed, scanner == "second"])
    chosen = _draw_findings(rng) if findings is None else findings
    thickness, lungs = _draw_healthy(rng, size, scanner)
    labels, masks = healthy_truth(size)
    light = np.exp(-thickness)
    full = float(np.quantile(light[lungs.both], CLEAR_LUNG))
    grey = np.clip(1.02 - light / full, 0.0, 1.0).astype(np.float32)
    for finding in chosen:
        lesion = _insert_visible(finding, grey, lungs, rng, brush)
        grey = lesion.grey
        note(labels, masks, lesion.labels, lesion.mask)
    light = np.where(grey > 0, (1.02 - grey) * full, light)
    drawn = -np.log(np.clip(light, 1e-4, None)).astype(np.float32)
    taken = expose(drawn, draw_exposure(rng), rng) if scanner == "first" else expose_film(drawn, rng)
    return PhantomFilm(equalise_contrast(taken), labels, masks)


def _draw_findings(rng: np.random.Generator) -> tuple[str, ...]:
    count = int(rng.choice((0, 1, 1, 1, 2, 2, 3)))
    return tuple(str(name) for name in rng.choice(list(BRUSHES), size=count, replace=False))


def _insert_visible(
    finding: str, grey: np.ndarray, lungs: LungFields, rng: np.random.Generator, brush: Brush
) -> Inserted:
    """Insert a lesion, again if it fell where nothing of it shows: a label must have a reason."""
    for _ in range(TRIES):
        lesion = insert_lesion(finding, grey, lungs, rng, brush)
        if lesion.mask.any():
            return lesion
    raise ValueError(f"{finding} does not show in a film of {len(grey)} pixels in {TRIES} tries")


def _draw_healthy(rng: np.random.Generator, size: int, scanner: Scanner) -> tuple[np.ndarray, LungFields]:
    if scanner == "second":
        return trace_outlines(rng, size)
    patient, rays = draw_patient(rng), aim("frontal", size, draw_pose(rng))
    return project(patient, rays), find_fields(patient, rays)


def healthy_truth(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (14,) and masks (14, S, S) of a film without disease."""
    labels = np.zeros(len(FINDINGS), dtype=np.float32)
    labels[0] = 1.0
    masks = np.zeros((len(FINDINGS), size, size), dtype=np.float32)
    masks[0] = np.nan
    return labels, masks


def note(labels: np.ndarray, masks: np.ndarray, names: tuple[str, ...], mask: np.ndarray) -> None:
    """Write into labels and masks that the findings ``names`` show in ``mask``, (S, S) bool."""
    for name in names:
        index = FINDINGS.index(name)
        labels[index] = 1.0
        masks[index] = np.maximum(masks[index], mask)
    if names != ("Support Devices",):
        labels[0] = 0.0
    if "Lung Opacity" in names:
        labels[FINDINGS.index("Pneumonia")] = np.nan
        masks[FINDINGS.index("Pneumonia")] = np.nan
