"""What a person has accepted of the model's findings, and the images they are shown on, as plain data."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from pydicom.dataset import Dataset

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.report_content import SourceInstance, derived_uid

NOT_A_MEASUREMENT = "AI attention - not a measurement"


class Presence(enum.StrEnum):
    """What the signed report says of a finding."""

    PRESENT = "PRESENT"
    ABSENT = "ABSENT"
    POSSIBLE = "POSSIBLE"


class Laterality(enum.StrEnum):
    """The side of a finding, of the patient."""

    RIGHT = "RIGHT"
    LEFT = "LEFT"
    BILATERAL = "BILATERAL"


@dataclass(frozen=True)
class Region:
    """Where the model's attention behind a finding lies: not a measurement, never a segmentation.

    Parameters
    ----------
    image
        The image it lies on.
    box
        (x0, y0, x1, y1): columns and rows of that image, (0, 0) the top left corner of its top left pixel and
        (Columns, Rows) the bottom right corner of its bottom right pixel: the convention of PS3.3 C.18.6.1.1
        and C.10.5.1, so that no half pixel is added or taken away.
    frame
        Of a multi-frame image, from 1.
    """

    image: SourceInstance
    box: tuple[float, float, float, float]
    frame: int | None = None


@dataclass(frozen=True)
class AcceptedFinding:
    """A finding that the reader has accepted; a rejected one is never handed to a builder.

    Parameters
    ----------
    name
        One of `finding_codes.FINDINGS`, or any other words.
    presence
        As the signed report says it.
    probability
        As accepted, in [0, 1]; None when the reader wrote the finding.
    regions, images
        Attention regions, and the images it rests on.
    laterality
        When the report names it.
    key
        Distinguishes findings of one name within the study; part of the tracking UID.
    """

    name: str
    presence: Presence = Presence.PRESENT
    probability: float | None = None
    regions: tuple[Region, ...] = ()
    images: tuple[SourceInstance, ...] = ()
    laterality: Laterality | None = None
    key: str = ""

    def tracking_uid(self, study_uid: str, region: int = 0) -> str:
        """Return the UID that follows a region of this finding through the objects of a study (TID 4108)."""
        return derived_uid("finding", study_uid, self.name, self.key, str(region))


@dataclass(frozen=True)
class LossyCompression:
    """What lossy compression an image has been through (PS3.3 C.7.6.1.1.5)."""

    ratios: tuple[float, ...] = ()
    methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceImage:
    """An image that regions are shown on, with what its display needs.

    Parameters
    ----------
    instance
        Its UIDs.
    rows, columns
        Of its pixel matrix.
    photometric
        ``MONOCHROME1`` or ``MONOCHROME2``.
    slope, intercept, rescale_type
        Modality LUT (PS3.3 C.11.1).
    window
        Centre and width in output units of the modality LUT, linear (PS3.3 C.11.2.1.2.1); None where
        the image has none and nobody chose one.
    pixel_spacing
        (row, column) in mm, calibrated at the patient; None where unknown.
    aspect
        (vertical, horizontal) size of a pixel, integers (Pixel Aspect Ratio); used without `pixel_spacing`.
    frames
        Number of frames.
    patient_orientation
        (rows, columns), empty when unknown.
    laterality
        ``R`` or ``L`` of a paired body part, else empty.
    lossy
        None when the image never was compressed with loss.
    """

    instance: SourceInstance
    rows: int
    columns: int
    photometric: str = "MONOCHROME2"
    slope: float = 1.0
    intercept: float = 0.0
    rescale_type: str = "US"
    window: tuple[float, float] | None = None
    pixel_spacing: tuple[float, float] | None = None
    aspect: tuple[int, int] = (1, 1)
    frames: int = 1
    patient_orientation: tuple[str, ...] = ()
    laterality: str = ""
    lossy: LossyCompression | None = None

    @classmethod
    def of(cls, dataset: Dataset, *, window: tuple[float, float] | None = None) -> SourceImage:
        """Read an image's header (pixels are not needed); `window` overrides its own first window.

        Raises
        ------
        Rejected
            If it is not a grey image with rows and columns.
        """
        from pacs_bridge.results.source_image import read_source_image

        return read_source_image(dataset, window=window)


def check_findings(findings: tuple[AcceptedFinding, ...]) -> None:
    """Refuse findings that say nothing true: no name, a probability outside [0, 1], a box that is none."""
    for finding in findings:
        if not finding.name.strip():
            raise Rejected(CANNOT_UNDERSTAND, "a finding has no name")
        if finding.probability is not None and not 0 <= finding.probability <= 1:
            raise Rejected(CANNOT_UNDERSTAND, "the probability of a finding is not between 0 and 1")
        for region in finding.regions:
            x0, y0, x1, y1 = region.box
            if not (all(map(math.isfinite, region.box)) and 0 <= x0 < x1 and 0 <= y0 < y1):
                raise Rejected(CANNOT_UNDERSTAND, "a region is not a box with 0 <= x0 < x1 and 0 <= y0 < y1")
    keys = [(finding.name, finding.key) for finding in findings]
    if len(keys) != len(set(keys)):
        raise Rejected(CANNOT_UNDERSTAND, "two findings have the same name and key")


def regions_on(
    image: SourceImage, findings: tuple[AcceptedFinding, ...]
) -> list[tuple[AcceptedFinding, Region]]:
    """Return the regions of findings that lie on an image, in order.

    Raises
    ------
    Rejected
        If one of them reaches outside the image, or names a frame that it has not.
    """
    found = [
        (finding, region)
        for finding in findings
        for region in finding.regions
        if region.image.sop_instance_uid == image.instance.sop_instance_uid
    ]
    for _, region in found:
        if region.box[2] > image.columns or region.box[3] > image.rows:
            raise Rejected(CANNOT_UNDERSTAND, "a region reaches outside its image")
        if region.frame is not None and not 1 <= region.frame <= image.frames:
            raise Rejected(CANNOT_UNDERSTAND, "a region lies on a frame that its image has not")
    return found
