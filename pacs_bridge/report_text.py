"""The text of a structured report, as plain lines: what a reader of a later study wants of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected

LONGEST_TEXT = 100_000
_DEEPEST = 32
_MOST_ITEMS = 5_000


def read_report_text(path: Path) -> str:
    """Return the text of an SR document: headings, texts, codes and numbers, in the order of its tree.

    Returns
    -------
    str
        At most 100,000 characters; empty when the document says nothing.

    Raises
    ------
    Rejected
        If the file is no DICOM file.
    """
    try:
        document = dcmread(path, stop_before_pixels=True)
        lines = list(_lines(document))
    except (InvalidDicomError, OSError) as error:
        raise Rejected(CANNOT_UNDERSTAND, "the report is no DICOM file") from error
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise Rejected(CANNOT_UNDERSTAND, "the report cannot be read") from error
    return "\n".join(lines)[:LONGEST_TEXT]


def _lines(document: Dataset) -> Iterator[str]:
    waiting: list[tuple[Dataset, int]] = [(document, 0)]
    seen = 0
    while waiting and seen < _MOST_ITEMS:
        item, depth = waiting.pop()
        seen += 1
        line = _line(item)
        if line:
            yield line
        if depth < _DEEPEST:
            waiting += [(child, depth + 1) for child in reversed(item.get("ContentSequence") or ())]


def _line(item: Dataset) -> str:
    """Return what one content item says (PS3.3 C.17.3)."""
    kind, name = str(item.get("ValueType", "")), _meaning(item.get("ConceptNameCodeSequence"))
    if kind == "CONTAINER":
        return name.upper()
    if kind == "TEXT":
        return " ".join(str(item.get("TextValue", "")).split())
    if kind == "CODE":
        return f"{name}: {_meaning(item.get('ConceptCodeSequence'))}"
    if kind == "NUM":
        measured = (item.get("MeasuredValueSequence") or [Dataset()])[0]
        unit = _meaning(measured.get("MeasurementUnitsCodeSequence"))
        return f"{name}: {measured.get('NumericValue', '')} {unit}".rstrip()
    return ""


def _meaning(sequence: Any) -> str:
    return str(sequence[0].get("CodeMeaning", "")) if sequence else ""
