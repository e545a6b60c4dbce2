"""Overlay planes of an image (PS3.3 C.9.2): graphics and regions that the sender drew, one bit a pixel."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

    from janus_med.frame_shape import FrameShape

_GROUPS = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES, _TYPE = 0x0010, 0x0011, 0x0015, 0x0040
_ORIGIN, _FIRST_FRAME, _BITS, _DATA = 0x0050, 0x0051, 0x0100, 0x3000
_ELEMENTS = (_ROWS, _COLUMNS, _FRAMES, _TYPE, _ORIGIN, _FIRST_FRAME, _BITS, _DATA)
OVERLAY_TAGS = tuple(group << 16 | element for group in _GROUPS for element in _ELEMENTS)
"""What is read of a header."""


def read_overlay_planes(
    header: Dataset, shape: FrameShape, frame: int, *, is_big_endian: bool = False
) -> tuple[list[dict[str, Any]], int]:
    """Return the planes of a frame, and how many of the file cannot be shown.

    A plane with too few bits or without a size cannot, nor what would make all together larger than twice
    the image, nor planes within the unused bits of the pixels (retired in 2004).

    Parameters
    ----------
    header
        The data set without pixels, with `OVERLAY_TAGS`.
    shape
        The checked Image Pixel module.
    frame
        Index of the frame. A plane that does not count its frames belongs to all.
    is_big_endian
        Whether words have their high byte first.

    Returns
    -------
    planes : list of dict
        ``group`` (0 to 15), ``kind`` ("G" graphics, "R" region), ``rows``, ``columns``, ``top`` and ``left``
        (row and column of the image, from 0, at which the plane begins), ``bits_base64`` (row by row, the
        first pixel in the lowest bit).
    left_out : int
        Planes of the file, whatever frame they belong to, that are damaged, retired or too many.
    """
    planes: list[dict[str, Any]] = []
    left_out, room = 0, 2 * shape.rows * shape.columns
    for group in (group << 16 for group in _GROUPS):
        if not any(group | element in header for element in (_ROWS, _DATA)):
            continue
        if not _is_whole(header, group):
            left_out += 1
            continue
        plane = _read(header, group, frame, is_big_endian)
        if plane is None:
            continue
        bits = plane.pop("bits")
        room -= len(bits)
        if room < 0:
            left_out += 1
            continue
        planes.append({**plane, "bits_base64": base64.b64encode(bits).decode()})
    return planes, left_out


def _is_whole(header: Dataset, group: int) -> bool:
    """Tell whether a plane has a size, and a bit for each of its pixels."""
    rows, columns = _whole(header, group | _ROWS), _whole(header, group | _COLUMNS)
    data = header[group | _DATA].value if group | _DATA in header else None
    if not rows or not columns or not isinstance(data, bytes) or (_whole(header, group | _BITS) or 1) != 1:
        return False
    frames = max(1, _whole(header, group | _FRAMES) or 1)
    return len(data) >= math.ceil(rows * columns * frames / 8)


def _read(header: Dataset, group: int, frame: int, is_big_endian: bool) -> dict[str, Any] | None:
    """Return the plane of a frame, or None where it has none."""
    rows, columns = _whole(header, group | _ROWS) or 0, _whole(header, group | _COLUMNS) or 0
    data: bytes = header[group | _DATA].value
    frames, first = _whole(header, group | _FRAMES), _whole(header, group | _FIRST_FRAME) or 1
    index = frame - (first - 1) if frames else 0
    size = rows * columns
    if not 0 <= index < max(1, frames or 1):
        return None
    if is_big_endian and header[group | _DATA].VR == "OW":
        data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
    start, end = index * size, (index + 1) * size
    part = np.frombuffer(data, np.uint8)[start // 8 : math.ceil(end / 8)]
    bits = np.unpackbits(part, bitorder="little")[start % 8 : start % 8 + size]
    top, left = _origin(header, group | _ORIGIN)
    return {
        "group": (group >> 16) - 0x6000 >> 1,
        "kind": "R" if str(header[group | _TYPE].value if group | _TYPE in header else "") == "R" else "G",
        "rows": rows,
        "columns": columns,
        "top": top,
        "left": left,
        "bits": np.packbits(bits, bitorder="little").tobytes(),
    }


def _whole(header: Dataset, tag: int) -> int | None:
    value = header[tag].value if tag in header else None
    try:
        return int(value) if value is not None else None
    except (TypeError, ValueError):
        return None


def _origin(header: Dataset, tag: int) -> tuple[int, int]:
    """Row and column from 0; the header counts from 1, and may begin outside the image."""
    value = header[tag].value if tag in header else None
    try:
        row, column = value  # type: ignore[misc]
        return int(row) - 1, int(column) - 1
    except (TypeError, ValueError):
        return 0, 0
