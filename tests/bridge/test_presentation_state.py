"""The presentation state: which images, where the regions are, and that grey values come out right.

Covered: the object as pydicom and DCMTK's dcmpschk read it, and the pixels as DCMTK's dcmp2pgm renders them
through it, for MONOCHROME1 and MONOCHROME2, with and without modality LUT. Not covered: how viewers draw the
graphics (dcmp2pgm draws none).
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from pacs_bridge import Rejected
from pacs_bridge.results import (
    AcceptedFinding,
    Laterality,
    Presence,
    Region,
    ReportState,
    SourceImage,
    SourceInstance,
    SourceStudy,
    build_presentation_state,
    group_images,
)
from pacs_bridge.results.burned_in import window_pixels
from tests.bridge.peers import CR, radiograph, with_meta
from tests.bridge.test_report_sr import IMAGE, content
from tests.conftest import need

DCMP2PGM, DCMPSCHK = Path("/usr/bin/dcmp2pgm"), Path("/usr/bin/dcmpschk")
SHOWN = SourceImage(IMAGE, rows=200, columns=300, window=(400.0, 800.0))
OTHER = replace(SHOWN, instance=SourceInstance("1.2.3", "1.2.3.2", CR, "1.2.3.2.1"), rows=50, columns=60)
HEART = AcceptedFinding(
    "Cardiomegaly",
    probability=0.93,
    regions=(Region(IMAGE, (10.0, 120.5, 110.25, 200.0)),),
    laterality=Laterality.LEFT,
)
NODULE = AcceptedFinding("Lung Lesion", Presence.POSSIBLE, regions=(Region(OTHER.instance, (0, 0, 60, 50)),))


@pytest.mark.covers("O4", "O1")
def test_region_is_a_rectangle_with_its_name_in_image_coordinates():
    """PS3.3 C.10.5.1: (0, 0) is the corner of the first pixel, as in `Region`: nothing is added."""
    (item,) = build_presentation_state(content(), [SHOWN], [HEART]).GraphicAnnotationSequence
    (graphic,) = item.GraphicObjectSequence
    assert (graphic.GraphicAnnotationUnits, graphic.GraphicType) == ("PIXEL", "POLYLINE")
    assert list(graphic.GraphicData) == [10, 120.5, 110.25, 120.5, 110.25, 200, 10, 200, 10, 120.5]
    (text,) = item.TextObjectSequence
    assert text.UnformattedTextValue == "Cardiomegaly L 93%\r\nAI attention - not a measurement"
    assert item.ReferencedImageSequence[0].ReferencedSOPInstanceUID == IMAGE.sop_instance_uid


def test_text_stays_inside_its_image():
    for box in ((0, 0, 5, 5), (0, 0, 300, 200), (290, 190, 300, 200), (0, 195, 300, 200)):
        finding = replace(HEART, regions=(Region(IMAGE, tuple(map(float, box))),))
        (item,) = build_presentation_state(content(), [SHOWN], [finding]).GraphicAnnotationSequence
        (text,) = item.TextObjectSequence
        (left, top), (right, bottom) = (
            text.BoundingBoxTopLeftHandCorner,
            text.BoundingBoxBottomRightHandCorner,
        )
        assert 0 <= left < right <= 300
        assert 0 <= top < bottom <= 200


@pytest.mark.covers("O4")
def test_images_of_several_series_are_referenced_by_series_with_area_and_window_each():
    state = build_presentation_state(content(), [SHOWN, OTHER], [HEART, NODULE])
    references = {
        series.SeriesInstanceUID: [i.ReferencedSOPInstanceUID for i in series.ReferencedImageSequence]
        for series in state.ReferencedSeriesSequence
    }
    assert references == {"1.2.3.1": ["1.2.3.1.1"], "1.2.3.2": ["1.2.3.2.1"]}
    areas = {
        item.ReferencedImageSequence[0].ReferencedSOPInstanceUID: list(
            item.DisplayedAreaBottomRightHandCorner
        )
        for item in state.DisplayedAreaSelectionSequence
    }
    assert areas == {"1.2.3.1.1": [300, 200], "1.2.3.2.1": [60, 50]}
    assert len(state.SoftcopyVOILUTSequence) == 2
    assert [len(item.TextObjectSequence) for item in state.GraphicAnnotationSequence] == [1, 1]
    assert {item.GraphicLayer for item in state.GraphicAnnotationSequence} == {
        layer.GraphicLayer for layer in state.GraphicLayerSequence
    }


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")])
def test_presentation_lut_follows_the_photometric_interpretation(photometric, shape):
    state = build_presentation_state(content(), [replace(SHOWN, photometric=photometric)], [HEART])
    assert state.PresentationLUTShape == shape


def test_images_that_differ_in_grey_values_are_parted():
    inverse = replace(OTHER, photometric="MONOCHROME1")
    assert group_images([SHOWN, inverse, SHOWN]) == [(SHOWN, SHOWN), (inverse,)]
    with pytest.raises(Rejected):
        build_presentation_state(content(), [SHOWN, inverse], [HEART])


def test_spacing_of_the_detector_gives_the_shape_of_a_pixel_only():
    image = radiograph(ImagerPixelSpacing=[0.2, 0.1])
    assert SourceImage.of(image).aspect == (2, 1)
    (area,) = build_presentation_state(
        content(), [replace(SHOWN, aspect=(2, 1))], [HEART]
    ).DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelAspectRatio) == [2, 1]
    assert "PresentationPixelSpacing" not in area
    (area,) = build_presentation_state(
        content(), [replace(SHOWN, pixel_spacing=(0.2, 0.1))], [HEART]
    ).DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelSpacing) == [0.2, 0.1]


@pytest.mark.covers("T38")
def test_state_of_an_unsigned_report_says_so():
    draft = content(state=ReportState.DRAFTED, verifications=())
    state = build_presentation_state(draft, [SHOWN], [HEART])
    assert state.ContentLabel == "AI_UNSIGNED"
    assert "NOT SIGNED" in state.GraphicAnnotationSequence[0].TextObjectSequence[0].UnformattedTextValue


@pytest.mark.parametrize(
    ("images", "findings"),
    [
        ([], [HEART]),
        ([SHOWN], []),
        ([OTHER], [HEART]),
        ([replace(SHOWN, columns=100)], [HEART]),
        ([SHOWN], [replace(HEART, regions=(replace(HEART.regions[0], frame=2),))]),
        ([replace(SHOWN, instance=replace(IMAGE, study_uid="1.2.4"))], [HEART]),
        ([replace(SHOWN, photometric="RGB")], [HEART]),
        ([SHOWN], [replace(HEART, name="x" * 1025)]),
    ],
)
def test_state_that_shows_nothing_or_something_else_is_refused(images, findings):
    with pytest.raises(Rejected):
        build_presentation_state(content(), images, findings)


@pytest.mark.covers("O4", "T26")
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("lut", [(1.0, 0.0), (2.0, -1024.0)])
def test_dcmtk_renders_the_grey_values_that_the_capture_shows(photometric, lut, tmp_path):
    """A state without its own inversion and rescale would show a negative, or another window (PS3.4 N.2)."""
    need(DCMP2PGM.exists(), "DCMTK (apt-get install dcmtk)")
    stored = np.linspace(0, 1000, 64 * 64).astype(np.uint16).reshape(64, 64)
    image = radiograph(
        side=64,
        PixelData=stored.tobytes(),
        PhotometricInterpretation=photometric,
        RescaleSlope=lut[0],
        RescaleIntercept=lut[1],
        RescaleType="US",
    )
    source = SourceImage.of(image, window=(400.0 * lut[0] + lut[1], 500.0 * lut[0]))
    finding = AcceptedFinding("Edema", regions=(Region(source.instance, (0, 0, 9, 9)),))
    study = SourceStudy(source.instance.study_uid, patient_name="Example^Person", patient_id="P1")
    state = build_presentation_state(content(study=study, evidence=(source.instance,)), [source], [finding])
    with_meta(image).save_as(tmp_path / "image.dcm", enforce_file_format=True)
    state.save_as(tmp_path / "state.dcm", enforce_file_format=True)
    command = [DCMP2PGM, "-p", tmp_path / "state.dcm", tmp_path / "image.dcm", tmp_path / "out.pgm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rendered = np.asarray(Image.open(tmp_path / "out.pgm"), dtype=int)
    assert np.abs(rendered - window_pixels(source, stored).astype(int)).max() <= 2


@pytest.mark.covers("T26")
def test_dcmpschk_finds_nothing_wrong(tmp_path):
    need(DCMPSCHK.exists(), "DCMTK (apt-get install dcmtk)")
    path = tmp_path / "state.dcm"
    build_presentation_state(content(), [SHOWN, OTHER], [HEART, NODULE]).save_as(
        path, enforce_file_format=True
    )
    done = subprocess.run([DCMPSCHK, path], capture_output=True, text=True, check=False)
    assert "Test passed" in done.stdout + done.stderr, done.stderr
    assert dcmread(path).Modality == "PR"
