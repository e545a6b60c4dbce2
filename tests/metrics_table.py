"""Writes the table of metrics in `docs/operations.md`: `python -m tests.metrics_table [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from app.domain.metrics import METRICS, Kind
from tests.generated import DOCS, publish, replace_part

OPERATIONS = DOCS / "operations.md"


def render_metrics() -> str:
    """Return one row for every metric: its name as Prometheus stores it, kind, labels and meaning."""
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for plan in METRICS.values():
        name = f"{plan.name}_total" if plan.kind is Kind.COUNTER else plan.name
        labels = ", ".join(f"`{label}`" for label in plan.labels) or "-"
        lines.append(f"| `{name}` | {plan.kind.value} | {labels} | {plan.help} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Write the table, or with `--check` say whether the committed one is up to date."""
    document = replace_part(OPERATIONS.read_text(), "metrics", render_metrics())
    return publish(OPERATIONS, document, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
