"""Figures of `bench.decoupling`: what an arm said of the test films against what is true of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.arms import DRAWS_SEED, is_enough
from bench.film_pools import Films, join
from bench.two_heads import true_answers
from janus_med.evaluation.bootstrap import Estimate, bootstrap, estimate_auroc, estimate_mean, macro, resample
from janus_med.evaluation.drafts import with_parents
from janus_med.evaluation.metrics import f1_score
from janus_med.reading import FINDINGS


@dataclass(frozen=True, eq=False)
class Said:
    """Of M films: logits of the answers (M, K, 3), facts the text states (M, K) bool, nats of the true text
    (M,).
    """

    answers: np.ndarray
    stated: np.ndarray
    nats: np.ndarray


def figures(said: Mapping[str, Said], films: Mapping[str, Films]) -> dict[str, Estimate]:
    """Every figure over both test sets, and over each apart; persons are drawn alike whoever said it."""
    sets = {name: (one, films[name]) for name, one in said.items()}
    both = Said(
        *(
            np.concatenate([getattr(one, key) for one in said.values()])
            for key in vars(next(iter(said.values())))
        )
    )
    sets = {"all": (both, join([films[name] for name in said]))} | sets
    return {
        f"{figure}, {name}": one for name, (s, f) in sets.items() for figure, one in _figures(s, f).items()
    }


def _figures(said: Said, films: Films) -> dict[str, Estimate]:
    weights = resample(films.persons, np.random.default_rng(DRAWS_SEED))
    truth = true_answers(films.labels, films.masks)
    asked = [index for index in np.ndindex(truth.shape[1:]) if is_enough(truth[:, *index])]
    return {
        "questions, balanced accuracy": macro(
            [balanced_accuracy(said.answers[:, *one] > 0, truth[:, *one], weights) for one in asked]
        ),
        "questions, AUROC": macro(
            [estimate_auroc(said.answers[:, *one], truth[:, *one], weights) for one in asked]
        ),
        "report, macro-F1 of facts": macro_f1(said.stated, films.labels, weights),
        "report, nats of the true text": estimate_mean(said.nats, weights),
    }


def balanced_accuracy(said: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> Estimate:
    """Estimate the mean of sensitivity and specificity of (M,) answers; NaN truths are not asked."""
    known = ~np.isnan(truth)
    said, yes, weights = said[known], truth[known] == 1, weights[:, known]

    def statistic(drawn: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return (drawn @ (said & yes) / (drawn @ yes) + drawn @ (~said & ~yes) / (drawn @ ~yes)) / 2

    return bootstrap(statistic, weights, int(yes.sum()))


def macro_f1(stated: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Estimate:
    """Estimate the mean F1 of the findings with enough films, a child of the hierarchy stating its parent."""
    stated, truth = with_parents(stated), with_parents(labels == 1)
    return macro(
        [
            bootstrap(
                lambda drawn, k=k, known=known: f1_score(stated[known, k], truth[known, k], drawn),
                weights[:, known],
            )
            for k in range(1, len(FINDINGS))
            if is_enough(truth[known := ~np.isnan(labels[:, k]), k])
        ]
    )


def baselines(films: Mapping[str, Films], tests: tuple[str, ...] = ("trained", "unseen")) -> dict[str, float]:
    """F1 of one and the same report for every film: all findings, or the most frequent of the learnt films.

    One answer to a question for every film has a balanced accuracy and an AUROC of one half by definition.
    """
    judged = join([films[name] for name in tests])
    weights = np.ones((1, len(judged)))
    order = np.argsort(-(films["learn"].labels[:, 1:] == 1).sum(0)) + 1
    found = {"questions, one answer for every film": 0.5}
    for name, chosen in {
        "all findings": order,
        "the most frequent": order[:1],
        "the three most frequent": order[:3],
    }.items():
        stated = np.zeros(judged.labels.shape, dtype=bool)
        stated[:, chosen] = True
        found[f"report, {name} for every film"] = macro_f1(stated, judged.labels, weights).value
    return found
