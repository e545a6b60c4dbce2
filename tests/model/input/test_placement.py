"""How an image lies in the patient, read from files as the sandbox reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.data import get_testdata_file

from janus_med.frame import decode_frame
from janus_med.placement import read_placement
from tests.films import make_film


def placed(path: Path, frame: int = 0) -> dict[str, Any]:
    """The facts of a file, as the decoder writes them."""
    return decode_frame(path, path.with_suffix(".raw"), frame=frame)


def test_everything_that_a_header_says_of_its_place_leaves_the_sandbox(tmp_path: Path) -> None:
    said = {
        "ImageLaterality": "L",
        "PatientOrientation": ["L", "F"],
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
        "EstimatedRadiographicMagnificationFactor": "1.25",
        "PixelSpacing": ["0.2", "0.1"],
        "PixelSpacingCalibrationType": "FIDUCIAL",
        "ImagePositionPatient": ["-60", "12.5", "1e2"],
        "SliceThickness": "3",
        "FrameOfReferenceUID": "1.2.77",
    }
    facts = placed(make_film(tmp_path / "film.dcm", **said))
    assert facts["modality"] == "CR"
    assert facts["laterality"] == "L"
    assert facts["patient_orientation"] == ["L", "F"]
    assert facts["image_orientation"] == [1, 0, 0, 0, 0, -1]
    assert facts["magnification"] == 1.25
    assert facts["image_position"] == [-60, 12.5, 100]
    assert (facts["slice_thickness"], facts["frame_of_reference_uid"]) == (3, "1.2.77")
    assert facts["spacing_calibration"] == "FIDUCIAL"
    assert (facts["row_spacing"], facts["column_spacing"]) == (0.2, 0.1)


def test_silent_header_says_nothing(tmp_path: Path) -> None:
    facts = placed(make_film(tmp_path / "film.dcm"))
    assert (facts["laterality"], facts["spacing_calibration"]) == ("", "")
    silent = (
        "patient_orientation",
        "image_orientation",
        "magnification",
        "image_position",
        "slice_thickness",
    )
    assert {facts[name] for name in silent} == {None}


def test_slice_of_a_ct_says_its_orientation(tmp_path: Path) -> None:
    file = tmp_path / "ct.dcm"
    file.write_bytes(Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes())
    assert placed(file)["image_orientation"] == [1, 0, 0, 0, 1, 0]


def groups(*cosines: list[float]) -> list[Dataset]:
    """Functional groups with a plane orientation each; none without cosines."""
    items = []
    for one in cosines:
        item, plane = Dataset(), Dataset()
        if one:
            plane.ImageOrientationPatient = one
            item.PlaneOrientationSequence = [plane]
        items.append(item)
    return items


AXIAL, CORONAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]


@pytest.mark.parametrize(("frame", "expected"), [(0, CORONAL), (1, SAGITTAL), (2, AXIAL), (9, AXIAL)])
def test_frame_s_own_group_comes_before_the_shared_one(frame: int, expected: list[float]) -> None:
    header = Dataset()
    header.PerFrameFunctionalGroupsSequence = groups(CORONAL, SAGITTAL, [])
    header.SharedFunctionalGroupsSequence = groups(AXIAL)
    assert read_placement(header, frame)["image_orientation"] == expected


def test_each_frame_lies_where_its_own_group_says() -> None:
    header = Dataset()
    header.PerFrameFunctionalGroupsSequence = groups(AXIAL, AXIAL)
    for number, item in enumerate(header.PerFrameFunctionalGroupsSequence):
        place = Dataset()
        place.ImagePositionPatient = [0, 0, 4 * number]
        item.PlanePositionSequence = [place]
    assert [read_placement(header, frame)["image_position"] for frame in (0, 1, 2)] == [
        [0, 0, 0],
        [0, 0, 4],
        None,
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"EstimatedRadiographicMagnificationFactor": "1.1"}, 1.1),
        ({"DistanceSourceToDetector": "1800", "DistanceSourceToPatient": "1500"}, 1.2),
        ({"DistanceSourceToDetector": "1800"}, None),
        ({"DistanceSourceToDetector": "1800", "DistanceSourceToPatient": "0"}, None),
        ({"DistanceSourceToDetector": "1500", "DistanceSourceToPatient": "1800"}, None),
        ({"EstimatedRadiographicMagnificationFactor": "0.5"}, None),
        (
            {
                "EstimatedRadiographicMagnificationFactor": "50",
                "DistanceSourceToDetector": "1800",
                "DistanceSourceToPatient": "1500",
            },
            None,
        ),
    ],
)
def test_magnification_is_believed_only_where_it_can_be(said: dict[str, str], expected: float | None) -> None:
    header = Dataset()
    for name, value in said.items():
        setattr(header, name, value)
    assert read_placement(header)["magnification"] == expected


@pytest.mark.parametrize("value", [["L"], "L", ["L", "F", "H"], None])
def test_patient_orientation_that_is_no_pair_is_none(value: Any) -> None:
    header = Dataset()
    header.PatientOrientation = value
    assert read_placement(header)["patient_orientation"] is None


def test_cosines_that_are_not_six_numbers_are_none() -> None:
    header = Dataset()
    header.ImageOrientationPatient = [1, 0, 0]
    assert read_placement(header)["image_orientation"] is None


def test_values_and_spacing_of_an_enhanced_image_are_those_of_its_frame(tmp_path: Path) -> None:
    image = dcmread(make_film(tmp_path / "film.dcm", rows=40, columns=40, at=(20, 20)))
    image.NumberOfFrames, image.PixelData = 2, image.PixelData * 2
    del image.WindowCenter, image.WindowWidth
    items = [Dataset(), Dataset()]
    for item, intercept in zip(items, ("-1024", "-1000"), strict=True):
        values = Dataset()
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = "1", intercept, "HU"
        item.PixelValueTransformationSequence = [values]
    shared, measures, voi = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = ["0.5", "0.25"]
    voi.WindowCenter, voi.WindowWidth = "40", "400"
    shared.PixelMeasuresSequence, shared.FrameVOILUTSequence = [measures], [voi]
    image.PerFrameFunctionalGroupsSequence, image.SharedFunctionalGroupsSequence = items, [shared]
    dcmwrite(tmp_path / "enhanced.dcm", image)
    facts = [placed(tmp_path / "enhanced.dcm", frame) for frame in (0, 1)]
    assert [one["rescale_intercept"] for one in facts] == [-1024.0, -1000.0]
    assert {one["spacing_source"] for one in facts} == {"PixelSpacing"}
    assert (facts[0]["row_spacing"], facts[0]["column_spacing"]) == (0.5, 0.25)
    assert facts[0]["windows"] == [{"center": 40.0, "width": 400.0}]
