"""Read the Modality LUT, VOI LUT, padding and spacing attributes of a header into our own types."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from janus_med.lookup import GreyLookup, Table, VoiFunction, Window

if TYPE_CHECKING:
    from pydicom import Dataset

    from janus_med.frame_shape import FrameShape
    from janus_med.study import SpacingSource

_SPACINGS: tuple[SpacingSource, ...] = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_FUNCTIONS: dict[str, VoiFunction] = {
    "": "LINEAR",
    "LINEAR": "LINEAR",
    "LINEAR_EXACT": "LINEAR_EXACT",
    "SIGMOID": "SIGMOID",
}


def read_lookup(header: Dataset, shape: FrameShape) -> GreyLookup:
    """Everything between stored value and grey, as the header declares it.

    The first VOI table wins over the first window, as a viewer's default display does (PS3.3 C.11.2.1.1).

    Parameters
    ----------
    header
        The data set without pixels.
    shape
        The checked Image Pixel module.

    Returns
    -------
    GreyLookup
        Inverted for MONOCHROME1, so that white is dense.
    """
    slope, intercept = read_rescale(header)
    modality = read_tables(header, "ModalityLUTSequence", signed=shape.signed)
    signed = shape.signed or intercept < 0
    voi = read_tables(header, "VOILUTSequence", signed=signed and not modality)
    windows = read_windows(header)
    return GreyLookup(
        bits_stored=shape.bits_stored,
        signed=shape.signed,
        slope=slope,
        intercept=intercept,
        modality=modality[0] if modality else None,
        voi=voi[0] if voi else None,
        window=windows[0] if windows else None,
        inverted=shape.photometric_interpretation == "MONOCHROME1",
        padding=read_padding(header, shape),
    )


def read_rescale(header: Dataset) -> tuple[float, float]:
    """Rescale slope and intercept; 1 and 0 when absent or without meaning (PS3.3 C.11.1.1.2)."""
    slope, intercept = _numbers(header, "RescaleSlope"), _numbers(header, "RescaleIntercept")
    return (slope[0] if slope and slope[0] else 1.0), (intercept[0] if intercept else 0.0)


def read_windows(header: Dataset) -> tuple[Window, ...]:
    """Every usable window; one without a positive width is left out (PS3.3 C.11.2.1.2)."""
    function = _FUNCTIONS.get(str(header.get("VOILUTFunction") or "").strip().upper(), "LINEAR")
    centers, widths = _numbers(header, "WindowCenter"), _numbers(header, "WindowWidth")
    smallest = 1.0 if function == "LINEAR" else 0.0
    pairs = zip(centers, widths, strict=False)
    return tuple(Window(c, w, function) for c, w in pairs if w >= smallest and w > 0)


def read_tables(header: Dataset, keyword: str, *, signed: bool) -> tuple[Table, ...]:
    """The items of a Modality or VOI LUT Sequence; damaged ones are left out.

    Parameters
    ----------
    header
        The data set without pixels.
    keyword
        ``ModalityLUTSequence`` or ``VOILUTSequence``.
    signed
        Whether the input values are signed: then so is the first mapped value (PS3.3 C.11.1.1.1).
    """
    tables = []
    for item in header.get(keyword) or ():
        descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
        if descriptor is None or data is None or len(descriptor) != 3:
            continue
        count, first, bits = (int(value) for value in descriptor)
        count = count % 65536 or 65536
        first %= 65536
        if signed and first >= 32768:
            first -= 65536
        entries = _entries(data, count, str(item["LUTData"].VR))
        if len(entries) and 1 <= bits <= 16:
            tables.append(Table(first, entries, float(2**bits - 1)))
    return tuple(tables)


def _entries(data: Any, count: int, vr: str) -> np.ndarray:
    if isinstance(data, bytes):
        width = "<u2" if vr == "OW" or len(data) >= 2 * count else "u1"
        values = np.frombuffer(data[: len(data) // 2 * 2] if width == "<u2" else data, dtype=width)
    else:
        values = np.atleast_1d(np.asarray(data)).astype(np.int64) % 65536
    return np.asarray(values[:count], dtype=np.float32)


def read_padding(header: Dataset, shape: FrameShape) -> tuple[int, int] | None:
    """Lowest and highest stored padding value (PS3.3 C.7.5.1.1.2), or None."""
    value = _numbers(header, "PixelPaddingValue")
    if not value:
        return None
    limit = _numbers(header, "PixelPaddingRangeLimit") or value
    ends = [_reinterpret(int(end), shape) for end in (value[0], limit[0])]
    return min(ends), max(ends)


def _reinterpret(value: int, shape: FrameShape) -> int:
    """Give a padding value the sign of the pixels: writers mix up US and SS."""
    modulus = 1 << shape.bits_allocated
    value %= modulus
    return value - modulus if shape.signed and value >= modulus // 2 else value


def read_spacing(header: Dataset) -> tuple[float, float, SpacingSource]:
    """Distance between rows and between columns, and which attribute says so.

    Returns
    -------
    row_spacing, column_spacing, source
        Millimetres for the spacings; for PixelAspectRatio (PS3.3 C.7.6.3.1.7) the bare ratio with columns at
        1; ones and ``none`` when nothing usable is declared.
    """
    for keyword in _SPACINGS:
        pair = _numbers(header, keyword)
        if len(pair) == 2 and min(pair) > 0:
            return pair[0], pair[1], keyword
    ratio = _numbers(header, "PixelAspectRatio")
    if len(ratio) == 2 and min(ratio) > 0:
        return ratio[0] / ratio[1], 1.0, "PixelAspectRatio"
    return 1.0, 1.0, "none"


def _numbers(header: Dataset, keyword: str) -> list[float]:
    """The finite numbers of an attribute; [] when it is absent, empty or unreadable."""
    value = header.get(keyword)
    if value is None or value == "":
        return []
    several = list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    try:
        numbers = [float(one) for one in several]
    except (TypeError, ValueError):
        return []
    return numbers if all(math.isfinite(one) for one in numbers) else []
