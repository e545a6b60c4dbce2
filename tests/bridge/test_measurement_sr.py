"""The measurement SR: TID 1500 with codes, numbers, regions and their origin.

Covered: groups as pydicom reads them; codes of the fourteen findings; coordinates. Not covered: validity
(test_results_valid).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pacs_bridge import Rejected
from pacs_bridge.results import (
    AcceptedFinding,
    Laterality,
    Presence,
    Region,
    ReportState,
    build_measurement_sr,
)
from pacs_bridge.results.finding_codes import FINDINGS, code_of
from tests.bridge.test_report_sr import IMAGE, content, items

HEART = AcceptedFinding(
    "Cardiomegaly",
    probability=0.07,
    regions=(Region(IMAGE, (10.0, 20.5, 110.25, 220.0)),),
    images=(IMAGE,),
    laterality=Laterality.LEFT,
)


def groups(document):
    return items(document, "Measurement Group")


def code(item):
    concept = item.ConceptCodeSequence[0]
    return concept.CodeValue, concept.CodingSchemeDesignator


def test_document_is_comprehensive_3d_sr_of_template_1500():
    document = build_measurement_sr(content(), [HEART])
    assert document.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert document.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert document.ConceptNameCodeSequence[0].CodeValue == "126000"


@pytest.mark.covers("O4")
def test_group_holds_code_presence_probability_site_side_and_region():
    (group,) = groups(build_measurement_sr(content(), [HEART]))
    assert code(items(group, "Finding")[0]) == ("8186001", "SCT")
    assert code(items(group, "Presence of property")[0]) == ("121053", "DCM")
    assert code(items(group, "Finding Site")[0]) == ("80891009", "SCT")
    assert code(items(group, "Laterality")[0]) == ("7771000", "SCT")
    (certainty,) = items(group, "Certainty of Finding")
    (value,) = certainty.MeasuredValueSequence
    assert float(value.NumericValue) == 7.0
    assert value.MeasurementUnitsCodeSequence[0].CodeValue == "%"
    (kind,) = items(group, "Kind of region")
    assert kind.ConceptCodeSequence[0].CodeMeaning == "AI attention, not a measurement"


@pytest.mark.covers("O4", "O1")
def test_region_is_a_closed_rectangle_in_the_coordinates_of_the_image():
    """PS3.3 C.18.6.1.1: (0, 0) is the corner of the first pixel, as in `Region`: nothing is added."""
    (region,) = items(build_measurement_sr(content(), [HEART]), kind="SCOORD")
    assert region.GraphicType == "POLYLINE"
    assert list(region.GraphicData) == [10, 20.5, 110.25, 20.5, 110.25, 220, 10, 220, 10, 20.5]
    (source,) = items(region, kind="IMAGE")
    assert source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == IMAGE.sop_instance_uid


def test_region_of_a_frame_names_it():
    of_frame = replace(HEART, regions=(replace(HEART.regions[0], frame=3),))
    (source,) = items(items(build_measurement_sr(content(), [of_frame]), kind="SCOORD")[0], kind="IMAGE")
    assert source.ReferencedSOPSequence[0].ReferencedFrameNumber == 3


@pytest.mark.covers("T26")
def test_model_is_named_in_each_group_that_is_its_work_and_in_no_other():
    own = AcceptedFinding("Fracture", images=(IMAGE,))
    by_model, by_reader = groups(build_measurement_sr(content(), [HEART, own]))
    assert [i.TextValue for i in items(by_model, "Algorithm Name")] == ["janus-tiny"]
    assert f"weights sha256={'ab' * 32}" in [i.TextValue for i in items(by_model, "Algorithm Parameters")]
    assert items(by_reader, "Algorithm Name") == []
    assert items(by_reader, "Certainty of Finding") == []
    (image,) = items(by_reader, kind="IMAGE")
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == IMAGE.sop_instance_uid


def test_person_and_device_are_observers():
    document = build_measurement_sr(content(), [HEART])
    kinds = [i.ConceptCodeSequence[0].CodeMeaning for i in items(document, "Observer Type")]
    assert kinds == ["Person", "Device"]
    assert document.VerifyingObserverSequence[0].VerifyingObserverName == "Reader^Rita"


def test_each_region_has_its_own_tracking_uid_and_keeps_it_in_a_correction():
    two = replace(HEART, regions=(HEART.regions[0], Region(IMAGE, (0, 0, 5, 5))))
    first = build_measurement_sr(content(), [two])
    later = build_measurement_sr(content(sop_instance_uid="1.2.3.9.2"), [two])
    uids = [[i.UID for i in items(d, "Tracking Unique Identifier")] for d in (first, later)]
    assert len(set(uids[0])) == 2
    assert uids[0] == uids[1]


@pytest.mark.parametrize(
    ("presence", "value"),
    [(Presence.PRESENT, "121053"), (Presence.ABSENT, "121054"), (Presence.POSSIBLE, "121059")],
)
def test_presence_is_as_the_report_says(presence, value):
    document = build_measurement_sr(content(), [replace(HEART, presence=presence)])
    assert code(items(document, "Presence of property")[0]) == (value, "DCM")


def test_unsigned_finding_is_not_called_accepted():
    draft = content(state=ReportState.DRAFTED, verifications=())
    (review,) = items(build_measurement_sr(draft, [HEART]), "Review of the finding")
    assert review.ConceptCodeSequence[0].CodeMeaning == "Not yet signed"


@pytest.mark.parametrize("probability", [0.0, 1.0, 0.1, 0.29, 0.123456789012345678, 1 / 3])
def test_probability_is_the_accepted_one(probability):
    document = build_measurement_sr(content(), [replace(HEART, probability=probability)])
    (value,) = items(document, "Certainty of Finding")[0].MeasuredValueSequence
    assert float(value.FloatingPointValue) == pytest.approx(probability * 100, abs=1e-12)
    assert len(str(value.NumericValue)) <= 16


def test_codes_of_the_fourteen_are_distinct_and_fit_their_vr():
    codes = [code for code, _ in FINDINGS.values()]
    assert len(FINDINGS) == 14
    assert len({(c.value, c.scheme) for c in codes}) == 14
    assert all(len(c.value) <= 16 and len(c.meaning) <= 64 for c in codes)


def test_words_without_a_code_get_the_same_private_code_every_time():
    code, site = code_of("Rib notching")
    assert code == code_of("Rib notching")[0] != code_of("Rib  notching")[0]
    assert (code.scheme, code.meaning, site) == ("99JANUSMED", "Rib notching", None)


@pytest.mark.parametrize(
    "findings",
    [
        [],
        [replace(HEART, name=" ")],
        [replace(HEART, name="x" * 65)],
        [replace(HEART, name="a\\b")],
        [replace(HEART, probability=1.01)],
        [replace(HEART, probability=float("nan"))],
        [replace(HEART, regions=(Region(IMAGE, (5, 5, 5, 9)),))],
        [replace(HEART, regions=(Region(IMAGE, (-1, 0, 5, 9)),))],
        [replace(HEART, regions=(Region(IMAGE, (0, 0, float("inf"), 9)),))],
        [HEART, HEART],
    ],
)
def test_what_is_no_finding_is_refused(findings):
    with pytest.raises(Rejected):
        build_measurement_sr(content(), findings)
