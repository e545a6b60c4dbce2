"""How an image lies in the patient, as its header says: for marks, measurements and lines of reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset


_SPREAD = {
    "PixelMeasuresSequence": ("PixelSpacing",),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction"),
}


def read_placement(header: Dataset, frame: int = 0) -> dict[str, Any]:
    """Read modality, side, place, orientation and magnification.

    Parameters
    ----------
    header
        The data set without pixels.
    frame
        Index of the frame, whose own functional groups come before the shared ones (PS3.3 C.7.6.16).

    Returns
    -------
    dict
        ``modality``, ``laterality``, ``image_orientation`` (six cosines, PS3.3 C.7.6.2.1.1, or None),
        ``image_position`` (mm: middle of the first pixel, towards left, back and head, or None),
        ``slice_thickness`` (mm, or None), ``frame_of_reference_uid`` (PS3.3 C.7.4.1, or ""),
        ``patient_orientation`` (two texts, PS3.3 C.7.6.1.1.1, or None), ``magnification`` (None when the
        header does not say), ``spacing_calibration`` (GEOMETRY, FIDUCIAL or "", PS3.3 10.7.1.1).
    """
    return {
        "modality": str(header.get("Modality") or ""),
        "laterality": str(header.get("ImageLaterality") or header.get("Laterality") or ""),
        "image_orientation": _spread(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient", 6),
        "image_position": _spread(header, frame, "PlanePositionSequence", "ImagePositionPatient", 3),
        "slice_thickness": _thickness(header, frame),
        "frame_of_reference_uid": str(header.get("FrameOfReferenceUID") or ""),
        "patient_orientation": _texts(header.get("PatientOrientation")),
        "magnification": _magnification(header),
        "spacing_calibration": str(header.get("PixelSpacingCalibrationType") or ""),
    }


def _spread(header: Dataset, frame: int, sequence: str, keyword: str, count: int) -> list[float] | None:
    """Return the numbers that the header or the functional groups say, if they are as many as wanted."""
    for holder in (header, *_groups(header, frame, sequence)):
        values = _numbers(holder.get(keyword))
        if len(values) == count:
            return values
    return None


def _thickness(header: Dataset, frame: int) -> float | None:
    values = _spread(header, frame, "PixelMeasuresSequence", "SliceThickness", 1)
    return values[0] if values and values[0] > 0 else None


def spread_groups(header: Dataset, frame: int) -> None:
    """Put what the functional groups say of a frame's values and spacing into the header, where it is silent.

    An enhanced multi-frame image keeps there what others have in the header itself (PS3.3 C.7.6.16.2).
    """
    for sequence, keywords in _SPREAD.items():
        for holder in _groups(header, frame, sequence):
            for keyword in keywords:
                if keyword in holder and keyword not in header:
                    header[keyword] = holder[keyword]


def _groups(header: Dataset, frame: int, sequence: str) -> list[Dataset]:
    """Return the items of a sequence in the functional groups: of the frame, then shared."""
    own = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    items = [*own[frame : frame + 1], *shared[:1]]
    return [inner for item in items for inner in (item.get(sequence) or [])[:1]]


def _magnification(header: Dataset) -> float | None:
    """Return the magnification at the patient (PS3.3 C.8.7.5, (0018,1114)), or what the distances make."""
    given = _numbers(header.get("EstimatedRadiographicMagnificationFactor"))
    if given:
        return given[0] if 1.0 <= given[0] <= 10.0 else None
    detector = _numbers(header.get("DistanceSourceToDetector"))
    patient = _numbers(header.get("DistanceSourceToPatient"))
    if not detector or not patient or patient[0] <= 0:
        return None
    factor = detector[0] / patient[0]
    return round(factor, 4) if 1.0 <= factor <= 10.0 else None


def _texts(value: Any) -> list[str] | None:
    if value is None or isinstance(value, str) or len(value) != 2:
        return None
    return [str(one).strip().upper() for one in value]


def _numbers(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    several = list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    try:
        numbers = [float(one) for one in several]
    except (TypeError, ValueError):
        return []
    return numbers if all(math.isfinite(one) for one in numbers) else []
