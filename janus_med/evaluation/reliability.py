"""Whether a probability can be believed: calibration error, coverage of the decisions, and what dropping the
least certain brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.calibration import ERROR_RATE, EVEN
from janus_med.evaluation.bootstrap import Estimate, bootstrap, estimate_calibration, macro
from janus_med.evaluation.films import FilmSet
from janus_med.evaluation.sections import Bar, Section, beside
from janus_med.evaluation.tables import figures_table, markdown_table
from janus_med.reading import FINDINGS
from janus_med.training.samples import Sampler, generator

if TYPE_CHECKING:
    from janus_med.evaluation.measure import Exam, Said
    from janus_med.model import MedicalJanus

MOST_ERROR = 0.05
NOMINAL, TOLERANCE = 1 - ERROR_RATE, 0.02
MOST_REMAINING = 0.75
KEPT = (1.0, 0.9, 0.8, 0.7, 0.5)

_TEXT = """The *mixture* is drawn from validation persons as the calibration films were from theirs: half
real films, half with inserted lesions ({films} films; intervals draw films). A probability is meant for
this mixture and for no clinic. Expected calibration error, 15 bins; it is biased upwards where films are
few. Positives are in brackets.
"""

_COVERAGE = """**Coverage.** A positive is covered unless it is called absent, a negative unless it is
called present; nominal {nominal:.0%}. Calibration never denies what is more likely than not and never
states what is less likely, so a threshold may stand at even odds; there the coverage may be higher than
nominal, and only the thresholds that conformal prediction itself set ({free} of {all}) can be held to it
from both sides.
"""

_SELECTIVE = """**Selective.** Share of wrong judgements (probability at least one half against the label,
one film and one finding each) among the most certain; the rival drops judgements at random, so its error
stays.
"""


def examine_reliability(exam: Exam) -> Section:
    """Measure calibration, coverage and selective error."""
    mixture = exam.confront(mixture_films(exam))
    sets = {"mixture": mixture, "real labels": exam.real} | {
        f"inserted, {name} brush": said for name, said in exam.brushes.items()
    }
    errors = {name: _errors(said) for name, said in sets.items()}
    means = {name: macro(list(rows.values())) for name, rows in errors.items()}
    guess = macro(list(_errors_of_prevalence(mixture).values()))
    coverage = {name: cover(exam.model, said) for name, said in sets.items()}
    selective = {name: [wrong_among(said, kept) for kept in KEPT] for name, said in sets.items()}
    decided = {
        name: {key: one.figure for key, one in decisions(exam.model, said).items()}
        for name, said in sets.items()
    }
    free = conformal_thresholds(exam.model)
    shown = {name: {key: one.figure for key, one in rows.items()} for name, rows in errors.items()}
    covered = {name: {key: one.figure for key, one in rows.items()} for name, rows in coverage.items()}
    parts = [
        _TEXT.format(films=exam.effort.mixture),
        figures_table(shown, mean=True),
        "**Decisions.** Each finding is present, absent or deferred to the reader.",
        figures_table(decided),
        _COVERAGE.format(nominal=NOMINAL, free=int(free.sum()), all=int(_fitted(exam.model).sum())),
        figures_table(covered),
        _SELECTIVE,
        markdown_table(
            ["kept", *selective],
            [
                [f"{kept:.0%}", *(str(rows[i].figure) for rows in selective.values())]
                for i, kept in enumerate(KEPT)
            ],
        ),
    ]
    figures = {"calibration": shown, "decisions": decided, "coverage": covered}
    figures["selective"] = {
        name: {f"{kept:.0%}": one.figure for kept, one in zip(KEPT, rows, strict=True)}
        for name, rows in selective.items()
    }
    every, certain = selective["mixture"][0], selective["mixture"][2]
    bars = (
        Bar(
            "Calibration: expected calibration error, mixture",
            means["mixture"].figure,
            most=MOST_ERROR,
            baselines=beside({"constant one half": guess, "real labels alone": means["real labels"]}),
        ),
        Bar(
            "Conformal coverage, thresholds set by conformal prediction",
            coverage["mixture"]["conformal"].figure,
            round(NOMINAL - TOLERANCE, 2),
            round(NOMINAL + TOLERANCE, 2),
            baselines=f"nominal {NOMINAL:g}",
        ),
        Bar(
            "Conformal coverage, all thresholds",
            coverage["mixture"]["all"].figure,
            round(NOMINAL - TOLERANCE, 2),
            baselines=f"nominal {NOMINAL:g}; deciding at one half {1 - every.value:.3f}",
        ),
        Bar(
            "Error left when the least certain 20 % are dropped, share of all",
            (certain / every).figure,
            most=MOST_REMAINING,
            baselines=beside({"dropping at random": 1, "error of all": every, "error left": certain}),
        ),
    )
    return Section("reliability", "Probabilities and decisions", "\n\n".join(parts), figures, bars)


def mixture_films(exam: Exam) -> FilmSet:
    """Draw validation films the way stage 3 draws calibration films; every film its own unit."""
    sampler = Sampler(exam.store, "val", exam.grid, inserted_share=0.5)
    rng = generator(exam.seed, "mixture", 0)
    samples = [sampler.draw(rng) for _ in range(exam.effort.mixture)]
    return FilmSet(samples, [str(index) for index in range(len(samples))], ["mixture"] * len(samples))


def _errors(said: Said) -> dict[str, Estimate]:
    found = {
        name: estimate_calibration(said.probabilities[:, index], said.labels[:, index], said.weights)
        for index, name in enumerate(FINDINGS)
    }
    return {name: one for name, one in found.items() if 0 < one.positives < one.count}


def _errors_of_prevalence(said: Said) -> dict[str, Estimate]:
    even = np.full(len(said.labels), EVEN)
    return {
        name: estimate_calibration(even, said.labels[:, FINDINGS.index(name)], said.weights)
        for name in _errors(said)
    }


def _fitted(model: MedicalJanus) -> np.ndarray:
    """Thresholds that exist, for positives and negatives: (2, K) bool."""
    calibration = model.calibration
    return np.stack([(calibration.absent_below >= 0).numpy(), (calibration.present_above <= 1).numpy()])


def conformal_thresholds(model: MedicalJanus) -> np.ndarray:
    """Return which thresholds conformal prediction set, not the guard at even odds: (2, K) bool, positives'
    first.
    """
    calibration = model.calibration
    free = np.stack([(calibration.absent_below < EVEN).numpy(), (calibration.present_above > EVEN).numpy()])
    return np.asarray(free & _fitted(model))


def cover(model: MedicalJanus, said: Said) -> dict[str, Estimate]:
    """Return coverage of positives, of negatives, of all, and of those that conformal thresholds decide."""
    called = np.array([model.calibration.decide(torch.from_numpy(row)) for row in said.probabilities])
    known = _fitted(model)
    positive, negative = (said.labels == 1) & known[0], (said.labels == 0) & known[1]
    right = np.where(positive, called != "absent", called != "present")
    free = conformal_thresholds(model)
    groups = {
        "positives": positive,
        "negatives": negative,
        "all": positive | negative,
        "conformal": (positive & free[0]) | (negative & free[1]),
    }
    return {name: _share(right, group, said.weights) for name, group in groups.items()}


def _share(right: np.ndarray, group: np.ndarray, weights: np.ndarray) -> Estimate:
    """Share of right judgements (M, K) in a group (M, K)."""
    if not group.any():
        return Estimate(float("nan"), np.full(len(weights), np.nan), 0, 0)
    rights, counts = (right & group).sum(axis=1), group.sum(axis=1)
    with np.errstate(invalid="ignore"):
        one = bootstrap(lambda drawn: (drawn @ rights) / (drawn @ counts), weights)
    return Estimate(one.value, one.drawn, int(rights.sum()), int(counts.sum()))


def wrong_among(said: Said, kept: float) -> Estimate:
    """Return the share of wrong judgements among the ``kept`` most certain ones."""
    certainty = np.where(np.isnan(said.labels), -1.0, np.abs(said.probabilities - EVEN))
    known = certainty >= 0
    level = np.quantile(certainty[known], 1 - kept) if known.any() else 0.0
    return _share(
        (said.probabilities >= EVEN) != (said.labels == 1), known & (certainty >= level), said.weights
    )


def decisions(model: MedicalJanus, said: Said) -> dict[str, Estimate]:
    """Return how often a finding with a known label is decided, and how often a decision is wrong."""
    called = np.array([model.calibration.decide(torch.from_numpy(row)) for row in said.probabilities])
    known = ~np.isnan(said.labels)
    decided = known & (called != "defer")
    wrong = (called == "present") != (said.labels == 1)
    return {
        "decided": _share(called != "defer", known, said.weights),
        "wrong among decided": _share(wrong, decided, said.weights),
    }
