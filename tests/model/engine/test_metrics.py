"""What is covered: every metric and the bootstrap, against values by hand and slow direct definitions."""

from __future__ import annotations

import numpy as np
import pytest

from janus_med.evaluation.bootstrap import (
    Estimate,
    Figure,
    bootstrap,
    estimate_auroc,
    estimate_calibration,
    estimate_mean,
    macro,
    proportion,
    resample,
)
from janus_med.evaluation.metrics import (
    area_under_steps,
    auroc,
    calibration_error,
    contrast_to_noise,
    f1_score,
    overlap,
    overlap_at,
    rank_correlation,
    weighted_auroc,
    weighted_calibration_error,
)
from janus_med.evaluation.sections import Bar


def _slow_auroc(scores, labels) -> float:
    pairs = [
        1.0 if p > n else 0.5 if p == n else 0.0 for p in scores[labels == 1] for n in scores[labels == 0]
    ]
    return sum(pairs) / len(pairs)


def _slow_calibration(probabilities, labels) -> float:
    total = 0.0
    for index in range(15):
        inside = [
            i
            for i, p in enumerate(probabilities)
            if index / 15 <= p < (index + 1) / 15 or (p == 1 and index == 14)
        ]
        if inside:
            total += abs(sum(probabilities[i] - labels[i] for i in inside))
    return total / len(labels)


def test_auroc_of_four_films_by_hand() -> None:
    scores, labels = np.array([0.1, 0.4, 0.4, 0.8]), np.array([0.0, 0.0, 1.0, 1.0])
    assert auroc(scores, labels) == pytest.approx(3.5 / 4)  # the tied pair counts half
    assert auroc(-scores, labels) == pytest.approx(0.5 / 4)


def test_auroc_with_ties_equals_the_count_of_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, labels = rng.integers(0, 6, 40) / 6, rng.integers(0, 2, 40).astype(float)
        assert auroc(scores, labels) == pytest.approx(_slow_auroc(scores, labels))


def test_auroc_without_one_label_is_not_told() -> None:
    assert np.isnan(auroc(np.array([0.2, 0.3]), np.array([1.0, 1.0])))
    assert np.isnan(auroc(np.zeros(0), np.zeros(0)))


def test_weights_count_an_image_as_often_as_it_was_drawn() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.integers(0, 5, 30) / 5, rng.integers(0, 2, 30).astype(float)
    weights = resample([str(index // 2) for index in range(30)], rng, 8)
    for drawn, area, error in zip(
        weights,
        weighted_auroc(scores, labels, weights),
        weighted_calibration_error(scores, labels, weights),
        strict=True,
    ):
        repeated = np.repeat(np.arange(30), drawn.astype(int))
        assert area == pytest.approx(_slow_auroc(scores[repeated], labels[repeated]))
        assert error == pytest.approx(_slow_calibration(scores[repeated], labels[repeated]))


def test_calibration_error_by_hand() -> None:
    probabilities, labels = np.array([0.9, 0.9, 0.9, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])
    assert calibration_error(probabilities, labels) == pytest.approx((0.7 + 0.1) / 4)


def test_overlaps_by_hand() -> None:
    heat = np.array([[0.9, 0.5], [0.2, 0.1]])
    mask = np.array([[True, False], [True, False]])
    assert overlap(heat, mask) == pytest.approx(1 / 3)  # the two hottest patches: one hit, one miss
    assert overlap_at(heat, mask, 0.8) == pytest.approx(1 / 2)
    assert overlap_at(heat, mask, 0.2) == pytest.approx(2 / 3)
    assert overlap(mask.astype(float), mask) == 1


def test_contrast_to_noise_by_hand() -> None:
    heat = np.array([[4.0, 2.0], [1.0, 0.0]])
    mask = np.array([[True, True], [False, False]])
    assert contrast_to_noise(heat, mask) == pytest.approx((3 - 0.5) / np.sqrt(1 + 0.25))
    assert contrast_to_noise(heat, ~mask) == pytest.approx(-(3 - 0.5) / np.sqrt(1 + 0.25))
    assert contrast_to_noise(np.ones((2, 2)), mask) == 0
    assert np.isnan(contrast_to_noise(heat, np.ones((2, 2), dtype=bool)))


def test_deletion_area_by_hand() -> None:
    areas = area_under_steps(np.array([0.0, 0.5, 1.0]), np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]))
    assert areas.tolist() == pytest.approx([0.25, 1.0])


def test_rank_correlation_with_ties_by_hand() -> None:
    assert rank_correlation(np.array([1, 2, 3]), np.array([10, 20, 400])) == pytest.approx(1)
    assert rank_correlation(np.array([1, 2, 3]), np.array([3, 2, 1])) == pytest.approx(-1)
    assert rank_correlation(np.array([1, 1, 2]), np.array([1, 2, 3])) == pytest.approx(np.sqrt(3) / 2)
    assert rank_correlation(np.ones(3), np.arange(3)) == 0


def test_f1_by_hand() -> None:
    stated, truth = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert f1_score(stated, truth, np.ones((1, 4))).tolist() == [0.5]
    assert f1_score(stated, truth, np.array([[2.0, 0, 1, 1]])).tolist() == pytest.approx([4 / 5])


def test_all_images_of_a_person_are_drawn_together() -> None:
    weights = resample(["a", "a", "b", "c"], np.random.default_rng(0), 50)
    assert np.array_equal(weights[:, 0], weights[:, 1])
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert len(np.unique(weights, axis=0)) > 5


def test_interval_covers_the_true_mean_in_about_95_of_100_samples() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        figure = proportion(rng.random(60) < 0.3, rng)
        held += figure.low <= 0.3 <= figure.high
    assert 178 <= held <= 198


def test_interval_of_an_auroc_covers_its_true_value() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(80) % 2.0
    held = 0
    for _ in range(100):
        scores = rng.normal(0, 1, 80) + labels  # true area: Phi(1 / sqrt 2)
        figure = estimate_auroc(scores, labels, resample(np.arange(80), rng, 200)).figure
        held += figure.low <= 0.7602 <= figure.high
    assert 88 <= held <= 99


def test_interval_of_a_calibration_error_holds_its_value() -> None:
    rng = np.random.default_rng(4)
    probabilities = rng.random(50)
    labels = (rng.random(50) < probabilities).astype(float)
    figure = estimate_calibration(probabilities, labels, resample(np.arange(50), rng)).figure
    assert 0 <= figure.low <= figure.value <= figure.high


def test_unknown_labels_count_nothing() -> None:
    rng = np.random.default_rng(5)
    scores, labels = rng.random(20), np.where(np.arange(20) < 4, np.nan, np.arange(20) % 2.0)
    weights = resample(np.arange(20), rng, 50)
    figure = estimate_auroc(scores, labels, weights).figure
    assert figure.count == 16
    assert figure.value == pytest.approx(auroc(scores[4:], labels[4:]))


def test_difference_with_itself_is_exactly_nothing() -> None:
    weights = resample(np.arange(30), np.random.default_rng(6), 50)
    one = estimate_mean(np.arange(30) % 3 == 0, weights)
    assert (one - one).figure == Figure(0.0, 0.0, 0.0, 10, 30)
    assert (one / one).figure.low == (one / one).figure.high == 1


def test_macro_leaves_out_what_cannot_be_told() -> None:
    drawn = np.array([[0.2, 0.4], [0.6, 0.8]])
    nothing = Estimate(float("nan"), np.full(2, np.nan), 0, 5)
    mean = macro([Estimate(0.3, drawn[0], 1, 5), Estimate(0.7, drawn[1], 1, 5), nothing])
    assert mean.value == pytest.approx(0.5)
    assert mean.drawn.tolist() == pytest.approx([0.4, 0.6])
    assert np.isnan(macro([nothing]).value)


def test_nothing_measured_is_not_a_number() -> None:
    assert np.isnan(bootstrap(lambda drawn: drawn.sum(axis=1), np.ones((5, 0))).value)


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.95, 0.92, 0.97, "met"),
        (0.91, 0.85, 0.95, "met, interval crosses the bar"),
        (0.89, 0.85, 0.95, "missed, interval crosses the bar"),
        (0.5, 0.4, 0.6, "missed"),
        (float("nan"), float("nan"), float("nan"), "not measured"),
    ],
)
def test_verdict_compares_value_and_interval_with_the_bar(value, low, high, verdict) -> None:
    assert Bar("x", Figure(value, low, high, 1, 2), least=0.9).verdict == verdict


def test_bar_of_nothing_more_than_chance_is_missed_at_its_bound() -> None:
    figure = Figure(0.0, 0.0, 0.0, 1, 2)
    assert Bar("x", figure, least=0.0, strict=True).verdict == "missed"
    assert Bar("x", figure, least=0.0).verdict == "met"
    assert Bar("x", Figure(0.93, 0.93, 0.93, 1, 2), 0.88, 0.92).verdict == "missed"
    assert Bar("x", figure, 0.88, 0.92).asked == ">= 0.88 and <= 0.92"
