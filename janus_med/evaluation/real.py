"""Real labels of ChestX-ray14 on held-out persons: area under the curve beside rivals, subsets apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from janus_med.evaluation.bootstrap import Estimate, Figure, estimate_auroc, macro
from janus_med.evaluation.rivals import rival_scores_real
from janus_med.evaluation.sections import Bar, Section
from janus_med.evaluation.tables import markdown_table
from janus_med.reading import FINDINGS

if TYPE_CHECKING:
    from janus_med.evaluation.measure import Exam

FEW = 5
FEWEST_FILMS = 20
LEAST_MACRO = 0.70
LEAST_FINDINGS = 6
SMALL = "64px"

_TEXT = """Validation persons ({films} films, {persons} persons: {sources}); nobody of them was trained or
calibrated on. The labels are text-mined. Macro means average the {told} findings with at least {few}
positives and negatives; findings marked **few** are published and left out of the means. Intervals draw
persons, not films. `HOG` is a logistic regression on histograms of oriented gradients, `grey levels` one on
the histogram of the film; both learnt the same training films, with the penalty chosen on the calibration
films. `subset alone` knows nothing but the subset a film came from.

**Brightness trap.** `No Finding` and `Pneumonia` come from two subsets that differ in mean brightness (149
against 131 grey levels), so whatever tells the subsets apart scores high on the pooled films. Contrast is
equalised before any model sees a film; `subset alone` and `grey levels` show how much could still be gained
that way, and the subsets apart cannot be told by it.
"""


@dataclass(frozen=True, eq=False)
class _Scored:
    """Films of one set: labels (M, K), weights (R, M), scores (M, K) by name."""

    labels: np.ndarray
    weights: np.ndarray
    scores: dict[str, np.ndarray]

    def at(self, chosen: np.ndarray) -> _Scored:
        return _Scored(
            self.labels[chosen],
            self.weights[:, chosen],
            {name: values[chosen] for name, values in self.scores.items()},
        )

    def areas(self, name: str) -> dict[str, Estimate]:
        estimates = {
            finding: estimate_auroc(self.scores[name][:, index], self.labels[:, index], self.weights)
            for index, finding in enumerate(FINDINGS)
        }
        return {finding: one for finding, one in estimates.items() if not np.isnan(one.value)}


def examine_real(exam: Exam) -> Section:
    """Measure the real labels, pooled and each source and subset apart."""
    said = exam.real
    scored = _Scored(said.labels, said.weights, {"model": said.probabilities} | rival_scores_real(exam))
    areas = {name: scored.areas(name) for name in scored.scores}
    apart = {name: _apart(scored.at(chosen)) for name, chosen in _sets(said.films.subsets).items()}
    counts = Counter(name.split("/")[0] for name in said.films.subsets)
    text = _TEXT.format(
        films=len(said.films),
        persons=len(set(said.films.persons)),
        sources=", ".join(f"{count} {name}" for name, count in sorted(counts.items())),
        told=len(_enough(areas["model"])),
        few=FEW,
    )
    if any(SMALL in name for name in counts):
        text += f"\nFilms of the `{SMALL}` source exist only at 64 x 64 pixels and were enlarged.\n"
    tables = [text, _pooled_table(areas), "Each source and subset apart, model | HOG:", _apart_table(apart)]
    figures = {name: _figures(rows) for name, rows in areas.items()}
    return Section(
        "real",
        "Real labels",
        "\n\n".join(tables),
        {"all": figures["model"]}
        | {name: _figures(sets["model"]) for name, sets in apart.items()}
        | {"rivals": {name: rows for name, rows in figures.items() if name != "model"}},
        _bars(areas, apart),
        _pooled_table({name: areas[name] for name in ("model", "HOG")}),
    )


def _sets(subsets: list[str]) -> dict[str, np.ndarray]:
    """Sources and their subsets with enough films, as masks (M,)."""
    names = np.array(subsets)
    sources = np.array([name.split("/")[0] for name in subsets])
    found = {source: sources == source for source in sorted(set(sources.tolist()))}
    found |= {name: names == name for name in sorted(set(subsets)) if name not in found}
    return {name: mask for name, mask in found.items() if mask.sum() >= FEWEST_FILMS}


def _apart(scored: _Scored) -> dict[str, dict[str, Estimate]]:
    return {name: scored.areas(name) for name in ("model", "HOG", "subset alone")}


def _enough(areas: dict[str, Estimate]) -> list[str]:
    return [name for name, one in areas.items() if FEW <= one.positives <= one.count - FEW]


def _macro(areas: dict[str, Estimate]) -> Estimate:
    return macro([areas[name] for name in _enough(areas)])


def _figures(areas: dict[str, Estimate]) -> dict[str, Figure]:
    return {name: one.figure for name, one in areas.items()}


def _pooled_table(areas: dict[str, dict[str, Estimate]]) -> str:
    model, rivals = areas["model"], [name for name in areas if name != "model"]
    enough = _enough(model)
    rows = [
        [
            name if name in enough else f"{name} (**few**)",
            f"{one.positives} / {one.count}",
            str(one.figure),
            *(str(areas[rival][name].figure) for rival in rivals),
            _signed((one - areas["HOG"][name]).figure),
        ]
        for name, one in model.items()
    ]
    means = [_macro(areas[name]) for name in areas]
    rows.append(
        [
            "**macro**",
            "",
            *(str(mean.figure) for mean in means),
            _signed((means[0] - _macro(areas["HOG"])).figure),
        ]
    )
    return markdown_table(["", "positives / films", *areas, "model - HOG"], rows)


def _signed(figure: Figure) -> str:
    return f"{figure.value:+.2f} ({figure.low:+.2f} to {figure.high:+.2f})"


def _apart_table(apart: dict[str, dict[str, dict[str, Estimate]]]) -> str:
    names = [name for name in FINDINGS if any(name in sets["model"] for sets in apart.values())]
    rows = [[name, *(_apart_cell(sets, name) for sets in apart.values())] for name in names]
    rows.append(["**macro**"] + [_apart_macro(sets) for sets in apart.values()])
    return markdown_table(["", *apart], rows)


def _apart_macro(sets: dict[str, dict[str, Estimate]]) -> str:
    if not _enough(sets["model"]):
        return "-"
    return f"{_macro(sets['model']).figure} \\| {_macro(sets['HOG']).value:.2f}"


def _apart_cell(sets: dict[str, dict[str, Estimate]], name: str) -> str:
    if name not in sets["model"]:
        return "-"
    one = sets["model"][name]
    mark = "" if name in _enough(sets["model"]) else ", **few**"
    return f"{one.figure} \\| {sets['HOG'][name].value:.2f} ({one.positives}{mark})"


def _bars(
    areas: dict[str, dict[str, Estimate]], apart: dict[str, dict[str, dict[str, Estimate]]]
) -> tuple[Bar, ...]:
    model, rivals = _macro(areas["model"]), {name: _macro(areas[name]) for name in areas if name != "model"}
    beside = "; ".join([*(f"{name} {one.value:.3f}" for name, one in rivals.items()), "chance 0.5"])
    clear = [name for name, one in areas["model"].items() if one.figure.low > 0.5]
    rival_clear = [name for name, one in areas["HOG"].items() if one.figure.low > 0.5]
    enough = [name for name in clear if name in _enough(areas["model"])]
    bars = [
        Bar("Real labels, all sources: macro AUROC", model.figure, LEAST_MACRO, baselines=beside),
        Bar(
            "Real labels, all sources: macro AUROC above HOG + logistic regression",
            (model - rivals["HOG"]).figure,
            0.0,
            baselines=f"HOG {rivals['HOG'].figure}",
            strict=True,
        ),
        Bar(
            f"Real labels: findings (of {len(_enough(areas['model']))} with {FEW} positives) whose interval "
            "lies above 0.5",
            Figure(len(enough), float("nan"), float("nan"), len(enough), len(areas["model"])),
            LEAST_FINDINGS,
            baselines=f"HOG {len([n for n in rival_clear if n in _enough(areas['HOG'])])}",
        ),
    ]
    for name, sets in apart.items():
        if "/" not in name and len(apart) > 1:
            others = (
                f"HOG {_macro(sets['HOG']).value:.3f}; subset alone {_macro(sets['subset alone']).value:.3f}"
            )
            bars.append(
                Bar(
                    f"Real labels, {name} apart: macro AUROC",
                    _macro(sets["model"]).figure,
                    LEAST_MACRO,
                    baselines=others,
                )
            )
    return tuple(bars)
