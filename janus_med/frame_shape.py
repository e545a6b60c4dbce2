"""What a header declares about its pixels, held against limits and against the bytes that are there."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pydicom
from pydicom.uid import RLELossless

from janus_med.dicom_file import UNDEFINED_LENGTH
from janus_med.errors import ImpossibleSize, NoPixelData, NotDicom, TruncatedFile, UnsupportedImage

if TYPE_CHECKING:
    from janus_med.dicom_file import OpenedFile

MAX_PIXELS = 64 * 1024 * 1024
RLE_MAX_RATIO = 64
"""Two bytes of RLE make at most 128 (PS3.5 G.3)."""


class _Misdescribed(Exception):
    """An attribute of the Image Pixel module is missing or has too many values."""


@dataclass(frozen=True)
class FrameShape:
    """The Image Pixel module, checked."""

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    photometric_interpretation: str

    @property
    def frame_bytes(self) -> int:
        """Bytes of one native frame."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


def check_frame(opened: OpenedFile) -> FrameShape:
    """Hold what the header declares against the limits and against the bytes that are there.

    Parameters
    ----------
    opened
        From `open_dicom`.

    Returns
    -------
    FrameShape
        Safe to allocate.

    Raises
    ------
    NoPixelData, ImpossibleSize, UnsupportedImage, TruncatedFile
        With the file's name and what to do.
    """
    source, header = opened.source, opened.header
    if opened.pixel_keyword == "":
        raise NoPixelData(source, "holds no pixel data; only images can be drafted")
    if opened.pixel_keyword != "PixelData":
        raise UnsupportedImage(source, "holds floating-point pixels; export it as integers")
    try:
        shape = _read_shape(header)
    except _Misdescribed as error:
        raise NotDicom(source, f"its image description cannot be read ({error}); ask the sender") from error
    except Exception as error:  # pydicom converts values late and raises many types: this is the boundary
        name = type(error).__name__
        raise NotDicom(source, f"its image description cannot be read ({name}); ask the sender") from error
    if shape.rows <= 0 or shape.columns <= 0 or shape.frames <= 0:
        raise ImpossibleSize(source, f"declares {shape.rows} x {shape.columns} pixels; the image is empty")
    if shape.rows * shape.columns > MAX_PIXELS:
        limit = f"the limit is {MAX_PIXELS // 2**20} megapixels"
        raise ImpossibleSize(source, f"declares {shape.rows} x {shape.columns} pixels; {limit}")
    if shape.bits_allocated not in (8, 16, 32) or not 1 <= shape.bits_stored <= shape.bits_allocated:
        bits = f"{shape.bits_stored} of {shape.bits_allocated} bits"
        raise UnsupportedImage(source, f"stores {bits} a pixel; 8, 16 or 32 are read")
    _check_length(opened, shape)
    return shape


def _read_shape(header: pydicom.Dataset) -> FrameShape:
    allocated = _whole(header, "BitsAllocated")
    return FrameShape(
        rows=_whole(header, "Rows"),
        columns=_whole(header, "Columns"),
        frames=_whole(header, "NumberOfFrames", 1),
        samples=_whole(header, "SamplesPerPixel", 1),
        bits_allocated=allocated,
        bits_stored=_whole(header, "BitsStored", allocated),
        signed=bool(_whole(header, "PixelRepresentation", 0)),
        photometric_interpretation=str(header.get("PhotometricInterpretation") or "MONOCHROME2"),
    )


def _whole(header: pydicom.Dataset, keyword: str, default: int | None = None) -> int:
    value: Any = header.get(keyword)
    if value is None or value == "":
        if default is None:
            raise _Misdescribed(f"{keyword} is missing")
        return default
    if isinstance(value, (list, pydicom.multival.MultiValue)):
        raise _Misdescribed(f"{keyword} has several values")
    return int(value)


def _check_length(opened: OpenedFile, shape: FrameShape) -> None:
    if not opened.whole:
        return
    available = opened.size - opened.pixel_offset
    if opened.pixel_length != UNDEFINED_LENGTH:
        available = min(available, opened.pixel_length)
        expected = shape.frame_bytes * shape.frames
        if shape.photometric_interpretation == "YBR_FULL_422":
            expected = expected * 2 // 3
        if available < expected:
            raise TruncatedFile(
                opened.source, f"holds {available} of {expected} bytes of pixels; send it again"
            )
        return
    encoded = _count_encoded(opened)
    if opened.transfer_syntax == RLELossless and encoded * RLE_MAX_RATIO < shape.frame_bytes * shape.frames:
        raise ImpossibleSize(opened.source, "declares more pixels than its RLE data can hold; ask the sender")


def _count_encoded(opened: OpenedFile) -> int:
    """Walk the fragments to the sequence delimiter (PS3.5 A.4); the bytes that they hold."""
    stream, total = opened.stream, 0
    stream.seek(opened.pixel_offset)
    while True:
        head = stream.read(8)
        group, element, length = struct.unpack("<HHL", head) if len(head) == 8 else (0, 0, 0)
        if (group, element) == (0xFFFE, 0xE0DD):
            break
        if (group, element) != (0xFFFE, 0xE000) or stream.seek(length, io.SEEK_CUR) > opened.size:
            raise TruncatedFile(opened.source, "its compressed pixel data are cut or damaged; send it again")
        total += length
    if not total:
        raise TruncatedFile(opened.source, "its compressed pixel data are empty; send it again")
    return total
