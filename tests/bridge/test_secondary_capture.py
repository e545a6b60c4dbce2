"""The secondary capture: what is drawn where, and that the header tells no lies.

Covered: pixels around boxes, window and inversion, size limits, shape of pixels, header. Not covered:
validity (test_results_valid), how good it looks.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import JPEGBaseline8Bit

from pacs_bridge import Rejected
from pacs_bridge.results import (
    AcceptedFinding,
    LossyCompression,
    Region,
    ReportState,
    SourceImage,
    build_secondary_capture,
)
from pacs_bridge.results.burned_in import YELLOW, window_pixels
from tests.bridge.peers import radiograph, with_meta
from tests.bridge.test_report_sr import IMAGE, content

SHOWN = SourceImage(IMAGE, rows=700, columns=800, window=(500.5, 1001.0))
GREY = np.full((700, 800), 500, dtype=np.uint16)
HEART = AcceptedFinding(
    "Cardiomegaly", probability=0.93, regions=(Region(IMAGE, (200.0, 300.0, 500.0, 600.0)),)
)


def picture(image=SHOWN, pixels=GREY, findings=(HEART,), **changes):
    return build_secondary_capture(content(**changes), image, pixels, findings)


@pytest.mark.covers("O4", "O1")
def test_box_is_drawn_around_the_region_and_nothing_inside_it():
    shown = picture().pixel_array
    assert tuple(shown[450, 198]) == YELLOW
    assert tuple(shown[450, 501]) == YELLOW
    assert tuple(shown[298, 350]) == YELLOW
    assert tuple(shown[601, 350]) == YELLOW
    assert (shown[300:600, 200:500] == shown[450, 350]).all()
    assert tuple(shown[100, 700]) == tuple(shown[450, 350])


def test_strip_below_hides_nothing_of_the_image():
    capture = picture()
    assert capture.Columns == 800
    assert capture.Rows > 700
    assert (capture.pixel_array[:700, 600:] == capture.pixel_array[0, 600]).all()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_window_and_photometric_interpretation_are_applied(photometric):
    image = replace(SHOWN, rows=2, columns=2, photometric=photometric, slope=2.0, intercept=-100.0)
    image = replace(image, window=(128.5, 256.0))
    grey = window_pixels(image, np.array([[50, 178], [0, 999]]))
    expected = np.array([[0, 255], [0, 255]])
    near = np.abs(grey.astype(int) - (255 - expected if photometric == "MONOCHROME1" else expected))
    assert near.max() <= 1


def test_image_without_window_shows_the_range_of_its_values():
    grey = window_pixels(
        replace(SHOWN, rows=1, columns=3, window=None), np.array([[-7, 0, 7]], dtype=np.int16)
    )
    assert grey.tolist() == [[0, 128, 255]]


@pytest.mark.parametrize(
    ("rows", "columns", "aspect", "shown"),
    [
        (4096, 3000, (1, 1), (2048, 1500)),
        (700, 800, (1, 1), (700, 800)),
        (64, 128, (1, 1), (320, 640)),
        (700, 800, (2, 1), (1400, 800)),
        (700, 800, (1, 2), (700, 1600)),
    ],
)
def test_size_is_limited_and_pixels_become_square(rows, columns, aspect, shown):
    image = replace(SHOWN, rows=rows, columns=columns, aspect=aspect)
    box = (columns * 0.25, rows * 0.25, columns * 0.5, rows * 0.5)
    finding = replace(HEART, regions=(Region(IMAGE, box),))
    capture = picture(image, np.full((rows, columns), 500), (finding,))
    assert capture.Columns == shown[1]
    assert 0 < capture.Rows - shown[0] < 250
    row, column = round(shown[0] * 0.375), round(shown[1] * 0.25)
    assert YELLOW in {tuple(p) for p in capture.pixel_array[row, column - 6 : column].tolist()}


@pytest.mark.covers("O4")
def test_header_says_what_it_is():
    capture = picture()
    assert capture.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert (capture.Modality, capture.ConversionType) == ("OT", "WSD")
    assert list(capture.ImageType) == ["DERIVED", "SECONDARY"]
    assert capture.BurnedInAnnotation == "YES"
    assert "not a measurement" in capture.DerivationDescription
    assert "ab" * 32 in capture.DerivationDescription
    (source,) = capture.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == IMAGE.sop_instance_uid
    assert "PixelSpacing" not in capture
    assert "LossyImageCompression" not in capture


@pytest.mark.covers("O4")
def test_loss_of_the_source_is_told():
    lossy = replace(SHOWN, lossy=LossyCompression((12.5,), ("ISO_10918_1",)))
    capture = picture(lossy)
    assert capture.LossyImageCompression == "01"
    assert capture.LossyImageCompressionRatio == 12.5
    assert capture.LossyImageCompressionMethod == "ISO_10918_1"


def test_loss_is_read_from_the_header_and_from_the_transfer_syntax():
    told = radiograph(
        LossyImageCompression="01", LossyImageCompressionRatio=8, LossyImageCompressionMethod="ISO_15444_1"
    )
    assert SourceImage.of(told).lossy == LossyCompression((8.0,), ("ISO_15444_1",))
    untold = with_meta(radiograph(), str(JPEGBaseline8Bit))
    assert SourceImage.of(untold).lossy == LossyCompression((), ("ISO_10918_1",))
    assert SourceImage.of(radiograph()).lossy is None


def test_many_regions_in_one_corner_keep_labels_that_hide_no_other(tmp_path):
    findings = [
        AcceptedFinding(f"Finding {n}", regions=(Region(IMAGE, (0.0, 0.0, 40.0 + n, 40.0)),))
        for n in range(12)
    ]
    capture = picture(findings=findings)
    capture.save_as(tmp_path / "sc.dcm", enforce_file_format=True)
    assert dcmread(tmp_path / "sc.dcm").pixel_array.shape == (capture.Rows, capture.Columns, 3)


@pytest.mark.covers("T38")
def test_capture_of_an_unsigned_report_differs():
    draft = picture(state=ReportState.DRAFTED, verifications=())
    assert draft.Rows > picture().Rows


def test_frame_of_a_multi_frame_image_shows_its_own_regions():
    image = replace(SHOWN, frames=3)
    finding = replace(HEART, regions=(replace(HEART.regions[0], frame=2),))
    capture = build_secondary_capture(content(), image, GREY, [finding], frame=2)
    assert capture.SourceImageSequence[0].ReferencedFrameNumber == 2
    with pytest.raises(Rejected):
        build_secondary_capture(content(), image, GREY, [finding], frame=1)


@pytest.mark.parametrize(
    ("pixels", "findings"),
    [
        (GREY[:, :-1], (HEART,)),
        (GREY.astype(str), (HEART,)),
        (np.full((700, 800), np.nan), (HEART,)),
        (GREY, ()),
        (GREY, (replace(HEART, regions=()),)),
        (GREY, (replace(HEART, name="心肥大"),)),
        (GREY, (replace(HEART, name="تضخم القلب"),)),
    ],
)
def test_what_cannot_be_drawn_is_refused(pixels, findings):
    with pytest.raises(Rejected):
        picture(pixels=pixels, findings=findings)
