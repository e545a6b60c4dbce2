"""Drafts from oracle facts beside human reports, and beside rivals without image or model:
`python -m janus_med.evaluation.text_report --data reports.csv`.

Rows of human reports say how likely two radiologists' texts are to agree in words. The drafts' facts are
given by the labeler that judges them, so their fact-F1 says what the text path loses, not what a film would
give.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from janus_med.evaluation.text import TextScores, score_texts
from janus_med.evaluation.text_corpus import HumanReport, Rivals, read_reports
from janus_med.evaluation.text_drafts import TextPath, plan_from_facts
from janus_med.evaluation.text_facts import Agreement, by_rules, compare_facts
from janus_med.facts import label_report
from janus_med.tokenizer import COMPARISON

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from janus_med.engine import JanusMed
    from janus_med.evaluation.text_reference import Status
    from janus_med.expert import ExpertPlan

RESAMPLES = 500


@dataclass(frozen=True, eq=False)
class Row:
    """One system on the judged reports: likeness of the findings in words, and of the whole text in facts."""

    name: str
    scores: TextScores
    facts: Agreement

    def figures(self, rows: np.ndarray) -> list[float]:
        """BLEU-4, ROUGE-L, CIDEr, fact micro-F1 and macro-F1 of some of the reports."""
        scores, facts = self.scores.take(rows), Agreement(self.facts.counts[rows])
        return [
            scores.bleu(),
            float(scores.rouge.mean()),
            float(scores.cider.mean()),
            facts.micro(),
            facts.macro(),
        ]


def text_section(data: Path, engine: JanusMed, *, samples: int, seed: int) -> str:
    """Compare drafts and rivals with human reports.

    Parameters
    ----------
    data
        As `text_corpus.read_reports`.
    engine
        Whose text path writes.
    samples
        Reports judged, drawn from those with findings and impression; all others are the rivals' pool.
    seed
        Of the draw, the random rivals and the bootstrap.

    Returns
    -------
    str
        Markdown: the table of likeness, then the share of texts with words of comparison.
    """
    rng = np.random.default_rng(seed)
    judged, pool = split_reports(read_reports(data), samples, rng)
    plans = [plan_from_facts(label_report(report.text)) for report in judged]
    drafts = draft_plans(engine, plans)
    systems = rival_reports(judged, pool, rng) | {"our draft, given oracle facts": drafts}
    rows = [make_row(name, found, judged) for name, found in systems.items()]
    described = _describe(judged, pool, drafts) + " " + _describe_fidelity(plans, drafts)
    return "\n\n".join([likeness_table(rows, seed), described, prior_table(drafts, judged, pool)])


def split_reports(
    reports: Sequence[HumanReport], samples: int, rng: np.random.Generator
) -> tuple[list[HumanReport], list[HumanReport]]:
    """Draw the reports to judge; the others that have findings are the pool."""
    whole = [report for report in reports if report.findings]
    candidates = [index for index, report in enumerate(whole) if report.impression]
    drawn = set(rng.permutation(candidates)[:samples].tolist())
    judged = [report for index, report in enumerate(whole) if index in drawn]
    return judged, [report for index, report in enumerate(whole) if index not in drawn]


def rival_reports(
    judged: Sequence[HumanReport], pool: Sequence[HumanReport], rng: np.random.Generator
) -> dict[str, list[HumanReport]]:
    """Return for each rival one report of the pool per judged report."""
    rivals = Rivals(pool)
    alike = [rivals.same_terms(report) for report in judged]
    return {
        "constant: most common report": [rivals.most_common()] * len(judged),
        "constant: medoid": [rivals.medoid()] * len(judged),
        "random other report": [rivals.random(rng) for _ in judged],
        "oracle MeSH retrieval, random": [rivals.random(rng, among) for among in alike],
        "oracle MeSH retrieval, medoid": [rivals.medoid(among) for among in alike],
    }


def draft_plans(engine: JanusMed, plans: Sequence[ExpertPlan]) -> list[HumanReport]:
    """Let the text path write each plan; a draft that is refused as faulty is empty."""
    path = TextPath(engine)
    # decoding is greedy: equal plans, such as those of normal films, have equal texts
    written = {plan: path.write(plan) for plan in dict.fromkeys(plans)}
    return [HumanReport(*written[plan], frozenset(), False) for plan in plans]


def make_row(name: str, found: Sequence[HumanReport], judged: Sequence[HumanReport]) -> Row:
    """Score one system."""
    scores = score_texts([one.findings for one in found], [one.findings for one in judged])
    facts = compare_facts([by_rules(one.text) for one in found], [by_rules(one.text) for one in judged])
    return Row(name, scores, facts)


def likeness_table(rows: Sequence[Row], seed: int) -> str:
    """Return one line a system, every figure with its 95 % bootstrap interval over reports."""
    lines = [
        "| text | BLEU-4 | ROUGE-L | CIDEr | fact micro-F1 | fact macro-F1 |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        size = len(row.scores.rouge)
        values = row.figures(np.arange(size))
        rng = np.random.default_rng(seed)
        drawn = np.array([row.figures(rng.integers(0, size, size)) for _ in range(RESAMPLES)])
        low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
        cells = [f"{v:.3f} ({a:.3f}-{b:.3f})" for v, a, b in zip(values, low, high, strict=True)]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def prior_table(
    drafts: Sequence[HumanReport], judged: Sequence[HumanReport], pool: Sequence[HumanReport]
) -> str:
    """Return how many texts use a word of comparison; a draft without an earlier film must not.

    The words are those that decoding forbids: some ("increased", "stable") are not always comparisons.
    """
    human = [*judged, *pool]
    groups: dict[str, list[HumanReport]] = {
        "our drafts, no earlier film": list(drafts),
        "human reports that name no earlier film": [one for one in human if not one.compared],
        "human reports that name one": [one for one in human if one.compared],
    }
    lines = ["| texts | with a word of comparison | of | share |", "|---|---|---|---|"]
    for name, texts in groups.items():
        found = sum(COMPARISON.search(one.text) is not None for one in texts)
        lines.append(f"| {name} | {found} | {len(texts)} | {found / max(len(texts), 1):.3f} |")
    return "\n".join(lines)


def _describe(
    judged: Sequence[HumanReport], pool: Sequence[HumanReport], drafts: Sequence[HumanReport]
) -> str:
    refused = sum(not one.findings for one in drafts)
    return (
        f"{len(judged)} reports judged, {len(pool)} in the rivals' pool, {refused} drafts refused as faulty "
        "(they count with no text). BLEU-4, ROUGE-L and CIDEr compare the findings, facts the whole report. "
        "The drafts' facts come from the report itself and no image exists: the row says what words and "
        "facts the text path keeps, not what a film would give."
    )


def _describe_fidelity(plans: Sequence[ExpertPlan], drafts: Sequence[HumanReport]) -> str:
    exact, left, added, facts = 0, 0, 0, 0
    for plan, draft in zip(plans, drafts, strict=True):
        meant: dict[str, Status] = {fact.finding: "asserted" for fact in plan.facts}
        meant |= dict.fromkeys(plan.absent, "denied")
        said = {name: status for name, status in by_rules(draft.text).items() if name != "No Finding"}
        exact += said == meant
        left += len(meant.items() - said.items())
        added += len(said.items() - meant.items())
        facts += len(meant)
    return (
        f"{exact} of {len(plans)} drafts say exactly their plan; of {facts} planned facts {left} are missing "
        f"or turned round, and {added} are added."
    )


def main(arguments: Sequence[str] | None = None, show: Callable[[str], None] = print) -> None:
    """Print the section for the bundled model, or the one of a folder."""
    from janus_med.engine import JanusMed

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="table of reports, or torchxrayvision's wheel"
    )
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    show(
        text_section(
            options.data, JanusMed.load(options.model, "cpu"), samples=options.samples, seed=options.seed
        )
    )
    show(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
