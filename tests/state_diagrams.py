"""Draws the state machines of the domain into docs: `python -m tests.state_diagrams [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from app.domain.commitment import COMMITMENT_TRANSITIONS
from app.domain.critical import CRITICAL_TRANSITIONS
from app.domain.delivery import DELIVERY_TRANSITIONS
from app.domain.emergency import EMERGENCY_TRANSITIONS
from app.domain.order import ORDER_TRANSITIONS
from app.domain.question import QUESTION_TRANSITIONS
from app.domain.report import REPORT_TRANSITIONS
from app.domain.study import STUDY_TRANSITIONS

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "state_machines.md"
HEAD = """# State machines

Drawn by `make docs` from the tables in `app/domain`. A pair of state and command without an arrow raises
`InvalidTransition`, below the user interface, and changes nothing.
"""


def draw(name: str, table: Mapping[tuple[Any, Any], StrEnum]) -> str:
    """Return one machine as a Mermaid diagram, arrows in the order of the table."""
    arrows = [
        f"    {state.value} --> {after.value}: {command.value}" for (state, command), after in table.items()
    ]
    return "\n".join([f"## {name}", "", "```mermaid", "stateDiagram-v2", *arrows, "```", ""])


def render() -> str:
    """Return the whole document."""
    machines = {
        "Study": STUDY_TRANSITIONS,
        "Report": REPORT_TRANSITIONS,
        "Delivery": DELIVERY_TRANSITIONS,
        "Storage commitment request": COMMITMENT_TRANSITIONS,
        "Order": ORDER_TRANSITIONS,
        "Critical result": CRITICAL_TRANSITIONS,
        "Emergency access": EMERGENCY_TRANSITIONS,
        "Question to the image": QUESTION_TRANSITIONS,
    }
    return "\n".join([HEAD, *(draw(name, table) for name, table in machines.items())])


def main(arguments: Sequence[str]) -> int:
    """Write the document, or with `--check` say whether the committed one is up to date."""
    if "--check" not in arguments:
        DOCUMENT.write_text(render())
    elif not DOCUMENT.exists() or DOCUMENT.read_text() != render():
        print("docs/state_machines.md is out of date: run `make docs`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
