"""What is covered: the rivals without a network learn what is there, and nothing from noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from janus_med.evaluation.baselines import describe, fit_rival, grey_histogram, hog, mean_auroc


def _striped(rng: np.random.Generator, *, upright: bool) -> np.ndarray:
    rows, columns = np.mgrid[:56, :56]
    wave = np.sin((columns if upright else rows) * 0.8 + rng.uniform(0, 6))
    return (0.5 + 0.2 * wave + rng.normal(0, 0.2, (56, 56))).astype(np.float32)


def _films(rng: np.random.Generator, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    labels = rng.integers(0, 2, (count, 2)).astype(
        np.float32
    )  # the first shows in the film, the second does not
    return [_striped(rng, upright=bool(label)) for label in labels[:, 0]], labels


def test_hog_tells_the_direction_of_an_edge() -> None:
    rows, columns = np.mgrid[:28, :28].astype(np.float32)
    cells = [hog(film / 28).reshape(13, 13, 4, 9) for film in (columns, rows)]
    assert np.argmax(cells[0].sum(axis=(0, 1, 2))) == 0  # the gradient points to the right: angle 0
    assert np.argmax(cells[1].sum(axis=(0, 1, 2))) in {4, 5}  # downwards: 90 degrees, between two bins
    assert hog(np.full((28, 28), 0.4)).max() == 0


def test_hog_does_not_see_brightness_or_contrast() -> None:
    film = _striped(np.random.default_rng(0), upright=True)
    assert np.allclose(hog(film), hog(0.5 * film + 0.3), atol=0.02)


def test_grey_histogram_sees_nothing_but_brightness() -> None:
    film = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    assert np.array_equal(grey_histogram(film), grey_histogram(film.T[::-1]))
    assert grey_histogram(film).sum() == pytest.approx(1)


def test_rival_learns_an_obvious_difference_and_not_noise() -> None:
    rng = np.random.default_rng(1)
    sets = []
    for count in (80, 40, 120):
        films, labels = _films(rng, count)
        sets.append((np.stack([hog(film) for film in films]), labels))
    rival = fit_rival(sets[0], sets[1])
    scores = rival.scores(sets[2][0])
    assert mean_auroc(scores[:, :1], sets[2][1][:, :1]) > 0.95
    assert abs(mean_auroc(scores[:, 1:], sets[2][1][:, 1:]) - 0.5) < 0.15


def test_rival_equals_a_plain_logistic_regression() -> None:
    """The span of the training films holds the optimum: no direction of the gradient is left."""
    rng = np.random.default_rng(2)
    features, labels = rng.normal(size=(30, 50)), rng.integers(0, 2, (30, 1)).astype(float)
    rival = fit_rival((features, labels), (features, labels))
    scale = rival.scale * np.sqrt(50)
    probabilities = 1 / (1 + np.exp(-rival.scores(features)))
    weights = rival.weights * np.sqrt(50)
    gradient = ((features - rival.mean) / scale).T @ (probabilities - labels) + rival.penalty * weights
    assert np.abs(gradient).max() < 1e-3


def test_unknown_labels_do_not_move_the_rival() -> None:
    rng = np.random.default_rng(3)
    features, labels = rng.normal(size=(40, 5)), rng.integers(0, 2, (40, 1)).astype(float)
    masked = np.concatenate([labels, np.full((40, 1), np.nan)])
    other = fit_rival((np.concatenate([features, features]), masked), (features, labels))
    one = fit_rival((features, labels), (features, labels))
    assert np.allclose(one.scores(features).argsort(axis=0)[-5:], other.scores(features).argsort(axis=0)[-5:])


def test_features_are_kept_under_the_digest_of_their_films(tmp_path: Path) -> None:
    films = [np.random.default_rng(seed).random((28, 28)).astype(np.float32) for seed in range(3)]
    first = describe(films, hog, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert np.array_equal(describe(films, hog, tmp_path), first)
    assert not np.array_equal(describe(films[::-1], hog, tmp_path), first)
    assert len(list(tmp_path.iterdir())) == 2
