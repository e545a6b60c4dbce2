"""Scores of the rivals on the model's own films: gradients, grey levels, and the mere name of the subset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.evaluation.baselines import describe, fit_rival, grey_histogram, hog
from janus_med.evaluation.films import inserted_films

if TYPE_CHECKING:
    from janus_med.evaluation.films import FilmSet
    from janus_med.evaluation.measure import Exam
    from janus_med.training.data import Case, Part

DESCRIPTIONS = {"HOG": hog, "grey levels": grey_histogram}


def rival_scores_real(exam: Exam) -> dict[str, np.ndarray]:
    """Train on the labelled training films, choose the penalty on the calibration films, and score the
    validation films.

    Returns
    -------
    dict of str to ndarray
        (M, K) by name, in the order of ``exam.real``. ``subset alone`` gives every film the share of its
        subset's training films that show the finding: what a model scores that only tells the subsets apart.
    """
    parts: dict[Part, list[int]] = {part: _labelled(exam, part) for part in ("train", "calibration", "val")}
    labels = {part: np.stack([exam.store.cases[i].labels for i in chosen]) for part, chosen in parts.items()}
    scores = {}
    for name, describe_one in DESCRIPTIONS.items():
        features = {
            part: describe([exam.store.grey(i) for i in chosen], describe_one, exam.cache)
            for part, chosen in parts.items()
        }
        rival = fit_rival(
            (features["train"], labels["train"]), (features["calibration"], labels["calibration"])
        )
        scores[name] = rival.scores(features["val"])
    return scores | {"subset alone": _subset_alone(exam, parts["train"], parts["val"])}


def _labelled(exam: Exam, part: Part) -> list[int]:
    return exam.store.indices(lambda case: case.part == part and case.labelled)


def _subset_alone(exam: Exam, train: list[int], val: list[int]) -> np.ndarray:
    by_subset: dict[str, list[np.ndarray]] = {}
    for index in train:
        by_subset.setdefault(_subset(exam.store.cases[index]), []).append(exam.store.cases[index].labels)
    shares = {
        name: (np.nansum(rows, axis=0) + 1) / ((~np.isnan(rows)).sum(axis=0) + 2)
        for name, rows in by_subset.items()
    }
    even = np.full(len(exam.store.cases[val[0]].labels), 0.5)
    return np.stack([shares.get(_subset(exam.store.cases[index]), even) for index in val])


def _subset(case: Case) -> str:
    return f"{case.source}/{case.subset}"


def rival_scores_inserted(exam: Exam, films: dict[str, FilmSet]) -> dict[str, np.ndarray]:
    """Train HOG on training films with lesions of the trained brush and score validation films (M, K)."""
    count = exam.effort.rival
    features, labels = {}, {}
    for part, size in (("train", count), ("calibration", count // 3)):
        drawn = inserted_films(exam.store, exam.grid, "trained", size, exam.seed + 1, part).samples  # type: ignore[arg-type]
        features[part] = np.stack([hog(sample.grey) for sample in drawn])
        labels[part] = np.stack([sample.labels for sample in drawn])
    rival = fit_rival((features["train"], labels["train"]), (features["calibration"], labels["calibration"]))
    return {
        brush: rival.scores(np.stack([hog(sample.grey) for sample in chosen.samples]))
        for brush, chosen in films.items()
    }
