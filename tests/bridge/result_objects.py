"""Every object of a case, built, and the validators that read it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from pydicom.dataset import Dataset

from pacs_bridge.results import (
    build_encapsulated_pdf,
    build_measurement_sr,
    build_presentation_state,
    build_rejection_note,
    build_report_sr,
    build_secondary_capture,
    derived_uid,
    group_images,
)
from tests.bridge.result_cases import Case, pixels_of

DCIODVFY = Path("/usr/bin/dciodvfy")
DSRDUMP = Path("/usr/bin/dsrdump")
DSR2XML = Path("/usr/bin/dsr2xml")

# Warnings of dciodvfy that are right as they are; everything else fails a test.
EXPECTED_WARNINGS = {
    "our own coding scheme has no entry in its list": r"CodingSchemeDesignator.*<99JANUSMED>",
    "its list of coding schemes is older than the language codes of RFC 5646": r"<RFC5646>",
    "type 2 attributes are empty as in the source, though a DICOMDIR would like a value": (
        r"(Missing attribute or value that would be needed to build DICOMDIR|"
        r"Value dubious for this VR.*\(0010,0010\))"
    ),
    "General Series wants Laterality (2C), and whether the part is paired is unknown": (
        r"</Laterality\(0020,0060\)> - is only permitted to be empty when actually unknown"
    ),
}


def build_objects(case: Case) -> dict[str, Dataset]:
    """Build every kind; the PDF only of what it can set."""
    content = case.content

    def named(kind: str, number: int = 0):
        uid = derived_uid(kind, content.sop_instance_uid, str(number))
        return replace(content, sop_instance_uid=uid, series_uid=derived_uid("series", uid), predecessors=())

    objects = {
        "report": build_report_sr(content),
        "measurement": build_measurement_sr(named("measurement"), case.findings),
        "rejection": build_rejection_note(case.rejection),
    }
    for number, group in enumerate(group_images(case.images)):
        objects[f"presentation{number}"] = build_presentation_state(
            named("presentation", number), group, case.findings
        )
    image = case.images[0]
    objects["capture"] = build_secondary_capture(named("capture"), image, pixels_of(image), case.findings)
    if not case.is_right_to_left:
        pdf = replace(named("pdf"), predecessors=content.predecessors)
        objects["pdf"] = build_encapsulated_pdf(pdf)
    return objects


def validate(path: Path) -> tuple[list[str], list[str]]:
    """Return the errors and the warnings that nobody has justified, as dciodvfy sees the file."""
    done = subprocess.run([DCIODVFY, "-new", path], capture_output=True, text=True, check=False)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error") or "rror -" in line]
    expected = [re.compile(pattern) for pattern in EXPECTED_WARNINGS.values()]
    warnings = [
        line
        for line in lines
        if line.startswith("Warning") and not any(pattern.search(line) for pattern in expected)
    ]
    return errors, warnings


def complaints_of_dsrdump(path: Path) -> list[str]:
    """Return what dsrdump says is wrong; that it cannot check every value of ISO_IR 192 is no complaint."""
    done = subprocess.run([DSRDUMP, path], capture_output=True, check=False)
    lines = done.stderr.decode(errors="replace").splitlines()
    said = [line for line in lines if line.startswith(("W:", "E:", "F:"))]
    allowed = ("VR checker does not support this Specific Character Set", "template constraints not yet")
    wrong = [line for line in said if not any(words in line for words in allowed)]
    return wrong if done.returncode == 0 else [f"exit code {done.returncode}", *wrong]


def texts_by_dcmtk(path: Path) -> list[str]:
    """Return the values of all TEXT items in document order, as DCMTK's dsr2xml reads them."""
    done = subprocess.run([DSR2XML, path], capture_output=True, check=True)
    root = ET.fromstring(done.stdout)
    return [value.text or "" for item in root.iter("text") for value in item.findall("value")]


def texts_by_pydicom(document: Dataset) -> list[str]:
    """Return the values of all TEXT items in document order."""
    found = []
    for item in document.get("ContentSequence", []):
        if item.ValueType == "TEXT":
            found.append(item.TextValue)
        found += texts_by_pydicom(item)
    return found
