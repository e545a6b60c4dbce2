"""How well the rule labeler agrees with published labels, beside two systems that understand nothing.

A fact is a triple (report, finding, status) with status ``asserted`` or ``denied``; precision, recall and F1
are over such triples, so a denial read as a statement is wrong twice. The first half was used to write the
rules; of the second only these figures were ever looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from janus_med.evaluation.text_reference import LABELS_OF, read_reference
from janus_med.facts import find_mentions, label_report
from janus_med.report_text import split_sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from janus_med.evaluation.text_reference import Half, LabelledReport, Status
    from janus_med.negation import FactPolarity

    Labeler = Callable[[str], dict[str, Status]]

RESAMPLES = 500
JUDGED = tuple(LABELS_OF)
STATUSES: tuple[Status, ...] = ("asserted", "denied")
HALVES: tuple[Half, ...] = ("development", "held-out")


@dataclass(frozen=True, eq=False)
class Agreement:
    """Right, wrong and missed facts of one labeler.

    Attributes
    ----------
    counts
        (M, K, 2, 3) int: report, finding of `JUDGED`, status of `STATUSES`, then right, wrong, missed.
    """

    counts: np.ndarray

    def micro(self) -> float:
        """F1 over all facts."""
        return float(_f1(self.counts.sum(axis=(0, 1, 2))))

    def macro(self) -> float:
        """Plain mean of the findings' F1."""
        return float(np.nanmean(_f1(self.counts.sum(axis=(0, 2)))))

    def denied(self) -> float:
        """F1 over the denials alone."""
        return float(_f1(self.counts[:, :, 1].sum(axis=(0, 1))))

    def of_finding(self, name: str) -> Agreement:
        """Keep one finding."""
        index = JUDGED.index(name)
        return Agreement(self.counts[:, index : index + 1])

    def interval(self, figure: Callable[[Agreement], float], seed: int) -> tuple[float, float]:
        """Bootstrap a figure over reports.

        Returns
        -------
        tuple of float
            Its 2.5th and 97.5th percentiles.
        """
        rng = np.random.default_rng(seed)
        size = len(self.counts)
        drawn = [figure(Agreement(self.counts[rng.integers(0, size, size)])) for _ in range(RESAMPLES)]
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        return float(low), float(high)


def _f1(counts: np.ndarray) -> np.ndarray:
    right, wrong, missed = counts[..., 0], counts[..., 1], counts[..., 2]
    with np.errstate(invalid="ignore"):
        return 2 * right / (2 * right + wrong + missed)


def measure_agreement(reports: Sequence[LabelledReport], labeler: Labeler) -> Agreement:
    """Compare a labeler with the reference.

    Parameters
    ----------
    reports
        With their reference labels.
    labeler
        Takes a report's text, returns a status for each finding that it finds.
    """
    meant = [
        {name: to_status(polarity) for name, polarity in report.polarities.items()} for report in reports
    ]
    return compare_facts([labeler(report.text) for report in reports], meant)


def compare_facts(found: Sequence[dict[str, Status]], meant: Sequence[dict[str, Status]]) -> Agreement:
    """Count right, wrong and missed facts.

    Parameters
    ----------
    found, meant
        One a report, in the same order; findings outside `JUDGED` do not count.
    """
    counts = np.zeros((len(found), len(JUDGED), len(STATUSES), 3), dtype=np.int64)
    for row, (said, true) in enumerate(zip(found, meant, strict=True)):
        for column, name in enumerate(JUDGED):
            one, other = said.get(name), true.get(name)
            if one is not None:
                counts[row, column, STATUSES.index(one), 0 if one == other else 1] += 1
            if other is not None and one != other:
                counts[row, column, STATUSES.index(other), 2] += 1
    return Agreement(counts)


def to_status(polarity: FactPolarity) -> Status:
    """Merge stated and raised: the reference does not keep them apart (`text_reference`)."""
    return "denied" if polarity == "negative" else "asserted"


def by_rules(text: str) -> dict[str, Status]:
    """Label with `janus_med.facts`."""
    return {name: to_status(fact.polarity) for name, fact in label_report(text).items()}


def by_words(text: str) -> dict[str, Status]:
    """Baseline: a finding whose words stand anywhere is asserted; no denial, no section, no question."""
    return {mention.finding: "asserted" for part in split_sentences(text) for mention in find_mentions(part)}


def constant_labeler(reports: Sequence[LabelledReport]) -> Labeler:
    """Return the baseline that gives every report each finding's most frequent status, silence included."""
    constant: dict[str, Status] = {}
    for name in JUDGED:
        seen: Counter[Status | None] = Counter(
            to_status(report.polarities[name]) if name in report.polarities else None for report in reports
        )
        status = seen.most_common(1)[0][0]
        if status is not None:
            constant[name] = status
    return lambda _: constant


def strict_micro(reports: Sequence[LabelledReport]) -> float:
    """F1 of `janus_med.facts` over triples with three polarities, as if the reference could tell doubts."""
    right = said = meant = 0
    for report in reports:
        found = {(name, fact.polarity) for name, fact in label_report(report.text).items() if name in JUDGED}
        truth = set(report.polarities.items())
        right, said, meant = right + len(found & truth), said + len(found), meant + len(truth)
    return 2 * right / (said + meant)


def facts_section(wheel: Path, seed: int) -> str:
    """Render the agreement on both halves.

    Parameters
    ----------
    wheel
        As `text_reference.read_reference`.
    seed
        Of the bootstrap.

    Returns
    -------
    str
        Markdown: the labelers side by side, then every finding.

    Raises
    ------
    UnreadableInput
        When the wheel does not hold the reports.
    """
    reports = read_reference(wheel)
    halves = {half: [report for report in reports if report.half == half] for half in HALVES}
    constant = constant_labeler(halves["development"])
    labelers: dict[str, Labeler] = {
        "rules": by_rules,
        "finding words, no negation": by_words,
        "most frequent status": constant,
    }
    lines = [
        "| half | labeler | reports | facts | micro-F1 | macro-F1 | F1 of denials |",
        "|---|---|---|---|---|---|---|",
    ]
    for half, chosen in halves.items():
        for name, labeler in labelers.items():
            lines.append(_labeler_row(half, name, measure_agreement(chosen, labeler), seed))
    strict = ", ".join(f"{strict_micro(chosen):.3f} ({half})" for half, chosen in halves.items())
    rules = {half: measure_agreement(chosen, by_rules) for half, chosen in halves.items()}
    return "\n".join(
        [
            *lines,
            "",
            f"With doubts and statements apart, micro-F1 of the rules: {strict}; the reference calls most "
            "open doubts present (see `janus_med/evaluation/text_reference.py`).",
            "",
            "| finding | " + " | ".join(f"facts | precision | recall | F1, {half}" for half in HALVES) + " |",
            "|---|" + "---|" * (4 * len(HALVES)),
            *(_finding_row(name, rules, seed) for name in JUDGED),
        ]
    )


def _labeler_row(half: str, name: str, agreement: Agreement, seed: int) -> str:
    figures = (Agreement.micro, Agreement.macro, Agreement.denied)
    cells = [_with_interval(agreement, figure, seed) for figure in figures]
    facts = int(agreement.counts[..., (0, 2)].sum())
    return f"| {half} | {name} | {len(agreement.counts)} | {facts} | " + " | ".join(cells) + " |"


def _finding_row(name: str, rules: dict[Half, Agreement], seed: int) -> str:
    cells = []
    for agreement in (found.of_finding(name) for found in rules.values()):
        right, wrong, missed = agreement.counts.sum(axis=(0, 1, 2))
        precision, recall = right / max(right + wrong, 1), right / max(right + missed, 1)
        f1 = _with_interval(agreement, Agreement.micro, seed)
        cells.append(f"{right + missed} | {precision:.3f} | {recall:.3f} | {f1}")
    return f"| {name} | " + " | ".join(cells) + " |"


def _with_interval(agreement: Agreement, figure: Callable[[Agreement], float], seed: int) -> str:
    low, high = agreement.interval(figure, seed)
    return f"{figure(agreement):.3f} ({low:.3f}-{high:.3f})"
