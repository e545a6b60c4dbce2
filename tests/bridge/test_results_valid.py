"""Every object of many generated reports, as independent validators see it (T26).

Covered: Basic Text SR, Comprehensive 3D SR, presentation state, secondary capture, encapsulated PDF and
rejection note in every state, with names and texts of many scripts: dciodvfy finds no error and no warning
but the justified ones, dsrdump reads every SR, dsr2xml returns every text as it was written.
`JANUS_TEST_CASES=500` runs as many reports. Not covered: dicom-validator, which needs the standard's DocBook
from the network; bent values of the images (test_patient_copied).
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from pydicom import dcmread

from pacs_bridge import Rejected
from pacs_bridge.results import build_encapsulated_pdf
from tests.bridge.result_cases import make_case
from tests.bridge.result_objects import (
    DCIODVFY,
    DSRDUMP,
    build_objects,
    complaints_of_dsrdump,
    texts_by_dcmtk,
    texts_by_pydicom,
    validate,
)
from tests.conftest import need
from tests.reliability import record

CASES = int(os.environ.get("JANUS_TEST_CASES", "60"))
SR_KINDS = {"report", "measurement", "rejection"}


def check(seed, folder):
    """Write and validate every object of a case; returns how many there were and what was wrong."""
    case, wrong = make_case(seed), []
    objects = build_objects(case)
    for kind, document in objects.items():
        path = folder / f"{kind}.dcm"
        document.save_as(path, enforce_file_format=True)
        errors, warnings = validate(path)
        wrong += [f"{seed} {kind}: {line}" for line in (*errors, *warnings)]
        if kind in SR_KINDS:
            wrong += [f"{seed} {kind}: {line}" for line in complaints_of_dsrdump(path)]
            written, read = texts_by_pydicom(document), texts_by_dcmtk(path)
            if written != read:
                wrong.append(f"{seed} {kind}: text differs")
            if written != texts_by_pydicom(dcmread(path)):
                wrong.append(f"{seed} {kind}: text differs after reading the file")
    if case.is_right_to_left:
        with pytest.raises(Rejected):
            build_encapsulated_pdf(case.content)
    return len(objects), wrong


@pytest.mark.slow
@pytest.mark.covers("T26", "T27", "O4")
def test_generated_reports_are_valid_and_keep_every_text(tmp_path, record_property):
    need(DCIODVFY.exists() and DSRDUMP.exists(), "dicom3tools and dcmtk (apt-get install dicom3tools dcmtk)")
    count, wrong = 0, []
    for seed in range(CASES):
        built, found = check(seed, tmp_path)
        count, wrong = count + built, wrong + found
    record_property("objects", count)
    record(
        "generated_reports",
        f"{CASES} generated reports in every format and state through `dciodvfy`, `dsrdump` and back",
        f"{count} objects, {len(wrong)} errors and differences of text",
        figures={"reports": CASES, "objects": count, "wrong": len(wrong)},
    )
    assert wrong == []


def test_validator_notices_a_missing_attribute(tmp_path):
    """The gauge itself: without a type 1 attribute dciodvfy must complain."""
    need(DCIODVFY.exists(), "dicom3tools (apt-get install dicom3tools)")
    document = build_objects(make_case(2))["report"]
    del document.CompletionFlag
    document.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    errors, _ = validate(tmp_path / "sr.dcm")
    assert any("CompletionFlag" in line for line in errors)


@pytest.mark.parametrize("seed", [2, 3])
def test_same_case_gives_the_same_bytes(seed, tmp_path):
    for name in ("a", "b"):
        for kind, document in build_objects(make_case(seed)).items():
            document.save_as(tmp_path / f"{kind}.{name}", enforce_file_format=True)
    for first in tmp_path.glob("*.a"):
        assert first.read_bytes() == first.with_suffix(".b").read_bytes(), first.name


def test_objects_of_a_report_are_in_series_of_their_own():
    objects = build_objects(make_case(2)).values()
    assert len({o.SeriesInstanceUID for o in objects}) == len(objects)
    assert len({o.SOPInstanceUID for o in objects}) == len(objects)


@pytest.mark.covers("O5")
def test_no_object_is_a_segmentation():
    segmentation = {"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"}
    for seed in range(3):
        for document in build_objects(make_case(seed)).values():
            assert document.SOPClassUID not in segmentation
            assert document.Modality != "SEG"
            assert "SegmentSequence" not in document


@pytest.mark.covers("T26")
def test_every_object_with_ai_content_names_the_model_and_its_digest():
    case = make_case(2)
    model = replace(make_case(0), content=case.content).content.algorithm
    assert model is not None
    for kind, document in build_objects(case).items():
        if kind == "rejection":
            continue
        (equipment,) = document.ContributingEquipmentSequence
        assert equipment.ManufacturerModelName == model.name
        assert equipment.SoftwareVersions == model.version
        assert model.weights_sha256 in equipment.ContributionDescription
        assert document.ContentQualification == "RESEARCH"
