"""The image size that a compressed frame itself declares, read before any decoder allocates for it."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class CodestreamSize:
    """Rows, columns and components of a codestream."""

    rows: int
    columns: int
    components: int


_START_OF_FRAME = frozenset(set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def read_codestream_size(data: bytes) -> CodestreamSize | None:
    """Find the size in a JPEG, JPEG-LS or JPEG 2000 codestream.

    Parameters
    ----------
    data
        One encoded frame, from its first byte.

    Returns
    -------
    CodestreamSize or None
        None when the frame is not one of these (RLE), or its header cannot be followed.
    """
    if data[:4] == b"\xff\x4f\xff\x51":
        return _read_siz(data, 4)
    if data[4:8] == b"jP  " or data[4:8] == b"ftyp":  # a JP2 file around the codestream
        start = data.find(b"\xff\x4f\xff\x51")
        return _read_siz(data, start + 4) if start >= 0 else None
    if data[:2] == b"\xff\xd8":
        return _read_frame_header(data)
    return None


def _read_siz(data: bytes, start: int) -> CodestreamSize | None:
    """SIZ marker segment, ISO/IEC 15444-1 A.5.1: length, capabilities, image, offset, tiles, components."""
    segment = data[start : start + 38]
    if len(segment) < 38:
        return None
    _, _, x, y, x_offset, y_offset, _, _, _, _, components = struct.unpack(">HHLLLLLLLLH", segment)
    return CodestreamSize(y - y_offset, x - x_offset, components)


def _read_frame_header(data: bytes) -> CodestreamSize | None:
    """Walk the marker segments to SOF, ISO/IEC 10918-1 B.2.2 (JPEG-LS: SOF55, ISO/IEC 14495-1 C.2.2)."""
    position = 2
    while position + 10 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF or marker in _STANDALONE:
            position += 1 if marker == 0xFF else 2
            continue
        if marker in _START_OF_FRAME:
            _, rows, columns, components = struct.unpack(">BHHB", data[position + 4 : position + 10])
            return CodestreamSize(rows, columns, components)
        (length,) = struct.unpack(">H", data[position + 2 : position + 4])
        position += 2 + length
    return None
