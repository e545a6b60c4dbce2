"""The tables of the objects that leave, for `docs/conformance.md`: made from objects that were built."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from pydicom.datadict import dictionary_description
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from pacs_bridge.results import finding_codes
from pacs_bridge.results.rejection_note import TITLES
from pacs_bridge.results.report_content import Code
from tests.bridge.result_cases import make_case
from tests.bridge.result_objects import build_objects

# one report of each state, with and without a model
SEEDS = range(5)
KINDS = {
    "report": "Basic Text SR",
    "measurement": "Comprehensive 3D SR",
    "presentation0": "Grayscale Softcopy Presentation State",
    "capture": "Secondary Capture Image",
    "pdf": "Encapsulated PDF",
    "rejection": "Key Object Selection Document",
}
_FROM_THE_IMAGES = frozenset(
    {
        *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
        *("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription"),
        *("AccessionNumber", "ReferringPhysicianName", "PatientOrientation", "Laterality"),
    }
)
_FIXED_VRS = frozenset({"CS", "UI", "SH", "LO", "IS", "US"})


@cache
def example_objects() -> tuple[dict[str, Dataset], ...]:
    """Return the objects of each example report."""
    return tuple(build_objects(make_case(seed)) for seed in SEEDS)


def render_common_attributes() -> str:
    """Return the attributes that every kind of object has alike."""
    first, *others = (_rows(kind) for kind in KINDS)
    return _table(row for row in first if all(row in rows for rows in others))


def render_attributes(kind: str) -> str:
    """Return the top-level attributes that one kind of object has of its own, and with which value."""
    common = render_common_attributes()
    return _table(row for row in _rows(kind) if row not in common)


def render_findings() -> str:
    """Return codes and sites of the findings."""
    rows = [
        f"| {name} | {_code(code)} | {_code(site) if site else ''} |"
        for name, (code, site) in finding_codes.FINDINGS.items()
    ]
    return "\n".join(["| finding | code | site |", "|---|---|---|", *rows])


def render_rejection_titles() -> str:
    """Return the document title for each reason to take objects back."""
    rows = [f"| {reason.value} | {_code(code)} |" for reason, code in TITLES.items()]
    return "\n".join(["| reason | document title |", "|---|---|", *rows])


@cache
def _rows(kind: str) -> list[str]:
    objects = [built[kind] for built in example_objects() if kind in built]
    tags = sorted({element.tag for o in objects for element in o})
    return [f"| {_tag(tag)} | {dictionary_description(tag)} | {_presence(tag, objects)} |" for tag in tags]


def _table(rows: Iterable[str]) -> str:
    return "\n".join(["| tag | attribute | value |", "|---|---|---|", *rows])


def _presence(tag: BaseTag, objects: list[Dataset]) -> str:
    elements = [o[tag] for o in objects if tag in o]
    if elements[0].keyword in _FROM_THE_IMAGES:
        return "as in the images" + ("" if len(elements) == len(objects) else ", when there")
    when = "" if len(elements) == len(objects) else "when it applies: "
    if all(element.is_empty for element in elements):
        return "empty"
    values = {_shown(element.value) for element in elements}
    if elements[0].VR in _FIXED_VRS and len(values) == 1 and "InstanceUID" not in elements[0].keyword:
        return f"{when}`{values.pop()}`"
    return f"{when}{'items' if elements[0].VR == 'SQ' else 'of this object'}"


def _shown(value: Any) -> str:
    return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)


def _tag(tag: BaseTag) -> str:
    return f"({tag.group:04X},{tag.element:04X})"


def _code(code: Code) -> str:
    return f"({code.value}, {code.scheme}, {code.meaning})"
