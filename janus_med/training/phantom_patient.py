"""The virtual patient: a thorax of ellipsoids in space, so that a film, its lateral, a slice and a sequence
show the same person.

Coordinates are shares of the field: x along the columns of a frontal film (0 is the patient's right side), y
down its rows, z from front to back. A density is optical thickness per unit of length, over that of air;
tissue is added, so a lung is negative inside a positive body.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Point = tuple[float, float, float]
Site = Literal["lung", "behind heart"]

WATER = 5.0
AIR_IN_LUNG = -4.0
DOME_DROP = 0.1
"""How much lower a diaphragm stands at the chest wall than at its top."""

NODULES, FLUID, HEART, FILLING = "Lung Lesion", "Pleural Effusion", "Cardiomegaly", "Consolidation"
STAGED: tuple[str, ...] = (NODULES, FLUID, HEART, FILLING)
"""Findings of the patient in space, which have a severity and can change in time."""


@dataclass(frozen=True)
class Ellipsoid:
    """A solid with axes along x, y and z; ``radii`` are half axes."""

    centre: Point
    radii: Point
    density: float

    def scaled(self, factor: float) -> Ellipsoid:
        """Return the solid grown about its centre."""
        x, y, z = (radius * factor for radius in self.radii)
        return replace(self, radii=(x, y, z))


@dataclass(frozen=True)
class Lung:
    """Air in an ellipsoid above a diaphragm.

    Attributes
    ----------
    air
        Its density is negative.
    dome
        Row of the top of the diaphragm.
    fluid
        Share of the height, counted from the dome, that fluid has filled; it stands higher at the wall.
    """

    air: Ellipsoid
    dome: float
    fluid: float = 0.0

    @property
    def level(self) -> float:
        """Row of the fluid's surface."""
        top = self.air.centre[1] - self.air.radii[1]
        return self.dome + DOME_DROP - self.fluid * (self.dome - top)


@dataclass(frozen=True, eq=False)
class Patient:
    """One virtual person.

    Attributes
    ----------
    body
        The trunk.
    lungs
        The patient's right lung first: it is at the left of a film.
    heart, organs
        ``organs`` are spine, mediastinum and aortic knob.
    ribs
        Spacing, phase, slope and optical thickness of the ribs.
    vessels
        (V, 5) angle, length, width, thickness and side (-1 or 1) of each vessel from its hilum.
    foci
        Nodules and consolidations with the finding each one is.
    """

    body: Ellipsoid
    lungs: tuple[Lung, Lung]
    heart: Ellipsoid
    organs: tuple[Ellipsoid, ...]
    ribs: tuple[float, float, float, float]
    vessels: np.ndarray
    foci: tuple[tuple[str, Ellipsoid], ...] = ()


@dataclass(frozen=True)
class Disease:
    """One finding of a patient in space.

    Attributes
    ----------
    finding
        One of `STAGED`.
    severity
        In (0, 1].
    place
        Three numbers in [0, 1): side, height, depth; their meaning depends on the finding.
    site
        Where a focus lies; behind the heart it is hidden in a frontal film.
    """

    finding: str
    severity: float
    place: Point
    site: Site = "lung"


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a healthy patient."""
    width, height = rng.uniform(0.145, 0.175), rng.uniform(0.32, 0.38)
    depth, gap = rng.uniform(0.19, 0.24), rng.uniform(0.195, 0.215)
    lungs = (_lung(rng, 0.5 - gap, (width, height, depth)), _lung(rng, 0.5 + gap, (width, height, depth)))
    girth = rng.uniform(0.4, 0.46)
    thickness = rng.uniform(0.27, 0.33)
    heart_size = rng.uniform(0.85, 1.1)
    return Patient(
        Ellipsoid((0.5, 0.5, 0.5), (girth, 3.0, thickness), WATER),
        lungs,
        Ellipsoid((rng.uniform(0.53, 0.57), 0.64, 0.38), (0.14, 0.15, 0.11), 4.0).scaled(heart_size),
        (
            Ellipsoid((0.5, 0.5, 0.74), (0.045, 3.0, 0.06), 7.0),
            Ellipsoid((0.5, 0.3, 0.5), (rng.uniform(0.055, 0.075), 0.3, 0.12), 5.0),
            Ellipsoid((0.57, 0.3, 0.5), (0.04, 0.05, 0.06), 5.0),
        ),
        (rng.uniform(0.085, 0.105), rng.uniform(0, 1), rng.uniform(0.2, 0.5), rng.uniform(0.15, 0.3)),
        _vessels(rng),
    )


def _lung(rng: np.random.Generator, centre: float, radii: Point) -> Lung:
    row = rng.uniform(0.43, 0.48)
    return Lung(Ellipsoid((centre, row, 0.5), radii, AIR_IN_LUNG), row + radii[1] * rng.uniform(0.55, 0.8))


def _vessels(rng: np.random.Generator, count: int = 12) -> np.ndarray:
    columns = (
        rng.uniform(-1.3, 1.3, count),
        rng.uniform(0.1, 0.28, count),
        rng.uniform(0.006, 0.014, count),
        rng.uniform(0.1, 0.35, count),
        rng.choice((-1.0, 1.0), count),
    )
    return np.stack(columns, axis=1)


def draw_disease(rng: np.random.Generator, finding: str, severity: float | None = None) -> Disease:
    """Draw place and, unless it is given, severity of one finding of `STAGED`."""
    chosen = float(rng.uniform(0.3, 1.0)) if severity is None else severity
    return Disease(finding, chosen, (float(rng.random()), float(rng.random()), float(rng.random())))


def fall_ill(patient: Patient, disease: Disease) -> Patient:
    """Return the patient with one disease more.

    Raises
    ------
    ValueError
        If the finding is not one of `STAGED`.
    """
    if disease.finding not in STAGED:
        raise ValueError(f"{disease.finding!r} has no place in space; known: {', '.join(STAGED)}")
    if disease.finding == FLUID:
        return _effuse(patient, disease)
    if disease.finding == HEART:
        return replace(patient, heart=patient.heart.scaled(1.2 + 0.5 * disease.severity))
    return replace(patient, foci=(*patient.foci, (disease.finding, _focus(patient, disease))))


def _effuse(patient: Patient, disease: Disease) -> Patient:
    right, left = patient.lungs
    fluid = 0.12 + 0.55 * disease.severity
    if disease.place[0] < 0.5:
        return replace(patient, lungs=(replace(right, fluid=fluid), left))
    return replace(patient, lungs=(right, replace(left, fluid=fluid)))


def _focus(patient: Patient, disease: Disease) -> Ellipsoid:
    side, height, depth = disease.place
    lung = patient.lungs[0 if side < 0.5 else 1]
    (x, y, z), (rx, ry, rz) = lung.air.centre, lung.air.radii
    angle = 2 * np.pi * ((2 * side) % 1.0)
    centre = (
        x + 0.55 * rx * float(np.cos(angle)),
        y + ry * (-0.6 + 1.0 * height),
        z + rz * (1.1 * depth - 0.55),
    )
    if disease.site == "behind heart":
        centre = (patient.heart.centre[0] - 0.02 + 0.02 * height, 0.61 + 0.04 * depth, 0.58 + 0.06 * depth)
    if disease.finding == FILLING:
        radius = 0.06 + 0.07 * disease.severity
        return Ellipsoid(centre, (radius, 0.8 * radius, 1.2 * radius), 4.0)
    radius = 0.03 + 0.045 * disease.severity
    return Ellipsoid(centre, (radius, radius, radius), 7.0)
