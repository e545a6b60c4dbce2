"""Writes the names and functions of routing rules in `docs/operations.md`: `python -m tests.rule_names`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from app.domain.rule_functions import FUNCTIONS, METHODS
from app.domain.rule_names import OWN_NAMES
from tests.generated import DOCS, publish, replace_part

OPERATIONS = DOCS / "operations.md"


def render_names() -> str:
    """Return one row for every name of ours, every function and every method."""
    lines = ["| name | is | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {kind.value} | {meaning} |" for name, (kind, meaning) in OWN_NAMES.items()]
    for name, function in FUNCTIONS.items():
        arguments = ", ".join("value" if len(kinds) > 1 else "text" for kinds in function.takes)
        lines.append(f"| `{name}({arguments})` | {function.gives.value} | {function.meaning} |")
    for name, method in METHODS.items():
        lines.append(
            f"| `TEXT.{name}({'text' if method.takes else ''})` | {method.gives.value} | {method.meaning} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Write the table, or with `--check` say whether the committed one is up to date."""
    document = replace_part(OPERATIONS.read_text(), "rule names", render_names())
    return publish(OPERATIONS, document, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
