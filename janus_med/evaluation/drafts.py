"""Drafts against the truth that was inserted: the labeler reads the text, the film says what is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from janus_med.errors import ModelFault
from janus_med.evaluation.bootstrap import Estimate, Figure, bootstrap, estimate_mean, macro
from janus_med.evaluation.films import inserted_films
from janus_med.evaluation.metrics import f1_score
from janus_med.evaluation.sections import Bar, Section, beside
from janus_med.evaluation.tables import figures_table, measures_table
from janus_med.expert import SIDED, describe_location
from janus_med.facts import label_report
from janus_med.planning import IMPLIED_BY, is_spoken_of, plan_report
from janus_med.reading import FINDINGS
from janus_med.training.samples import to_pixels

if TYPE_CHECKING:
    from janus_med.engine import JanusMed
    from janus_med.evaluation.films import FilmSet
    from janus_med.evaluation.measure import Exam
    from janus_med.facts import Fact
    from janus_med.reading import Reading
    from janus_med.training.samples import Sample

LEAST_DIFFERENCE, LEAST_SIDE = -0.03, 0.98

_TEXT = """{films} drafts of validation films with inserted lesions (trained brush), {faults} of them
refused as model faults and left out below. A finding is stated when the text states or raises it; the
understanding adapter's own answer is what it finds present or raises as possible; a stated child of
CheXpert's hierarchy states its parent, for text, adapter and truth alike. *Always all* states every finding
for every film. Sides are judged where the truth lies on one side and the text rightly states the finding:
`describe_location` puts the true mask into words as it does the maps. A text without a side is wrong; *more
frequent side* is the rival. Each text was read back against its plan and worded again where it disagreed; a
sentence that still disagrees is withheld. A finding that the text leaves out is told in a sentence by rule.
"""


@dataclass(frozen=True, eq=False)
class Drafted:
    """One text: its facts, what the plan meant, which findings the adapter calls present or possible (K,)
    bool, the sample, whose film it is, and whether a sentence of it was withheld, or worded by rule.
    """

    facts: dict[str, Fact]
    meant: dict[str, str]
    spoken: np.ndarray
    sample: Sample
    person: str
    withheld: bool = False
    by_rule: bool = False


def examine_drafts(exam: Exam) -> Section:
    """Write drafts and compare facts, sides and plan."""
    films = inserted_films(exam.store, exam.grid, "trained", exam.effort.drafts, exam.seed + 3)
    drafted, faults = write_drafts(exam.engine, films)
    fidelity = _fidelity(exam, drafted, films, faults)
    text = _TEXT.format(films=len(films), faults=sum(faults))
    if not drafted:
        return Section(
            "drafts", "Drafts against the truth", text, {"drafts": _figures(fidelity)}, _bars({}, {})
        )
    rows, sides = compare_facts(exam, drafted), compare_sides(exam, drafted)
    shown = {name: _figures(row) for name, row in rows.items()}
    tables = {"share": _figures(sides | fidelity)}
    parts = [text, "F1 by finding:", measures_table(shown), figures_table(tables)]
    figures = {"draft_facts": shown, "draft_sides": _figures(sides), "drafts": _figures(fidelity)}
    return Section("drafts", "Drafts against the truth", "\n\n".join(parts), figures, _bars(rows, sides))


def _figures(estimates: dict[str, Estimate]) -> dict[str, Figure]:
    return {name: one.figure for name, one in estimates.items()}


def write_drafts(engine: JanusMed, films: FilmSet) -> tuple[list[Drafted], list[bool]]:
    """Let the engine read every film; return the drafts, and whether each film ended in a model fault."""
    drafted, faults = [], []
    for sample, person in zip(films.samples, films.persons, strict=True):
        try:
            reading = engine.read(to_pixels(sample.grey)[None])
        except ModelFault:
            faults.append(True)
            continue
        faults.append(False)
        drafted.append(_drafted(reading, sample, person))
    return drafted, faults


def _drafted(reading: Reading, sample: Sample, person: str) -> Drafted:
    plan = plan_report(reading.findings)
    facts = label_report(" ".join(sentence.text for sentence in reading.sentences))
    meant = {fact.finding: "positive" if fact.certain else "uncertain" for fact in plan.facts}
    spoken = np.array([is_spoken_of(finding) for finding in reading.findings])
    meant |= dict.fromkeys(plan.absent, "negative")
    by_rule = any(sentence.by_rule for sentence in reading.sentences)
    return Drafted(facts, meant, spoken, sample, person, bool(reading.withheld), by_rule)


def compare_facts(exam: Exam, drafted: list[Drafted]) -> dict[str, dict[str, Estimate]]:
    """Return the F1 of the text, of the adapter and of stating everything, by finding with a known truth."""
    stated = with_parents(np.array([[_states(one.facts, name) for name in FINDINGS] for one in drafted]))
    own = with_parents(np.stack([one.spoken for one in drafted]))
    labels = np.stack([one.sample.labels for one in drafted])
    truth = with_parents(labels == 1)
    weights = exam.weights([one.person for one in drafted])
    rows: dict[str, dict[str, Estimate]] = {}
    for index, name in enumerate(FINDINGS):
        known = ~np.isnan(labels[:, index])
        if name == "No Finding" or not truth[known, index].any():
            continue
        answers = {"text": stated, "adapter": own, "always all": np.ones_like(own)}
        rows[name] = {
            key: _f1(answer[known, index], truth[known, index], weights[:, known])
            for key, answer in answers.items()
        }
    return rows


def _f1(stated: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> Estimate:
    return bootstrap(lambda drawn: f1_score(stated, truth, drawn), weights, int(truth.sum()))


def _states(facts: dict[str, Fact], name: str) -> bool:
    return name in facts and facts[name].polarity != "negative"


def with_parents(present: np.ndarray) -> np.ndarray:
    """Return (M, K) truths in which a present child makes its parent present."""
    closed = present.copy()
    for parent, children in IMPLIED_BY.items():
        columns = [FINDINGS.index(child) for child in children]
        closed[:, FINDINGS.index(parent)] |= present[:, columns].any(axis=1)
    return closed


def compare_sides(exam: Exam, drafted: list[Drafted]) -> dict[str, Estimate]:
    """Return how often a rightly stated finding that lies on one side is put on that side."""
    right, persons, named, truths = [], [], [], []
    for one in drafted:
        for name, fact in one.facts.items():
            truth = true_side(one.sample, name)
            if truth and fact.polarity != "negative":
                right.append(fact.side == truth)
                named.append(fact.side is not None)
                truths.append(truth == "left")
                persons.append(one.person)
    if not right:
        nothing = np.ones((exam.resamples, 0))
        return {
            name: estimate_mean(np.zeros(0), nothing)
            for name in ("side right", "side named", "more frequent side")
        }
    weights = exam.weights(persons)
    frequent = np.array(truths) if np.mean(truths) >= 0.5 else ~np.array(truths)
    return {
        "side right": estimate_mean(np.array(right), weights),
        "side named": estimate_mean(np.array(named), weights),
        "more frequent side": estimate_mean(frequent, weights),
    }


def true_side(sample: Sample, name: str) -> str:
    """Return ``left`` or ``right`` of a present, sided finding; empty when absent, on both or unplaced."""
    index = FINDINGS.index(name)
    mask = sample.masks[index]
    if name not in SIDED or sample.labels[index] != 1 or np.isnan(mask).any():
        return ""
    side = describe_location(name, mask).side
    return side if side in {"left", "right"} else ""


def _fidelity(exam: Exam, drafted: list[Drafted], films: FilmSet, faults: list[bool]) -> dict[str, Estimate]:
    weights = exam.weights(films.persons)
    kept = weights[:, ~np.array(faults)]
    said = [
        {name: fact.polarity for name, fact in one.facts.items() if name != "No Finding"} for one in drafted
    ]
    normal = np.array([one.sample.labels[0] == 1 for one in drafted], dtype=bool)
    quiet = np.array(["positive" not in facts.values() for facts in said], dtype=bool)
    silent = np.array([set(facts.values()) <= {"negative"} for facts in said], dtype=bool)
    exact = np.array([facts == one.meant for facts, one in zip(said, drafted, strict=True)], dtype=bool)
    return {
        "text says exactly the plan": estimate_mean(exact, kept),
        "films free of findings without a stated finding": estimate_mean(quiet[normal], kept[:, normal]),
        "the same without a raised one": estimate_mean(silent[normal], kept[:, normal]),
        "films with a withheld sentence": estimate_mean(np.array([one.withheld for one in drafted]), kept),
        "films with a sentence by rule": estimate_mean(np.array([one.by_rule for one in drafted]), kept),
        "model faults": estimate_mean(np.array(faults), weights),
    }


def _bars(rows: dict[str, dict[str, Estimate]], sides: dict[str, Estimate]) -> tuple[Bar, ...]:
    mean = {key: macro([row[key] for row in rows.values()]) for key in ("text", "adapter", "always all")}
    nothing = macro([])
    side, frequent = sides.get("side right", nothing), sides.get("more frequent side", nothing)
    return (
        Bar(
            "Drafts: macro-F1 of the text's facts minus the adapter's own",
            (mean["text"] - mean["adapter"]).figure,
            LEAST_DIFFERENCE,
            baselines=beside(mean),
        ),
        Bar(
            "Drafts: side right, given the finding",
            side.figure,
            LEAST_SIDE,
            baselines=beside({"more frequent side": frequent}),
        ),
    )
