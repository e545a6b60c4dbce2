"""An image with the regions burned in as Secondary Capture (PS3.3 A.8.1): every viewer shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.ai_label import add_ai_label, contribution
from pacs_bridge.results.document import (
    SECONDARY_CAPTURE,
    begin_object,
    code_item,
    declare_character_set,
    reference,
)
from pacs_bridge.results.finding_content import (
    NOT_A_MEASUREMENT,
    AcceptedFinding,
    SourceImage,
    check_findings,
    regions_on,
)
from pacs_bridge.results.graphic_annotation import describe
from pacs_bridge.results.report_content import Code, ReportContent
from pacs_bridge.results.sr_document import FLAGS, check_state

SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
LONGEST_SIDE = 2048
_LONGEST_DERIVATION = 1024


def build_secondary_capture(
    content: ReportContent,
    image: SourceImage,
    pixels: Any,
    findings: Sequence[AcceptedFinding],
    *,
    frame: int | None = None,
) -> Dataset:
    """Build the picture of one image (one frame) with the accepted regions drawn into it.

    Below the image stands a strip with the legend, the model and that nothing here is a measurement, so that
    the strip hides nothing. The picture has no pixel spacing: nobody shall measure in it.

    Parameters
    ----------
    content
        State, identity, observer and algorithm of the report.
    image
        The image; its window decides how it is shown, else the range of its values.
    pixels
        (rows, columns) stored values of the image, before modality LUT and window, any number type.
    findings
        What the reader accepted; at least one must have a region on the image.
    frame
        The frame that `pixels` is, of a multi-frame image.

    Returns
    -------
    pydicom.Dataset
        RGB, 8 bits, at most 2048 pixels on the long side of the image, uncompressed.

    Raises
    ------
    Rejected
        If no region lies on the image, the pixels are not rows x columns numbers, or a name cannot be drawn.
    """
    from pacs_bridge.results.burned_in import draw_picture

    accepted = tuple(findings)
    check_state(content)
    check_findings(accepted)
    regions = [(f, r) for f, r in regions_on(image, accepted) if frame is None or r.frame in {None, frame}]
    if not regions:
        raise Rejected(CANNOT_UNDERSTAND, "no accepted region lies on the image of the secondary capture")
    names = [describe(content, finding).split("\r\n")[0] for finding, _ in regions]
    boxes = [region.box for _, region in regions]
    picture = draw_picture(image, pixels, boxes, names, _statements(content), longest=LONGEST_SIDE)
    capture = begin_object(SECONDARY_CAPTURE, content, modality="OT", series="AI regions, reviewed (picture)")
    capture.Laterality = image.laterality
    _add_image(capture, content, image, frame)
    _add_pixels(capture, picture)
    add_ai_label(capture, content)
    declare_character_set(capture)
    return capture


def _statements(content: ReportContent) -> list[str]:
    lines = [f"{NOT_A_MEASUREMENT}. Not for diagnosis: see the original image."]
    model = content.algorithm
    if model is not None:
        lines.append(f"Model {model.name} {model.version}, weights {model.weights_sha256[:12]}")
    if FLAGS[content.state][1] != "VERIFIED":
        lines.append("NOT SIGNED")
    return lines


def _add_image(capture: Dataset, content: ReportContent, image: SourceImage, frame: int | None) -> None:
    """SC Equipment, General Image and General Reference modules (PS3.3 C.8.6.1, C.7.6.1, C.12.4)."""
    capture.ConversionType = "WSD"
    capture.ImageType = ["DERIVED", "SECONDARY"]
    capture.ContentDate = content.written_at.strftime("%Y%m%d")
    capture.ContentTime = content.written_at.strftime("%H%M%S")
    capture.DateOfSecondaryCapture = capture.ContentDate
    capture.TimeOfSecondaryCapture = capture.ContentTime
    capture.PatientOrientation = list(image.patient_orientation)
    capture.BurnedInAnnotation = "YES"
    capture.DerivationDescription = _derivation(content, image)
    source = reference(image.instance)
    if frame is not None:
        source.ReferencedFrameNumber = frame
    source.PurposeOfReferenceCodeSequence = [code_item(SOURCE_IMAGE)]
    capture.SourceImageSequence = [source]
    if image.lossy is not None:
        capture.LossyImageCompression = "01"
        if image.lossy.ratios and image.lossy.methods:
            capture.LossyImageCompressionRatio = [float(f"{ratio:.10g}") for ratio in image.lossy.ratios]
            capture.LossyImageCompressionMethod = list(image.lossy.methods)


def _derivation(content: ReportContent, image: SourceImage) -> str:
    """Say in words what was done to the pixels (ST)."""
    window = "range of its values"
    if image.window is not None:
        window = "window centre {:.10g} width {:.10g}".format(*image.window)
    model = f" {contribution(content.algorithm)}." if content.algorithm is not None else ""
    text = (
        f"Shown with {window}, 8 bits, resampled to square pixels, at most {LONGEST_SIDE} on a side. "
        f"AI attention regions and a legend burned in; {NOT_A_MEASUREMENT}.{model}"
    )
    return text[:_LONGEST_DERIVATION]


def _add_pixels(capture: Dataset, picture: Any) -> None:
    """Image Pixel module (PS3.3 C.7.6.3)."""
    rows, columns, _ = picture.shape
    data = picture.tobytes()
    capture.SamplesPerPixel = 3
    capture.PhotometricInterpretation = "RGB"
    capture.PlanarConfiguration = 0
    capture.Rows = rows
    capture.Columns = columns
    capture.BitsAllocated = 8
    capture.BitsStored = 8
    capture.HighBit = 7
    capture.PixelRepresentation = 0
    capture.add_new(0x7FE00010, "OB", data + b"\0" * (len(data) % 2))
