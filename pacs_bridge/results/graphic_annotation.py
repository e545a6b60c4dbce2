"""Regions as graphics and text of a presentation state (PS3.3 C.10.5)."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.document import check_text, reference
from pacs_bridge.results.finding_content import (
    NOT_A_MEASUREMENT,
    AcceptedFinding,
    Laterality,
    Presence,
    Region,
    SourceImage,
)
from pacs_bridge.results.report_content import ReportContent
from pacs_bridge.results.sr_document import FLAGS

LAYER = "AI_ATTENTION"
_LONGEST_TEXT = 1024


def annotate(
    content: ReportContent, image: SourceImage, regions: Iterable[tuple[AcceptedFinding, Region]]
) -> list[Dataset]:
    """Return a graphic annotation per region: its rectangle and, beside it, what it is.

    Coordinates are columns and rows as PIXEL units want them: (0, 0) is the top left corner of the top left
    pixel, as in `Region`.
    """
    items = []
    for finding, region in regions:
        item = Dataset()
        item.ReferencedImageSequence = [_referenced(region)]
        item.GraphicLayer = LAYER
        item.TextObjectSequence = [_text(describe(content, finding), region, image)]
        item.GraphicObjectSequence = [_rectangle(region)]
        items.append(item)
    return items


def describe(content: ReportContent, finding: AcceptedFinding) -> str:
    """Return the label of a finding: its name, what is said of it, and that the region measures nothing."""
    signed = FLAGS[content.state][1] == "VERIFIED"
    words = [finding.name]
    if finding.laterality is not None:
        words.append({Laterality.RIGHT: "R", Laterality.LEFT: "L"}.get(finding.laterality, "R+L"))
    if finding.presence is not Presence.PRESENT:
        words.append(f"({finding.presence.value.lower()})")
    if finding.probability is not None:
        words.append(f"{finding.probability:.0%}")
    lines = [" ".join(words), NOT_A_MEASUREMENT]
    if not signed:
        lines.append("NOT SIGNED")
    return "\r\n".join(lines)


def _referenced(region: Region) -> Dataset:
    item = reference(region.image)
    if region.frame is not None:
        item.ReferencedFrameNumber = region.frame
    return item


def _rectangle(region: Region) -> Dataset:
    x0, y0, x1, y1 = region.box
    item = Dataset()
    item.GraphicAnnotationUnits = "PIXEL"
    item.GraphicDimensions = 2
    item.NumberOfGraphicPoints = 5
    item.GraphicData = [x0, y0, x1, y0, x1, y1, x0, y1, x0, y0]
    item.GraphicType = "POLYLINE"
    item.GraphicFilled = "N"
    return item


def _text(text: str, region: Region, image: SourceImage) -> Dataset:
    """Put the text above the region, below it where there is no room; an anchor ties it to the corner."""
    check_text(text)
    if len(text) > _LONGEST_TEXT:
        raise Rejected(CANNOT_UNDERSTAND, "the name of a finding is too long for an annotation")
    x0, y0, _, y1 = region.box
    height = image.rows / 20
    top = y0 - height if y0 >= height else min(y1, image.rows - height)
    left = max(0.0, min(x0, image.columns * 0.6))
    item = Dataset()
    item.BoundingBoxAnnotationUnits = "PIXEL"
    item.AnchorPointAnnotationUnits = "PIXEL"
    item.UnformattedTextValue = text
    item.BoundingBoxTopLeftHandCorner = [left, top]
    item.BoundingBoxBottomRightHandCorner = [
        min(left + image.columns * 0.4, float(image.columns)),
        top + height,
    ]
    item.BoundingBoxTextHorizontalJustification = "LEFT"
    item.AnchorPoint = [x0, y0]
    item.AnchorPointVisibility = "N"
    return item
