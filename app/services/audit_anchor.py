"""What was kept of the audit log outside of it, read back: exports, bundles, checkpoints of a process log."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.domain.audit_proof import Anchor
from app.domain.errors import Rejected

HEADING, CHECKPOINTS = "janus_med_audit", "checkpoints.jsonl"


def read_anchors(path: Path) -> tuple[Anchor, ...]:
    """Return the entries of the log that a file names with their digests.

    Parameters
    ----------
    path
        An export (CSV or JSON Lines), a bundle, or lines of JSON with ``seq`` and ``digest``: checkpoints, as
        they stand in a bundle and in the process log.

    Raises
    ------
    Rejected
        If it names none.
    """
    lines = _of_bundle(path) if zipfile.is_zipfile(path) else _of_lines(path.open(encoding="utf-8"), path)
    found = tuple(lines)
    if not found:
        raise Rejected(f"{path} names no entry of the audit log: give an export, a bundle or a checkpoint")
    return found


def _of_bundle(path: Path) -> Iterator[Anchor]:
    with zipfile.ZipFile(path) as bundle, bundle.open(CHECKPOINTS) as file:
        yield from _of_lines(io.TextIOWrapper(file, encoding="utf-8"), path)


def _of_lines(lines: io.TextIOBase | io.TextIOWrapper, path: Path) -> Iterator[Anchor]:
    with lines:
        for line in lines:
            fields = _fields_of(line)
            if HEADING in fields:
                yield Anchor(int(fields["head"]["seq"]), str(fields["head"]["digest"]), str(path))
                return
            kept = fields.get("detail", fields)
            if {"seq", "digest"} <= set(kept):
                yield Anchor(int(kept["seq"]), str(kept["digest"]), str(path))


def _fields_of(line: str) -> dict[str, Any]:
    """Return the fields of a line of JSON, or of the heading of a CSV export; none of any other line."""
    if line.startswith(f"{HEADING},"):
        cells = next(csv.reader([line]))
        line = cells[1] if len(cells) == 2 else ""
    try:
        fields = json.loads(line)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
