"""Inserted lesions and decoys on held-out films: is disease told apart from what is none?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from janus_med.evaluation.bootstrap import Estimate, estimate_auroc, estimate_mean, macro
from janus_med.evaluation.films import decoy_films
from janus_med.evaluation.measure import ask
from janus_med.evaluation.rivals import rival_scores_inserted
from janus_med.evaluation.sections import Bar, Section, beside
from janus_med.evaluation.tables import figures_table, measures_table
from janus_med.reading import FINDINGS

if TYPE_CHECKING:
    from janus_med.evaluation.measure import Exam, Said
    from janus_med.model import MedicalJanus

LEAST = {"trained": 0.90, "unseen": 0.80}
LEAST_SPECIFICITY = 0.95
NO_DISEASE = frozenset({"No Finding", "Support Devices"})
"""A film that is called normal may hold a device that its label does not know."""

_TEXT = """Disease drawn as attenuation into validation films labelled free of findings ({films} films a
brush, of {persons} persons). Half of the films carry one finding, a quarter two or three, a quarter none;
two in five carry a decoy. The unseen brush draws the same disease by another recipe and was never trained
with. `HOG` is the gradient baseline, trained on {rival} training films with lesions of the trained brush.
Positives are in brackets. A high figure says that the model knows the brush, not the disease.
"""

_DECOYS = """Decoys: {count} films called normal, each with a smoothed patch, a shadow outside the lungs, a
printed marker or a skin fold. A judgement (one film, one disease) is right unless it is `present`; a film
is right when no judgement of it is wrong.
"""


def examine_inserted(exam: Exam) -> Section:
    """Measure detection of inserted lesions and specificity on decoys."""
    rivals = rival_scores_inserted(exam, {brush: said.films for brush, said in exam.brushes.items()})
    areas, hog_areas = {}, {}
    for brush, said in exam.brushes.items():
        areas[brush] = finding_areas(said, said.probabilities)
        hog_areas[brush] = finding_areas(said, rivals[brush])
    columns = {}
    for brush, found in areas.items():
        columns[f"{brush} brush"] = {name: one.figure for name, one in found.items()}
        columns[f"{brush}, HOG"] = {name: one.figure for name, one in hog_areas[brush].items()}
    decoys = examine_decoys(exam)
    text = _TEXT.format(
        films=exam.effort.inserted, persons=len(set(exam.trained.films.persons)), rival=exam.effort.rival
    )
    specificity = {name: {key: one.figure for key, one in rows.items()} for name, rows in decoys.items()}
    parts = [
        text,
        figures_table(columns, mean=True),
        _DECOYS.format(count=exam.effort.decoys),
        measures_table(specificity, mean=False),
    ]
    bars = [
        Bar(
            f"Inserted lesions, {brush} brush: macro AUROC",
            macro(list(areas[brush].values())).figure,
            LEAST[brush],
            baselines=beside({"HOG": macro(list(hog_areas[brush].values())), "chance": 0.5}),
        )
        for brush in areas
    ]
    judgements = {name: rows["judgements not called present"] for name, rows in decoys.items()}
    bars.append(
        Bar(
            "Decoys not called disease: specificity of `present`, a judgement",
            judgements["with decoy"].figure,
            LEAST_SPECIFICITY,
            baselines=f"same films without decoy {judgements['without decoy'].value:.3f}; whole films with "
            f"decoy {decoys['with decoy']['films without any disease present'].value:.3f}",
        )
    )
    figures = {f"inserted_{brush}": columns[f"{brush} brush"] for brush in areas} | {"decoys": specificity}
    return Section(
        "inserted",
        "Inserted lesions and decoys",
        "\n\n".join(parts),
        figures,
        tuple(bars),
        figures_table({name: rows for name, rows in columns.items() if "HOG" not in name}, mean=True),
    )


def finding_areas(said: Said, scores: np.ndarray) -> dict[str, Estimate]:
    """Return the area under the curve of scores (M, K) for each finding that both labels have."""
    estimates = {
        name: estimate_auroc(scores[:, index], said.labels[:, index], said.weights)
        for index, name in enumerate(FINDINGS)
    }
    return {name: one for name, one in estimates.items() if not np.isnan(one.value)}


def examine_decoys(exam: Exam) -> dict[str, dict[str, Estimate]]:
    """Return the specificity with and without decoy, by judgement and by film."""
    changed, plain, persons = decoy_films(exam.store, exam.effort.decoys, exam.seed)
    weights = exam.weights(persons)
    rows = {}
    for name, films in (("with decoy", changed), ("without decoy", plain)):
        called = called_present(exam.model, ask(exam.model, films).probabilities)
        rows[name] = {
            "judgements not called present": estimate_mean(1 - called.mean(axis=1), weights),
            "films without any disease present": estimate_mean(np.logical_not(called.any(axis=1)), weights),
        }
    return rows


def called_present(model: MedicalJanus, probabilities: np.ndarray) -> np.ndarray:
    """Return whether each disease is decided ``present``: (M, 12) bool."""
    chosen = [index for index, name in enumerate(FINDINGS) if name not in NO_DISEASE]
    decisions = [model.calibration.decide(torch.from_numpy(row)) for row in probabilities]
    return np.array([[row[index] == "present" for index in chosen] for row in decisions])
