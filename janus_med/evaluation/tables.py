"""Markdown tables of figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from janus_med.evaluation.bootstrap import Figure
    from janus_med.evaluation.sections import Bar


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of texts."""
    names = list(head)
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def figures_table(columns: Mapping[str, Mapping[str, Figure]], *, mean: bool = False) -> str:
    """Return one row a figure and one column a set of films; positives in brackets.

    Parameters
    ----------
    columns
        Figures by row name, by column name.
    mean
        Whether to end with the plain mean of each column.
    """
    names = list(dict.fromkeys(name for rows in columns.values() for name in rows))
    body = [[name, *(_cell(rows.get(name)) for rows in columns.values())] for name in names]
    if mean:
        body.append(["**mean**", *(_mean(list(rows.values())) for rows in columns.values())])
    return markdown_table(["", *columns], body)


def measures_table(rows: Mapping[str, Mapping[str, Figure]], *, mean: bool = True) -> str:
    """Return one row a finding with its count, one column a measure, and the mean over the findings."""
    if not rows:
        return "No film of this kind."
    measures = list(dict.fromkeys(measure for figures in rows.values() for measure in figures))
    body = [
        [name, str(max(figure.count for figure in figures.values()))]
        + [str(figures[measure]) if measure in figures else "-" for measure in measures]
        for name, figures in rows.items()
    ]
    if mean:
        columns = [
            [figures[measure] for figures in rows.values() if measure in figures] for measure in measures
        ]
        body.append(["**mean**", "", *(_mean(column) for column in columns)])
    return markdown_table(["", "n", *measures], body)


def bars_table(bars: Iterable[Bar]) -> str:
    """Return one row a bar: value, interval, baselines, bound, verdict."""
    head = ("what", "value (95 % interval)", "baselines", "bar", "verdict")
    return markdown_table(
        head,
        (
            (
                bar.name,
                precise(bar.figure),
                bar.baselines,
                bar.asked,
                f"**{bar.verdict}**" if "missed" in bar.verdict else bar.verdict,
            )
            for bar in bars
        ),
    )


def precise(figure: Figure) -> str:
    """Return value and interval with three decimals, or one where they are large."""
    if np.isnan(figure.value):
        return "-"
    digits = 1 if abs(figure.value) >= 10 else 3
    if np.isnan(figure.low):
        return f"{figure.value:.{digits}f}"
    return f"{figure.value:.{digits}f} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"


def _cell(figure: Figure | None) -> str:
    return "-" if figure is None or np.isnan(figure.value) else f"{figure} ({figure.positives})"


def _mean(figures: list[Figure]) -> str:
    values = [figure.value for figure in figures if not np.isnan(figure.value)]
    return f"{np.mean(values):.2f}" if values else "-"
