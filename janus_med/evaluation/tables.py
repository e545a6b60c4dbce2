"""Markdown tables of figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from janus_med.evaluation.metrics import Figure


def figures_table(columns: dict[str, dict[str, Figure]], *, mean: bool = False) -> str:
    """Return one row a figure and one column a set of films.

    Parameters
    ----------
    columns
        Figures by row name, by column name.
    mean
        Whether to end with the plain mean of each column.
    """
    names = list(dict.fromkeys(name for rows in columns.values() for name in rows))
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for name in names:
        cells = [_cell(rows.get(name)) for rows in columns.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if mean:
        means = [
            f"{np.mean([figure.value for figure in rows.values()]):.2f}" if rows else "-"
            for rows in columns.values()
        ]
        lines.append("| **mean** | " + " | ".join(means) + " |")
    return "\n".join(lines)


def _cell(figure: Figure | None) -> str:
    return "-" if figure is None else f"{figure} ({figure.positives})"


def localisation_table(rows: dict[str, dict[str, Figure]]) -> str:
    """Return one row a finding, one column a measure, and the mean."""
    if not rows:
        return "-"
    measures = list(next(iter(rows.values())))
    lines = ["| | n | " + " | ".join(measures) + " |", "|---|---|" + "---|" * len(measures)]
    for name, figures in rows.items():
        cells = [str(figures[measure]) for measure in measures]
        lines.append(f"| {name} | {figures[measures[0]].count} | " + " | ".join(cells) + " |")
    means = [f"{np.mean([figures[measure].value for figures in rows.values()]):.2f}" for measure in measures]
    lines.append("| **mean** | | " + " | ".join(means) + " |")
    return "\n".join(lines)
