"""A hospital's own films: a CSV of images, persons, reports and, where there are any, labels.

Columns: ``image`` (PNG, JPEG or DICOM, relative to the CSV), ``person``, ``report``, and as an option
``labels`` and ``split``. Without labels they are read from the report.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, cast, get_args

import numpy as np

from janus_med.errors import Fatal
from janus_med.facts import label_report
from janus_med.planning import IMPLIED_BY
from janus_med.reading import FINDINGS
from janus_med.training.data import Case, Part, part_of
from janus_med.training.report_turns import read_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEEDED = ("image", "person", "report")
FEWEST = {"train": 8, "calibration": 2}
"""Films a part must have; calibration takes about every seventh person."""

_VALUES = {"positive": 1.0, "negative": 0.0, "uncertain": np.nan}


def read_hospital(manifest: Path) -> list[Case]:
    """Read the manifest of a hospital.

    Parameters
    ----------
    manifest
        CSV in UTF-8. ``person`` may be any pseudonym: films of one person stay in one part. ``labels`` holds
        the names of the findings that are present, separated by semicolons, or ``No Finding``; what it does
        not name is absent. ``split`` is ``train``, ``calibration`` or ``val``; where it is empty the person
        decides.

    Returns
    -------
    list of Case
        In the order of the rows, with their report.

    Raises
    ------
    Fatal
        Naming the row: a column, a file, a person, report and labels are missing, or a word is not known.
        Or a part has too few films, or no training film is normal.
    """
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in NEEDED if name not in (reader.fieldnames or [])]:
            raise Fatal(f"{manifest}: no column {', '.join(missing)}; needed are {', '.join(NEEDED)}")
        cases = [_read_row(manifest, number, row) for number, row in enumerate(reader, start=2)]
    if problems := list(_find_lacks(cases)):
        raise Fatal(f"{manifest}: {problems[0]}")
    return cases


def _read_row(manifest: Path, number: int, row: dict[str, str]) -> Case:
    image, person = (row["image"] or "").strip(), (row["person"] or "").strip()
    report, labels = (row["report"] or "").strip(), (row.get("labels") or "").strip()
    split = (row.get("split") or "").strip()
    path = manifest.parent / image
    if not image or not path.is_file():
        raise Fatal(f"{manifest}, row {number}: no image {image!r} beside the manifest")
    if not person:
        raise Fatal(f"{manifest}, row {number}: no person; films of one person must not be torn apart")
    if not report and not labels:
        raise Fatal(f"{manifest}, row {number}: neither report nor labels")
    if split and split not in get_args(Part):
        raise Fatal(f"{manifest}, row {number}: split {split!r}; train, calibration, val or nothing expected")
    part: Part = cast("Part", split) if split else part_of(person)
    known = _read_labels(manifest, number, labels) if labels else label_text(report)
    return Case(path, "hospital", "", person, part, known, report)


def _read_labels(manifest: Path, number: int, labels: str) -> np.ndarray:
    names = [name.strip() for name in labels.split(";") if name.strip()]
    if unknown := [name for name in names if name not in FINDINGS]:
        raise Fatal(
            f"{manifest}, row {number}: unknown label {unknown[0]!r}; known are {', '.join(FINDINGS)}"
        )
    values = np.array([float(name in names) for name in FINDINGS], dtype=np.float32)
    return _close(values)


def label_text(report: str) -> np.ndarray:
    """Label a report: (14,) float32 of 1, 0 and NaN for what it leaves open.

    Notes
    -----
    What a report does not speak of counts as absent, as in the CheXpert labels (Irvin et al. 2019).
    """
    facts = label_report(report)
    values = np.array(
        [_VALUES[facts[name].polarity] if name in facts else 0.0 for name in FINDINGS], dtype=np.float32
    )
    return _close(values)


def _close(values: np.ndarray) -> np.ndarray:
    """Give a present child its parent, as the hierarchy of the findings has it."""
    closed = values.copy()
    for parent, children in IMPLIED_BY.items():
        if (values[[FINDINGS.index(child) for child in children]] == 1).any():
            closed[FINDINGS.index(parent)] = 1.0
    return closed


def _find_lacks(cases: list[Case]) -> Iterator[str]:
    for part, fewest in FEWEST.items():
        count = sum(case.part == part for case in cases)
        if count < fewest:
            yield f"{count} films for {part}, {fewest} at least; add persons, or give them a split"
        if not any(case.normal for case in cases if case.part == part):
            yield f"no film for {part} is normal; lesions are drawn into normal films, so some are needed"


def with_written_reports(cases: list[Case]) -> list[Case]:
    """Return the cases with their report as the model shall write it, "" where it cannot teach to write."""
    return [replace(case, report=read_report(case.report)) for case in cases]
