"""Read from an image's header what showing regions on it needs."""

from __future__ import annotations

import math
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.finding_content import LossyCompression, SourceImage
from pacs_bridge.results.report_content import SourceInstance

# Transfer syntaxes that are always lossy, and their method (PS3.3 C.7.6.1.1.5.1)
_LOSSY_METHODS = {
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
}
_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})


def read_source_image(dataset: Dataset, *, window: tuple[float, float] | None) -> SourceImage:
    """Return what `SourceImage.of` promises."""
    photometric = str(dataset.get("PhotometricInterpretation", "")).strip()
    rows, columns = dataset.get("Rows"), dataset.get("Columns")
    if photometric not in _GREY or not rows or not columns:
        raise Rejected(CANNOT_UNDERSTAND, "regions are shown on grey images with rows and columns only")
    return SourceImage(
        instance=SourceInstance(
            str(dataset.StudyInstanceUID),
            str(dataset.SeriesInstanceUID),
            str(dataset.SOPClassUID),
            str(dataset.SOPInstanceUID),
        ),
        rows=int(rows),
        columns=int(columns),
        photometric=photometric,
        slope=_number(dataset, "RescaleSlope", 1.0) or 1.0,
        intercept=_number(dataset, "RescaleIntercept", 0.0),
        rescale_type=str(dataset.get("RescaleType") or "US"),
        window=window or _window(dataset),
        pixel_spacing=_pair(dataset, "PixelSpacing"),
        aspect=_aspect(dataset),
        frames=int(_number(dataset, "NumberOfFrames", 1)) or 1,
        patient_orientation=tuple(str(value) for value in _values(dataset, "PatientOrientation")),
        laterality=str(dataset.get("Laterality") or dataset.get("ImageLaterality") or ""),
        lossy=_lossy(dataset),
    )


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    value = dataset.get(keyword)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]


def _number(dataset: Dataset, keyword: str, default: float) -> float:
    for value in _values(dataset, keyword)[:1]:
        if math.isfinite(float(value)):
            return float(value)
    return default


def _pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    values = [float(value) for value in _values(dataset, keyword)]
    if len(values) != 2 or not all(math.isfinite(v) and v > 0 for v in values):
        return None
    return values[0], values[1]


def _aspect(dataset: Dataset) -> tuple[int, int]:
    """Take the shape of a pixel from Pixel Aspect Ratio, else from the spacing at the detector."""
    ratio = _pair(dataset, "PixelAspectRatio")
    if ratio is not None:
        return int(ratio[0]), int(ratio[1])
    spacing = _pair(dataset, "ImagerPixelSpacing")
    if spacing is None or spacing[0] == spacing[1]:
        return 1, 1
    micrometres = [round(edge * 1000) for edge in spacing]
    divisor = math.gcd(*micrometres) or 1
    return max(1, micrometres[0] // divisor), max(1, micrometres[1] // divisor)


def _window(dataset: Dataset) -> tuple[float, float] | None:
    centre, width = _values(dataset, "WindowCenter"), _values(dataset, "WindowWidth")
    if not centre or not width or float(width[0]) < 1:
        return None
    return float(centre[0]), float(width[0])


def _lossy(dataset: Dataset) -> LossyCompression | None:
    """Take the loss from the header; a lossy transfer syntax tells it where the header does not."""
    if str(dataset.get("LossyImageCompression", "")) != "01":
        meta = getattr(dataset, "file_meta", None)
        method = _LOSSY_METHODS.get(str(getattr(meta, "TransferSyntaxUID", "")))
        return LossyCompression(methods=(method,)) if method else None
    return LossyCompression(
        tuple(float(ratio) for ratio in _values(dataset, "LossyImageCompressionRatio")),
        tuple(str(method) for method in _values(dataset, "LossyImageCompressionMethod")),
    )
