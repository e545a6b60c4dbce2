"""Whether probability and map hang on the lesion and on what was learnt: erase, delete, shuffle weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from janus_med.evaluation.bootstrap import Estimate, estimate_mean, macro
from janus_med.evaluation.films import erased_pairs
from janus_med.evaluation.measure import ask
from janus_med.evaluation.metrics import area_under_steps
from janus_med.evaluation.places import placed_in
from janus_med.evaluation.randomised import RANDOM_PAIRS, examine_randomised
from janus_med.evaluation.sections import Bar, Section, beside
from janus_med.evaluation.tables import markdown_table, measures_table
from janus_med.reading import FINDINGS
from janus_med.training.anatomy import blur

if TYPE_CHECKING:
    from janus_med.evaluation.measure import Exam
    from janus_med.model import MedicalJanus

SHARES = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0])
LEAST_ERASE_RATIO = 5.0
MOST_OF_RANDOM = 0.7

_TEXT = """**Erasing.** The generator is ours, so every lesion exists with and without on the same film
({pairs} pairs, validation persons, trained brush). *Drop, lesion erased*: mean fall of the finding's
probability when the lesion is taken out. *Change elsewhere*: mean absolute change when a place of the same
shape, the mirrored one where possible, is blurred instead.
"""

_DELETION = """**Deletion** (Petsiuk et al. 2018): patches are replaced by the blurred film in the order of
the map, at random, or in the order of the place prior; area under the probability over the share deleted,
{films} films, 0 to 100 %. Lower is better.
"""

_RANDOMISED = """**Weight randomisation** (Adebayo et al. 2018; Arun et al. 2021): the weights of one part
after the other are shuffled, from the finding queries down to the patch embedding, each part staying
shuffled. Spearman correlation of the new map with the trained one, {films} films; maps that hang on what
was learnt fall below the correlation of maps of two different films.
"""


def examine_faithfulness(exam: Exam) -> Section:
    """Measure erasing, deletion and weight randomisation on inserted lesions."""
    erased, deleted, randomised = examine_erased(exam), examine_deletion(exam), examine_randomised(exam)
    drops = {name: {key: one.figure for key, one in row.items()} for name, row in erased.items()}
    areas = {name: one.figure for name, one in deleted.items()}
    similar = {name: one.figure for name, one in randomised.items()}
    count = min(exam.effort.deleted, len(exam.trained.films))
    parts = [
        _TEXT.format(pairs=exam.effort.pairs),
        measures_table(drops),
        _DELETION.format(films=count),
        markdown_table(["order", "area"], [[name, str(figure)] for name, figure in areas.items()]),
        _RANDOMISED.format(films=next(iter(similar.values())).count),
        markdown_table(
            ["shuffled", "correlation"], [[name, str(figure)] for name, figure in similar.items()]
        ),
    ]
    figures = {"erased": drops, "deletion": areas, "randomised": similar}
    return Section(
        "faithful", "Faithfulness", "\n\n".join(parts), figures, _bars(erased, deleted, randomised)
    )


def _bars(
    erased: dict[str, dict[str, Estimate]], deleted: dict[str, Estimate], randomised: dict[str, Estimate]
) -> tuple[Bar, ...]:
    drop, change = (
        macro([row[key] for row in erased.values()]) for key in ("drop, lesion erased", "change elsewhere")
    )
    last = list(randomised)[-2]
    return (
        Bar(
            "Faithfulness: drop when the lesion is erased over change elsewhere, times",
            (drop / change).figure,
            LEAST_ERASE_RATIO,
            baselines=beside({"drop": drop, "elsewhere": change}),
        ),
        Bar(
            "Faithfulness: deletion AUC, share of random",
            (deleted["map"] / deleted["random"]).figure,
            most=MOST_OF_RANDOM,
            baselines=beside({name: deleted[name] for name in ("map", "random")}),
        ),
        Bar(
            "Faithfulness: deletion AUC below the place prior's",
            (deleted["map"] - deleted["place prior"]).figure,
            most=0.0,
            baselines=f"place prior {deleted['place prior'].figure}",
            strict=True,
        ),
        Bar(
            "Faithfulness: map similarity, all weights shuffled, below that of random pairs",
            (randomised[last] - randomised[RANDOM_PAIRS]).figure,
            most=0.0,
            baselines=beside({"shuffled": randomised[last], "random pairs": randomised[RANDOM_PAIRS]}),
            strict=True,
        ),
    )


def examine_erased(exam: Exam) -> dict[str, dict[str, Estimate]]:
    """Return the change of probability with the lesion gone and with another place blurred, by finding."""
    pairs = erased_pairs(exam.store, exam.grid, "trained", exam.effort.pairs, exam.seed)
    own = np.array([FINDINGS.index(pair.finding) for pair in pairs])
    rows = np.arange(len(pairs))
    present, erased, elsewhere = (
        ask(exam.model, films).probabilities[rows, own]
        for films in (
            [pair.present for pair in pairs],
            [pair.erased for pair in pairs],
            [pair.elsewhere for pair in pairs],
        )
    )
    weights = exam.weights([pair.person for pair in pairs])
    found = {}
    for index in sorted(set(own.tolist())):
        chosen = own == index
        found[FINDINGS[index]] = {
            "probability": estimate_mean(present[chosen], weights[:, chosen]),
            "drop, lesion erased": estimate_mean((present - erased)[chosen], weights[:, chosen]),
            "change elsewhere": estimate_mean(np.abs(present - elsewhere)[chosen], weights[:, chosen]),
        }
    return found


def examine_deletion(exam: Exam) -> dict[str, Estimate]:
    """Return the deletion area of the map, of random order and of the place prior."""
    said, rng = exam.trained, exam.rng("deletion")
    chosen = _one_lesion_each(exam)
    curves: dict[str, list[np.ndarray]] = {"map": [], "random": [], "place prior": []}
    priors = {index: placed_in(said, index)[1].mean(axis=0) for index in {finding for _, finding in chosen}}
    for film, finding in chosen:
        orders = {
            "map": said.maps[film, finding],
            "random": rng.random((exam.grid, exam.grid)),
            "place prior": priors[finding] + 1e-6 * rng.random((exam.grid, exam.grid)),
        }
        grey = said.films.samples[film].grey
        for name, order in orders.items():
            curves[name].append(delete_steps(exam.model, grey, order, finding))
    weights = exam.weights([said.films.persons[film] for film, _ in chosen])
    return {
        name: estimate_mean(area_under_steps(SHARES, np.stack(steps)), weights)
        for name, steps in curves.items()
    }


def _one_lesion_each(exam: Exam) -> list[tuple[int, int]]:
    """Films in which a finding shows, the findings in turn: (film, finding)."""
    said = exam.trained
    placed = {index: placed_in(said, index)[0].tolist() for index in range(len(FINDINGS))}
    rounds = [
        (films[turn], index)
        for turn in range(len(said.films))
        for index, films in placed.items()
        if turn < len(films)
    ]
    return rounds[: exam.effort.deleted]


def delete_steps(model: MedicalJanus, grey: np.ndarray, order: np.ndarray, finding: int) -> np.ndarray:
    """Return the probability (T,) of a finding after each share of `SHARES` of the patches was blurred.

    Parameters
    ----------
    model
        Judges the films.
    grey
        (S, S) float32 in [0, 1].
    order
        (g, g), the highest is deleted first.
    finding
        Its position in `FINDINGS`.
    """
    grid = order.shape[0]
    ranks = np.empty(order.size, dtype=int)
    ranks[np.argsort(-order, axis=None, kind="stable")] = np.arange(order.size)
    patch = grey.shape[0] // grid
    rank_map = np.kron(ranks.reshape(grid, grid), np.ones((patch, patch), dtype=int))
    blurred = blur(grey, grey.shape[0] // 8)
    films = [np.where(rank_map < round(share * order.size), blurred, grey) for share in SHARES]
    return np.asarray(ask(model, films).probabilities[:, finding])
