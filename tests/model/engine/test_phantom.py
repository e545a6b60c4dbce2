"""What is covered: the virtual patients are deterministic, physical, and labelled where they say.

What is not: whether they look like people (they are for testing programs, not for clinical claims), and a
broken rib, whose step is below the noise of a film.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from janus_med.reading import CHANGES, FINDINGS
from janus_med.training.lesions import BRUSHES
from janus_med.training.phantom import draw_film
from janus_med.training.phantom_beam import Exposure, Pose, aim, cross, expose, project
from janus_med.training.phantom_patient import (
    FLUID,
    NODULES,
    STAGED,
    Disease,
    draw_patient,
    fall_ill,
)
from janus_med.training.phantom_series import draw_sequence, draw_volume
from janus_med.training.phantom_studies import draw_pair, draw_views, hidden_nodule

LESION, EFFUSION = FINDINGS.index(NODULES), FINDINGS.index(FLUID)


@pytest.mark.parametrize("scanner", ["first", "second"])
def test_film_repeats_with_its_seed_and_differs_with_another(scanner) -> None:
    first, again, other = (draw_film(seed, 64, scanner) for seed in (5, 5, 6))
    assert np.array_equal(first.grey, again.grey)
    assert np.array_equal(first.labels, again.labels, equal_nan=True)
    assert np.array_equal(first.masks, again.masks, equal_nan=True)
    assert not np.array_equal(first.grey, other.grey)


@pytest.mark.parametrize("scanner", ["first", "second"])
@pytest.mark.parametrize("finding", [name for name in BRUSHES if name != "Fracture"])
def test_inserted_finding_is_labelled_and_changes_the_film_more_inside_its_mask(
    scanner, finding: str
) -> None:
    inside, outside = [], []
    size = 160 if finding == "Support Devices" else 64  # lines are thinner than a pixel of 64
    for seed in range(3):
        ill = draw_film(seed, size, scanner, findings=(finding,))
        mask = ill.masks[FINDINGS.index(finding)] > 0
        assert ill.labels[FINDINGS.index(finding)] == 1
        assert 0 < mask.mean() < 0.7
        healthy = draw_film(seed, size, scanner, findings=())
        changed = np.abs(ill.grey - healthy.grey)
        inside.append(changed[mask].mean())
        outside.append(changed[~mask].mean())
    assert np.mean(inside) > np.mean(outside)


def test_healthy_film_is_labelled_no_finding_alone() -> None:
    film = draw_film(3, 64, findings=())
    assert film.labels[0] == 1
    assert film.labels[1:].sum() == 0
    assert np.nan_to_num(film.masks).sum() == 0


def test_opacity_leaves_pneumonia_unknown() -> None:
    film = draw_film(3, 64, findings=("Consolidation",))
    assert np.isnan(film.labels[FINDINGS.index("Pneumonia")])
    assert film.labels[0] == 0


def test_beam_through_a_sphere_is_its_chord() -> None:
    sphere = replace(draw_patient(np.random.default_rng(0)).heart, centre=(0.5,) * 3, radii=(0.2,) * 3)
    rays = aim("frontal", 101, Pose())
    thickness = cross(sphere, rays)
    assert thickness[50, 50] == pytest.approx(sphere.density * 0.4, rel=1e-5)
    off = rays.across[50, 60] - 0.5
    assert thickness[50, 60] == pytest.approx(2 * sphere.density * np.sqrt(0.04 - off**2), rel=1e-4)
    assert thickness[0, 0] == 0


def test_lesion_adds_the_same_thickness_but_shows_less_where_the_film_is_white() -> None:
    patient = draw_patient(np.random.default_rng(1))
    rays, exposure = aim("frontal", 96, Pose()), Exposure(photons=1e12, scatter=0.0)
    healthy = project(patient, rays)

    def contrast(disease: Disease) -> float:
        ill = project(fall_ill(patient, disease), rays)
        assert (ill - healthy).max() == pytest.approx(2 * 0.075 * 7.0, rel=0.02)
        films = [expose(thickness, exposure, np.random.default_rng(0)) for thickness in (ill, healthy)]
        return float((films[0] - films[1]).max())

    in_lung = contrast(Disease(NODULES, 1.0, (0.1, 0.3, 0.5)))
    behind_heart = contrast(Disease(NODULES, 1.0, (0.1, 0.3, 0.5), "behind heart"))
    assert in_lung > 4 * behind_heart


def test_finding_without_a_place_in_space_is_refused() -> None:
    with pytest.raises(ValueError, match="Edema"):
        fall_ill(draw_patient(np.random.default_rng(0)), Disease("Edema", 1.0, (0.0, 0.0, 0.0)))


def test_hidden_nodule_shows_on_the_lateral_alone() -> None:
    lateral, frontal = [], []
    for seed in range(10):
        ill = draw_views(seed, 64, hidden_nodule(np.random.default_rng(seed)))
        healthy = draw_views(seed, 64, healthy=True)
        assert ill.labels[LESION] == 1
        assert not ill.masks[LESION, 0].any()
        assert ill.masks[LESION, 1].any()
        changed = np.abs(ill.images - healthy.images)
        frontal.append(changed[0].max())
        lateral.append(changed[1][ill.masks[LESION, 1]].max())
    assert np.mean(lateral) > 4 * np.mean(frontal)


@pytest.mark.parametrize("finding", STAGED)
def test_severity_orders_the_masks_of_a_pair(finding: str) -> None:
    for seed in range(6):
        worse = draw_pair(seed, 96, finding, "worse")
        now, before = (worse.masks[FINDINGS.index(finding), index].sum() for index in (0, 1))
        assert now > before > 0
        assert CHANGES[worse.change[FINDINGS.index(finding)] - 1] == "worse"


def test_swapped_pair_is_the_same_two_films_the_other_way_round() -> None:
    pair, swapped = draw_pair(4, 64, FLUID, "worse"), draw_pair(4, 64, FLUID, "worse", swapped=True)
    assert np.array_equal(pair.images, swapped.images[::-1])
    assert np.array_equal(pair.masks[EFFUSION], swapped.masks[EFFUSION, ::-1])


def test_gone_and_new_differ_in_what_is_present_now() -> None:
    gone, new = draw_pair(4, 64, FLUID, "gone"), draw_pair(4, 64, FLUID, "new")
    assert (gone.labels[EFFUSION], new.labels[EFFUSION]) == (0, 1)
    assert (CHANGES[gone.change[EFFUSION] - 1], CHANGES[new.change[EFFUSION] - 1]) == ("better", "new")


def test_nodule_of_a_volume_is_in_the_slices_its_mask_names_and_nowhere_else() -> None:
    ill, healthy = (draw_volume(7, 64, at=5, healthy=state) for state in (False, True))
    differing = np.abs(ill.images - healthy.images).max(axis=(1, 2)) > 0.02
    shown = ill.masks[LESION].any(axis=(1, 2))
    assert shown[5]
    assert 1 <= shown.sum() <= 4
    assert (differing >= shown).all()
    assert differing.sum() <= shown.sum() + 2
    assert not healthy.masks.any()


def test_migrating_and_swinging_catheter_pass_through_the_same_places() -> None:
    moves = [draw_sequence(11, 64, paradox=False, migrating=flag) for flag in (True, False)]
    means = [one.images.mean(axis=0) for one in moves]
    assert np.abs(means[0] - means[1]).mean() < 0.02
    assert not np.allclose(moves[0].images[1], moves[1].images[1], atol=0.05)
    assert [list(one.motion) for one in moves] == [[0, 1], [0, 0]]


@pytest.mark.parametrize("draw", [draw_views, draw_pair, draw_volume, draw_sequence])
def test_study_repeats_with_its_seed(draw) -> None:
    assert np.array_equal(draw(9, 64).images, draw(9, 64).images)
