"""Studies of more than one image of the same virtual patient: two views, two dates, slices, frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from janus_med.preprocessing import equalise_contrast
from janus_med.reading import CHANGES, FINDINGS, MOTIONS
from janus_med.training.attenuation import VISIBLE
from janus_med.training.phantom import healthy_truth, note
from janus_med.training.phantom_beam import aim, cross, cross_lung, draw_exposure, draw_pose, expose, project
from janus_med.training.phantom_patient import (
    FILLING,
    FLUID,
    HEART,
    NODULES,
    STAGED,
    Disease,
    Patient,
    draw_disease,
    draw_patient,
    fall_ill,
)

if TYPE_CHECKING:
    from janus_med.training.phantom_beam import Rays, View

Course = Literal["new", "stable", "worse", "better", "gone", "never"]
COURSES: tuple[Course, ...] = ("new", "stable", "worse", "better", "gone", "never")

IMPLIED: dict[str, tuple[str, ...]] = {
    HEART: (HEART, "Enlarged Cardiomediastinum"),
    FILLING: (FILLING, "Lung Opacity"),
    NODULES: (NODULES,),
    FLUID: (FLUID,),
}


@dataclass(frozen=True, eq=False)
class PhantomStudy:
    """M images of one patient.

    Attributes
    ----------
    images
        (M, S, S) float32 in [0, 1]. Of a pair in time the current film first, of two views the frontal one.
    labels
        (14,) float32 of 0, 1, NaN: what the patient has now.
    masks
        (14, M, S, S) bool, where each image shows it.
    change
        (14,) int64: 0 in neither film, otherwise 1 + the index in `CHANGES`.
    motion
        (J,) float32 of 0 and 1 in the order of `MOTIONS`.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    change: np.ndarray
    motion: np.ndarray


def collect(
    images: np.ndarray, diseases: tuple[Disease, ...] = (), shown: tuple[np.ndarray, ...] = ()
) -> PhantomStudy:
    """Make a study of (M, S, S) images; ``shown`` has one (M, S, S) bool for each disease."""
    labels, _ = healthy_truth(1)
    masks = np.zeros((len(FINDINGS), *images.shape), dtype=bool)
    for disease, mask in zip(diseases, shown, strict=True):
        names = IMPLIED[disease.finding]
        note(labels, np.zeros((len(FINDINGS), 1, 1), np.float32), names, np.ones((1, 1), dtype=bool))
        for name in names:
            masks[FINDINGS.index(name)] |= mask
    change, motion = np.zeros(len(FINDINGS), np.int64), np.zeros(len(MOTIONS), np.float32)
    return PhantomStudy(images.astype(np.float32), labels, masks, change, motion)


def take_film(patient: Patient, view: View, size: int, rng: np.random.Generator) -> tuple[np.ndarray, Rays]:
    """Take one film with a position and an exposure of its own; (S, S) equalised, and its rays."""
    rays = aim(view, size, draw_pose(rng, 0.7))
    return equalise_contrast(expose(project(patient, rays), draw_exposure(rng), rng)), rays


def show_disease(patient: Patient, disease: Disease, rays: Rays) -> np.ndarray:
    """Return (S, S) bool where a disease of the patient lies in the beam."""
    if disease.finding == FLUID:
        return np.asarray(sum(cross_lung(lung, rays)[1] for lung in patient.lungs) > VISIBLE)
    if disease.finding == HEART:
        return np.asarray(cross(patient.heart, rays) > VISIBLE)
    foci = [cross(focus, rays) for finding, focus in patient.foci if finding == disease.finding]
    return np.asarray(sum(foci) > VISIBLE)


def draw_views(
    seed: int, size: int, disease: Disease | None = None, *, healthy: bool = False
) -> PhantomStudy:
    """Draw a frontal and a lateral film of one patient.

    Parameters
    ----------
    seed
        Decides all that is not given.
    size
        S.
    disease
        What the patient has; None draws: nothing, a nodule that only the lateral shows, or any of `STAGED`.
    healthy
        Draw none.

    Returns
    -------
    PhantomStudy
        M = 2.
    """
    rng = np.random.default_rng([seed, 2])
    patient = draw_patient(rng)
    drawn = _draw_view_disease(rng)
    chosen = () if healthy else (disease,) if disease is not None else drawn
    for one in chosen:
        patient = fall_ill(patient, one)
    frontal, frontal_rays = take_film(patient, "frontal", size, rng)
    lateral, lateral_rays = take_film(patient, "lateral", size, rng)
    shown = tuple(
        np.stack(
            [
                show_disease(patient, one, rays) & (one.site == "lung" or rays is lateral_rays)
                for rays in (frontal_rays, lateral_rays)
            ]
        )
        for one in chosen
    )
    return collect(np.stack([frontal, lateral]), chosen, shown)


def _draw_view_disease(rng: np.random.Generator) -> tuple[Disease, ...]:
    kind = rng.random()
    if kind < 0.4:
        return ()
    if kind < 0.75:
        return (hidden_nodule(rng),)
    return (draw_disease(rng, str(rng.choice(STAGED))),)


def hidden_nodule(rng: np.random.Generator) -> Disease:
    """Draw a nodule behind the heart, where a frontal film is white all over."""
    return replace(draw_disease(rng, NODULES, float(rng.uniform(0.5, 1.0))), site="behind heart")


def draw_pair(
    seed: int, size: int, finding: str | None = None, course: Course | None = None, *, swapped: bool = False
) -> PhantomStudy:
    """Draw two films of one patient at two dates, each with its own position, breath and exposure.

    Parameters
    ----------
    seed
        Decides all that is not given.
    size
        S.
    finding
        One of `STAGED`.
    course
        How it went from the earlier film to the current one.
    swapped
        Hand the two films over in the wrong order; the verdicts stay those of the right one.

    Returns
    -------
    PhantomStudy
        M = 2, the current film first; ``labels`` are of the current film.
    """
    rng = np.random.default_rng([seed, 3])
    name, drawn = str(rng.choice(STAGED)), COURSES[int(rng.integers(len(COURSES)))]
    name, chosen = finding or name, course or drawn
    before, now = _draw_severities(rng, chosen)
    healthy, disease = draw_patient(rng), draw_disease(rng, name, 1.0)
    films, shown = [], []
    for severity in (now, before):
        patient = _breathe(healthy, rng)
        staged = replace(disease, severity=max(severity, 0.01))
        patient = fall_ill(patient, staged) if severity else patient
        film, rays = take_film(patient, "frontal", size, rng)
        films.append(film)
        shown.append(show_disease(patient, staged, rays) if severity else np.zeros((size, size), dtype=bool))
    if swapped:
        films, shown = films[::-1], shown[::-1]
    present = (disease,) if now else ()
    study = collect(np.stack(films), present, (np.stack(shown),) * len(present))
    return _note_change(study, name, chosen)


def _draw_severities(rng: np.random.Generator, course: Course) -> tuple[float, float]:
    """Return severity before and now; what is there now never tells how it got there."""
    some, little, much = (float(rng.uniform(*ends)) for ends in ((0.4, 0.65), (0.08, 0.18), (0.9, 1.0)))
    table = {
        "new": (0.0, some),
        "stable": (some, some),
        "worse": (little, some),
        "better": (much, some),
        "gone": (some, 0.0),
        "never": (0.0, 0.0),
    }
    return table[course]


def _breathe(patient: Patient, rng: np.random.Generator) -> Patient:
    shift = float(rng.uniform(-0.012, 0.012))
    right, left = (replace(lung, dome=lung.dome + shift) for lung in patient.lungs)
    return replace(patient, lungs=(right, left))


def _note_change(study: PhantomStudy, name: str, course: Course) -> PhantomStudy:
    change = study.change.copy()
    if course != "never":
        verdict = 1 + CHANGES.index("better" if course == "gone" else course)
        for implied in IMPLIED[name]:
            change[FINDINGS.index(implied)] = verdict
    return replace(study, change=change)
