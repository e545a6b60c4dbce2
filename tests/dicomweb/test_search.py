"""QIDO-RS: matching, required attributes, paging, what is refused.

Covered: the three levels, exact, wildcard, range and UID list matching, warnings, 204, 400, 406.
Not covered: speed on large databases (`bench/qido.py`); matching by attributes that the database does not
hold (refused).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.dicomweb.bodies import changed, copy_of
from tests.dicomweb.conftest import JSON, Site

STUDY_REQUIRED = {
    *("00080020", "00080030", "00080050", "00080056", "00080061", "00080090", "00081190", "00100010"),
    *("00100020", "00100030", "00100040", "0020000D", "00200010", "00201206", "00201208"),
}
SERIES_REQUIRED = {"00080060", "0008103E", "00081190", "0020000E", "00200011", "00201209"}
INSTANCE_REQUIRED = {
    *("00080016", "00080018", "00080056", "00081190", "00200013"),
    *("00280008", "00280010", "00280011", "00280100"),
}


@pytest.fixture
def three_studies(site: Site, ct_slice: Path) -> Site:
    """Studies of three patients."""
    people = [("P1", "DOE^JANE", "20200101", "1.2.1"), ("P2", "ROE^RICHARD", "20210615", "1.2.2")]
    people.append(("P3", "MÜLLER_100%^J", "20221231", "1.2.3"))
    site.have(
        *[
            copy_of(
                ct_slice,
                SpecificCharacterSet="ISO_IR 192",
                PatientID=patient_id,
                PatientName=name,
                StudyDate=date,
                StudyTime="1030",
                StudyInstanceUID=uid,
                StudyID=f"S{patient_id}",
                SeriesInstanceUID=f"{uid}.1",
                SeriesNumber=int(uid[-1]),
                AccessionNumber=f"A{patient_id}",
            )
            for patient_id, name, date, uid in people
        ]
    )
    return site


@pytest.fixture
def found(three_studies: Site) -> Callable[..., list[str]]:
    """Searches studies of three patients and names the Patient IDs found."""
    client = three_studies.client("viewer")

    def search(**parameters: str) -> list[str]:
        answer = client.get("/studies", params=parameters, headers=JSON)
        assert answer.status_code in {200, 204}, answer.text
        return [] if answer.status_code == 204 else [r["00100020"]["Value"][0] for r in answer.json()]

    return search


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "P3 P2 P1"),
        ({"PatientID": "P2"}, "P2"),
        ({"00100020": "P2"}, "P2"),
        ({"PatientName": "doe^jane"}, "P1"),
        ({"PatientName": "*OE^*"}, "P2 P1"),
        ({"PatientName": "?OE^RICHARD"}, "P2"),
        ({"PatientName": "MÜLLER_100%*"}, "P3"),
        ({"PatientName": "M_LLER*"}, ""),
        ({"PatientID": "%"}, ""),
        ({"PatientID": "*"}, "P3 P2 P1"),
        ({"StudyDate": "20210615"}, "P2"),
        ({"StudyDate": "20200101-20211231"}, "P2 P1"),
        ({"StudyDate": "-20201231"}, "P1"),
        ({"StudyDate": "20210615-"}, "P3 P2"),
        ({"StudyTime": "10-1030"}, "P3 P2 P1"),
        ({"StudyTime": "1100-"}, ""),
        ({"StudyInstanceUID": "1.2.1,1.2.3"}, "P3 P1"),
        ({"StudyInstanceUID": "1.2.1\\1.2.2"}, "P2 P1"),
        ({"ModalitiesInStudy": "CT"}, "P3 P2 P1"),
        ({"ModalitiesInStudy": "MR"}, ""),
        ({"AccessionNumber": "AP3", "PatientID": "P3"}, "P3"),
        ({"AccessionNumber": "AP3", "PatientID": "P1"}, ""),
        ({"StudyID": "SP2"}, "P2"),
        ({"00200010": "S?3"}, "P3"),
        ({"PatientID": "P1' OR '1'='1"}, ""),
        ({"limit": "1"}, "P3"),
        ({"limit": "1", "offset": "2"}, "P1"),
        ({"offset": "9"}, ""),
    ],
)
def test_studies_are_matched(
    found: Callable[..., list[str]], parameters: dict[str, str], expected: str
) -> None:
    assert found(**parameters) == expected.split()


@pytest.mark.parametrize(
    ("number", "expected"), [("2", ["1.2.2.1"]), ("+3", ["1.2.3.1"]), ("9", []), ("x", [])]
)
def test_series_are_matched_by_number(three_studies: Site, number: str, expected: list[str]) -> None:
    answer = three_studies.client("viewer").get("/series", params={"SeriesNumber": number}, headers=JSON)
    rows = answer.json() if answer.status_code == 200 else []
    assert [row["0020000E"]["Value"][0] for row in rows] == expected


def test_pages_follow_each_other_without_gap_and_say_what_remains(site: Site, ct_slice: Path) -> None:
    site.have(
        *[copy_of(ct_slice, StudyInstanceUID=f"1.2.{n}", SeriesInstanceUID=f"1.2.{n}.1") for n in range(7)]
    )
    client, seen = site.client("viewer"), []
    for offset in (0, 3, 6):
        answer = client.get("/studies", params={"limit": 3, "offset": offset})
        seen += [row["0020000D"]["Value"][0] for row in answer.json()]
        left = 7 - offset - len(answer.json())
        assert (f"There are {left} additional results" in answer.headers.get("warning", "")) is (left > 0)
    assert sorted(seen) == [f"1.2.{n}" for n in range(7)]


def test_required_attributes_are_returned_at_every_level(site: Site, ct_slice: Path) -> None:
    second = copy_of(ct_slice, InstanceNumber=2)
    other = copy_of(ct_slice, SeriesInstanceUID="1.2.9", Modality="SR", SeriesNumber=9)
    site.have(ct_slice, second, other)
    header = dcmread(ct_slice)
    client = site.client("viewer")
    [study] = client.get("/studies").json()
    assert set(study) >= STUDY_REQUIRED
    assert study["00080061"]["Value"] == ["CT", "SR"]
    assert (study["00201206"]["Value"], study["00201208"]["Value"]) == ([2], [3])
    assert study["00200010"]["Value"] == [header.StudyID]
    series = client.get(f"/studies/{header.StudyInstanceUID}/series").json()
    assert all(set(row) >= SERIES_REQUIRED for row in series)
    assert "00100010" not in series[0]
    assert set(client.get("/series", params={"Modality": "SR"}).json()[0]) >= STUDY_REQUIRED
    path = f"/studies/{header.StudyInstanceUID}/series/{header.SeriesInstanceUID}/instances"
    instances = client.get(path).json()
    assert len(instances) == 2
    assert all(set(row) >= INSTANCE_REQUIRED for row in instances)
    assert instances[0]["00280100"]["Value"] == [16]
    everything = client.get(
        "/instances", params={"includefield": "all", "SOPInstanceUID": header.SOPInstanceUID}
    )
    assert everything.json()[0]["00083002"]["Value"] == [header.file_meta.TransferSyntaxUID]
    assert client.get("/instances", params={"InstanceNumber": "2"}).json()[0]["00200013"]["Value"] == [2]


def test_optional_attribute_is_returned_when_asked_for(site: Site, ct_slice: Path) -> None:
    site.have(changed(ct_slice, StudyDescription="Chest"))
    client = site.client("viewer")
    assert "00081030" not in client.get("/studies").json()[0]
    for name in ("StudyDescription", "00081030", "all"):
        row = client.get("/studies", params={"includefield": name}).json()[0]
        assert row["00081030"] == {"vr": "LO", "Value": ["Chest"]}


@pytest.mark.parametrize(
    "parameters",
    [
        {"NoSuchAttribute": "1"},
        {"PatientComments": "1"},
        {"SOPInstanceUID": "1.2"},
        {"SeriesNumber": "1"},
        {"StudyInstanceUID": "../x"},
        {"StudyDate": "yesterday"},
        {"StudyDate": "-"},
        {"limit": "-1"},
        {"limit": "x"},
        {"offset": "1e3"},
        {"PatientName": "x" * 2000},
    ],
)
def test_malformed_search_is_refused_instead_of_answered_too_widely(
    site: Site, parameters: dict[str, str]
) -> None:
    assert site.client("viewer").get("/studies", params=parameters).status_code == 400


def test_what_is_not_supported_is_warned_of(site: Site, ct_slice: Path) -> None:
    site.have(ct_slice)
    answer = site.client("viewer").get("/studies", params={"fuzzymatching": "true", "limit": "5000"})
    warnings = answer.headers["warning"].split(", ")  # the port may have a 299 in it, too
    assert [warning.startswith("299 ") for warning in warnings] == [True, True]
    assert "fuzzymatching" in answer.headers["warning"]


def test_other_forms_are_not_made(site: Site) -> None:
    client = site.client("viewer")
    for accept, status in [
        ('multipart/related; type="application/dicom+xml"', 406),
        ("text/html", 406),
        ("application/json", 204),
        ("*/*;q=0.1", 204),
        ("application/dicom+json;q=0", 406),
    ]:
        assert client.get("/studies", headers={"Accept": accept}).status_code == status
