"""Writes the tables of `docs/conformance.md` from what the listener negotiates."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pydicom.uid import UID

from pacs_bridge.listener import VERIFICATION, supported_contexts
from tests.generated import DOCS, publish, replace_part

CONFORMANCE = DOCS / "conformance.md"


def render_transfer_syntaxes() -> str:
    """Return the transfer syntaxes that the listener accepts for storage, preferred ones first."""
    storage = next(context for context in supported_contexts() if context.abstract_syntax != VERIFICATION)
    rows = [f"| {UID(syntax).name} | `{syntax}` |" for syntax in storage.transfer_syntax]
    return "\n".join(["| transfer syntax | UID |", "|---|---|", *rows])


def render_storage_classes() -> str:
    """Return the SOP classes that the listener accepts, by name."""
    classes = sorted(
        (UID(context.abstract_syntax).name, context.abstract_syntax)
        for context in supported_contexts()
        if context.abstract_syntax != VERIFICATION
    )
    return "\n".join(
        ["| SOP class | UID |", "|---|---|", *(f"| {name} | `{uid}` |" for name, uid in classes)]
    )


def main(arguments: Sequence[str]) -> int:
    """Write the tables, or with `--check` say whether the committed ones are up to date."""
    document = CONFORMANCE.read_text()
    document = replace_part(document, "transfer syntaxes", render_transfer_syntaxes())
    document = replace_part(document, "storage classes", render_storage_classes())
    return publish(CONFORMANCE, document, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
