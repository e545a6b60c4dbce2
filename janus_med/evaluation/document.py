"""The one document of an evaluation: a page of bars, then the tables behind them."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from janus_med.evaluation.tables import bars_table

if TYPE_CHECKING:
    from datetime import datetime

    from janus_med.checkpoint import Manifest
    from janus_med.evaluation.measure import Exam
    from janus_med.evaluation.sections import Section

_HEAD = """# Model evaluation

Written by `janus-med model evaluate --doc`; edit nothing here by hand. **Not for clinical use**: no figure
was measured on a clinical population.

| | |
|---|---|
{facts}

## Bars

{verdicts} of {bars} bars are met. Each was fixed before the model was measured; a verdict compares the value
with the bar, and *interval crosses the bar* says that the 95 % interval (bootstrap over persons, {resamples}
resamples) allows the other verdict too. Baselines were measured on the same films.

{table}
"""


@dataclass(frozen=True)
class Run:
    """What was evaluated, when and on what, as pairs for the head of the document."""

    facts: tuple[tuple[str, str], ...]
    resamples: int


def describe_run(manifest: Manifest, exam: Exam, now: datetime, seconds: float) -> Run:
    """Describe a finished evaluation; commit and machine are looked up here.

    Parameters
    ----------
    manifest
        Of the model folder.
    exam
        What was looked at.
    now
        Aware, UTC.
    seconds
        How long it took.
    """
    films = Counter(case.part for case in exam.store.cases)
    labelled = Counter(case.part for case in exam.store.cases if case.labelled)
    parts = ", ".join(f"{count} {part} ({labelled[part]} labelled)" for part, count in films.items())
    effort = exam.effort
    facts = (
        (
            "model",
            f"`{manifest.id}`, preset `{manifest.preset}`, "
            f"adapters SHA-256 `{exam.engine.info.adapters_sha256[:16]}`",
        ),
        ("date", f"{now:%Y-%m-%d %H:%M} UTC"),
        ("commit", _commit()),
        (
            "machine",
            f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}, "
            f"load {os.getloadavg()[0]:.1f} at the end",
        ),
        ("took", f"{seconds:.0f} s"),
        ("seed", str(exam.seed)),
        ("films of the data folder", parts),
        (
            "films made for this run",
            f"{effort.inserted} with inserted lesions a brush, {effort.decoys} decoys, {effort.pairs} pairs, "
            f"{effort.mixture} of the mixture, {effort.drafts} drafts",
        ),
    )
    return Run(facts, exam.resamples)


def _commit() -> str:
    folder = Path(__file__).parent
    try:
        revision = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return "not a checkout"
    return f"`{revision}`" + (" with uncommitted changes" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def write_document(run: Run, sections: list[Section]) -> str:
    """Return the document in Markdown."""
    bars = [bar for section in sections for bar in section.bars]
    head = _HEAD.format(
        facts="\n".join(f"| {name} | {value} |" for name, value in run.facts),
        verdicts=sum(bar.verdict.startswith("met") for bar in bars),
        bars=len(bars),
        resamples=run.resamples,
        table=bars_table(bars),
    )
    chapters = [f"## {section.title}\n\n{section.text.strip()}\n" for section in sections]
    return "\n".join([head, *chapters])


def card_figures(sections: list[Section]) -> str:
    """Return the short figures of the model card: the bars, and one table a section."""
    bars = bars_table([bar for section in sections for bar in section.bars])
    link = "Every figure with its intervals and baselines is in `docs/model_evaluation.md`."
    tables = [f"### {section.title}\n\n{section.summary}" for section in sections if section.summary]
    return "\n\n".join([link, bars, *tables]) + "\n"
