"""The accepted regions as Grayscale Softcopy Presentation State (PS3.3 A.33.1): a viewer can hide them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom.dataset import Dataset

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.ai_label import add_ai_label
from pacs_bridge.results.document import (
    GRAYSCALE_SOFTCOPY_PRESENTATION_STATE,
    begin_object,
    checked_uid,
    declare_character_set,
    reference,
)
from pacs_bridge.results.finding_content import AcceptedFinding, SourceImage, check_findings, regions_on
from pacs_bridge.results.graphic_annotation import LAYER, annotate
from pacs_bridge.results.person_names import person_name
from pacs_bridge.results.report_content import ReportContent
from pacs_bridge.results.sr_document import FLAGS, check_state

# PS3.3 C.11.6: the state replaces what Photometric Interpretation says, so MONOCHROME1 must be inverted here
PRESENTATION_LUT_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}


def build_presentation_state(
    content: ReportContent, images: Sequence[SourceImage], findings: Sequence[AcceptedFinding]
) -> Dataset:
    """Build the presentation state that shows the regions of findings on their images.

    Parameters
    ----------
    content
        State, identity, observer and algorithm of the report.
    images
        The images to show, of any number of series of the study, alike in photometric interpretation and
        modality LUT (`group_images` parts them): a presentation state has one of each.
    findings
        What the reader accepted; those without a region on these images are not shown.

    Returns
    -------
    pydicom.Dataset
        With file meta information, explicit VR little endian.

    Raises
    ------
    Rejected
        If no region lies on the images, the images are not alike or not of the study, or a region is none.
    """
    shown, accepted = tuple(images), tuple(findings)
    check_state(content)
    check_findings(accepted)
    _check_images(content, shown)
    annotations = [item for image in shown for item in annotate(content, image, regions_on(image, accepted))]
    if not annotations:
        raise Rejected(CANNOT_UNDERSTAND, "no accepted region lies on the images of the presentation state")
    state = begin_object(
        GRAYSCALE_SOFTCOPY_PRESENTATION_STATE, content, modality="PR", series="AI regions, reviewed"
    )
    _add_identification(state, content)
    sides = {image.laterality for image in shown}
    state.Laterality = sides.pop() if len(sides) == 1 else ""
    state.ReferencedSeriesSequence = _references(shown)
    state.DisplayedAreaSelectionSequence = [_displayed_area(image) for image in shown]
    state.GraphicAnnotationSequence = annotations
    state.GraphicLayerSequence = [_layer()]
    _add_grey_pipeline(state, shown)
    add_ai_label(state, content)
    declare_character_set(state)
    return state


def group_images(images: Iterable[SourceImage]) -> list[tuple[SourceImage, ...]]:
    """Part images into groups that one presentation state can show, in order of appearance."""
    groups: dict[tuple[object, ...], list[SourceImage]] = {}
    for image in images:
        groups.setdefault(_grey_values(image), []).append(image)
    return [tuple(group) for group in groups.values()]


def _grey_values(image: SourceImage) -> tuple[object, ...]:
    return image.photometric, image.slope, image.intercept, image.rescale_type


def _check_images(content: ReportContent, images: tuple[SourceImage, ...]) -> None:
    if len(group_images(images)) != 1:
        raise Rejected(
            CANNOT_UNDERSTAND, "a presentation state needs images of one modality LUT and photometry"
        )
    if any(image.instance.study_uid != content.study.study_uid for image in images):
        raise Rejected(CANNOT_UNDERSTAND, "a presentation state shows images of its own study only")
    if images[0].photometric not in PRESENTATION_LUT_SHAPES:
        raise Rejected(CANNOT_UNDERSTAND, "a grayscale presentation state shows grey images only")


def _add_identification(state: Dataset, content: ReportContent) -> None:
    """Presentation State Identification module, PS3.3 C.11.10."""
    signed = FLAGS[content.state][1] == "VERIFIED"
    state.ContentLabel = "AI_REGIONS" if signed else "AI_UNSIGNED"
    state.ContentDescription = "AI attention, not a measurement" + ("" if signed else "; not signed")
    state.PresentationCreationDate = content.written_at.strftime("%Y%m%d")
    state.PresentationCreationTime = content.written_at.strftime("%H%M%S")
    state.ContentCreatorName = person_name(content.observer.name) if content.observer is not None else ""


def _references(images: tuple[SourceImage, ...]) -> list[Dataset]:
    """Presentation State Relationship module, PS3.3 C.11.11: the images by series."""
    series: dict[str, list[Dataset]] = {}
    for image in images:
        series.setdefault(image.instance.series_uid, []).append(reference(image.instance))
    items = []
    for series_uid, sops in series.items():
        item = Dataset()
        item.ReferencedImageSequence = sops
        item.SeriesInstanceUID = checked_uid(series_uid)
        items.append(item)
    return items


def _displayed_area(image: SourceImage) -> Dataset:
    """Show the whole image (PS3.3 C.10.4); pixels are counted from 1 there, unlike in the graphics."""
    item = Dataset()
    item.ReferencedImageSequence = [reference(image.instance)]
    item.DisplayedAreaTopLeftHandCorner = [1, 1]
    item.DisplayedAreaBottomRightHandCorner = [image.columns, image.rows]
    item.PresentationSizeMode = "SCALE TO FIT"
    if image.pixel_spacing is not None:
        item.PresentationPixelSpacing = [float(f"{edge:.10g}") for edge in image.pixel_spacing]
    else:
        item.PresentationPixelAspectRatio = list(image.aspect)
    return item


def _layer() -> Dataset:
    item = Dataset()
    item.GraphicLayer = LAYER
    item.GraphicLayerOrder = 1
    item.GraphicLayerRecommendedDisplayGrayscaleValue = 0xFFFF
    item.GraphicLayerDescription = "AI attention, not a measurement"
    return item


def _add_grey_pipeline(state: Dataset, images: tuple[SourceImage, ...]) -> None:
    """Set the grey value transformations (PS3.4 N.2): they replace the images' own, none is inherited."""
    first = images[0]
    if (first.slope, first.intercept) != (1.0, 0.0):
        state.RescaleIntercept = float(f"{first.intercept:.10g}")
        state.RescaleSlope = float(f"{first.slope:.10g}")
        state.RescaleType = first.rescale_type
    windowed = [image for image in images if image.window is not None]
    if windowed:
        state.SoftcopyVOILUTSequence = [_window(image) for image in windowed]
    state.PresentationLUTShape = PRESENTATION_LUT_SHAPES[first.photometric]


def _window(image: SourceImage) -> Dataset:
    assert image.window is not None
    item = Dataset()
    item.ReferencedImageSequence = [reference(image.instance)]
    item.WindowCenter, item.WindowWidth = (float(f"{value:.10g}") for value in image.window)
    return item
