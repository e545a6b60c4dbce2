"""The first scanner: parallel rays through the virtual patient, Beer-Lambert attenuation, photon noise, a
sigmoid tone curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from janus_med.training.anatomy import LungFields, blur

if TYPE_CHECKING:
    from janus_med.training.phantom_patient import Ellipsoid, Lung, Patient

View = Literal["frontal", "lateral"]

ACROSS: dict[View, int] = {"frontal": 0, "lateral": 2}
"""The axis along the columns of a film; the beam goes along the other one of x and z."""

SOFT = 0.012
"""Width of a surface, a share of the field: nothing in a body has an edge of one pixel."""


@dataclass(frozen=True)
class Pose:
    """How a patient stands before the detector: shifts and scale in shares of the field, turn in radians."""

    down: float = 0.0
    aside: float = 0.0
    scale: float = 1.0
    turn: float = 0.0


@dataclass(frozen=True, eq=False)
class Rays:
    """One ray a pixel: ``rows`` and ``across`` are (S, S) float32 positions in the patient's coordinates."""

    view: View
    rows: np.ndarray
    across: np.ndarray


@dataclass(frozen=True)
class Exposure:
    """How one film was taken.

    Attributes
    ----------
    photons
        Per pixel behind nothing; fewer are noisier.
    scatter
        Share of the light that forgets where it came from.
    centre, width
        Of the sigmoid over optical thickness: what is far above ``centre`` is white all over.
    """

    photons: float = 2e4
    scatter: float = 0.02
    centre: float = 1.8
    width: float = 0.45


def draw_pose(rng: np.random.Generator, reach: float = 1.0) -> Pose:
    """Draw how the patient stands; ``reach`` scales the differences."""
    down, aside, turn = rng.uniform(-1, 1, 3) * (0.03, 0.03, 0.06) * reach
    return Pose(float(down), float(aside), 1.0 + float(rng.uniform(-0.06, 0.06)) * reach, float(turn))


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """Draw how the film is taken."""
    return Exposure(
        float(np.exp(rng.uniform(np.log(5e3), np.log(5e4)))),
        float(rng.uniform(0.01, 0.04)),
        float(rng.uniform(1.6, 2.0)),
        float(rng.uniform(0.4, 0.55)),
    )


def aim(view: View, size: int, pose: Pose) -> Rays:
    """Lay one ray through each of (size, size) pixels."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    rows, across = steps[:, None] - pose.down, steps[None, :] - pose.aside
    cos, sin = np.cos(pose.turn) / pose.scale, np.sin(pose.turn) / pose.scale
    return Rays(
        view,
        np.asarray(cos * rows - sin * across + 0.5, dtype=np.float32),
        np.asarray(sin * rows + cos * across + 0.5, dtype=np.float32),
    )


def cross(solid: Ellipsoid, rays: Rays) -> np.ndarray:
    """Return the (S, S) optical thickness of a solid along each ray."""
    axis = ACROSS[rays.view]
    rows = (rays.rows - solid.centre[1]) / solid.radii[1]
    across = (rays.across - solid.centre[axis]) / solid.radii[axis]
    chord = 2 * solid.radii[2 - axis] * np.sqrt(np.clip(1 - rows**2 - across**2, 0, None))
    return np.asarray(solid.density * chord, dtype=np.float32)


def _rise(values: np.ndarray) -> np.ndarray:
    """Return a smooth step from 0 to 1 over `SOFT`."""
    return 1 / (1 + np.exp(-np.clip(values / SOFT, -30, 30)))


def cross_lung(lung: Lung, rays: Rays) -> tuple[np.ndarray, np.ndarray]:
    """Return what the air of a lung takes away, and what fluid in its place gives back: (S, S) each."""
    axis = ACROSS[rays.view]
    offset = (rays.across - lung.air.centre[axis]) / lung.air.radii[axis]
    open_air = cross(lung.air, rays) * _rise(lung.dome + 0.1 * offset**2 - rays.rows)
    if lung.fluid == 0:
        return open_air, np.zeros_like(open_air)
    filled = _rise(rays.rows + 0.08 * offset**2 - lung.level)
    return open_air * (1 - filled), -open_air * filled


def project(patient: Patient, rays: Rays) -> np.ndarray:
    """Return the (S, S) optical thickness of the whole patient."""
    thickness = cross(patient.body, rays)
    for lung in patient.lungs:
        thickness += cross_lung(lung, rays)[0]
    for solid in (patient.heart, *patient.organs, *(focus for _, focus in patient.foci)):
        thickness += cross(solid, rays)
    return thickness + _cross_ribs(patient, rays) + _cross_vessels(patient, rays)


def _cross_ribs(patient: Patient, rays: Rays) -> np.ndarray:
    spacing, phase, slope, thickness = patient.ribs
    fall = slope * np.abs(rays.across - 0.5) ** 1.5 if rays.view == "frontal" else 0.5 * slope * rays.across
    wave = np.cos(2 * np.pi * ((rays.rows - fall) / spacing + phase))
    inside = (rays.rows > 0.12) & (rays.rows < 0.82) & (np.abs(rays.across - 0.5) < 0.37)
    return np.asarray(thickness * np.clip((wave - 0.45) / 0.55, 0, None) * inside, dtype=np.float32)


def _cross_vessels(patient: Patient, rays: Rays) -> np.ndarray:
    total = np.zeros_like(rays.rows)
    for angle, length, width, thickness, side in patient.vessels.tolist():
        hilum = 0.5 + 0.1 * side if rays.view == "frontal" else 0.5
        cos, sin = math.cos(angle), math.sin(angle)
        rows, across = rays.rows - 0.46, (rays.across - hilum) * side
        along = across * (cos / length) + rows * (sin / length)  # 0 at the hilum, 1 at the tip
        beside = (rows * cos - across * sin) / width
        total += thickness * np.clip(1 - along, 0, 1) * (along > 0) / (1 + beside**2) ** 2
    return total


def find_fields(patient: Patient, rays: Rays) -> LungFields:
    """Return where lung shows in a frontal film; fluid counts as lung."""
    masks = []
    for lung in patient.lungs:
        air, fluid = cross_lung(lung, rays)
        masks.append((fluid - air) > 0.25)
    return LungFields(*masks)


def expose(thickness: np.ndarray, exposure: Exposure, rng: np.random.Generator) -> np.ndarray:
    """Take a film of (S, S) optical thickness: (S, S) float32 in [0, 1], white = dense, not equalised."""
    light = np.exp(-thickness)
    light = (1 - exposure.scatter) * light + exposure.scatter * blur(light, max(1, len(light) // 12))
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    light = np.clip(light + noise * np.sqrt(light / exposure.photons), 1e-4, None)
    steep = np.clip((-np.log(light) - exposure.centre) / exposure.width, -30, 30)
    return np.asarray(1 / (1 + np.exp(-steep)), dtype=np.float32)
