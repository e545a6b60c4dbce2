"""Objects of the spool as DICOMweb reads them: where their pixels lie, found without decoding anything."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.domain.errors import NotFound
from app.domain.study import Instance
from pacs_bridge.elements import UNDEFINED, Encoding, Limits, Value, locate
from pacs_bridge.errors import Rejected
from pacs_bridge.header import InstanceHeader
from pacs_bridge.received import read_head
from pacs_bridge.spool_layout import SpoolLayout, read_record

PIXEL_DATA = 0x7FE00010
_EXTENDED_OFFSETS, _EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
_NUMBERS = {"samples": 0x00280002, "rows": 0x00280010, "columns": 0x00280011, "bits": 0x00280100}
_FRAMES = 0x00280008
_REMEMBERED = 512


@dataclass(frozen=True)
class PixelLayout:
    """Where the pixel data of an object lies.

    Attributes
    ----------
    offset, length
        Of its value in the file, bytes; `length` None when it is encapsulated (PS3.5 A.4).
    extended_offsets
        Values of Extended Offset Table and its lengths, when the object has them.
    bits
        Bits Allocated.
    """

    transfer_syntax: str
    offset: int
    length: int | None
    rows: int
    columns: int
    samples: int
    bits: int
    frames: int
    extended_offsets: tuple[bytes, bytes] | None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one native frame; 0 when frames do not begin at a byte (PS3.5 8.1.1)."""
        bits = self.rows * self.columns * self.samples * self.bits
        return bits // 8 if bits % 8 == 0 else 0


class SpoolObjects:
    """The objects of a spool, for reading.

    Parameters
    ----------
    root
        Folder of the spool.
    """

    def __init__(self, root: Path) -> None:
        self._layout = SpoolLayout(root)
        # a viewer asks for hundreds of frames of the same object
        self._pixels = lru_cache(_REMEMBERED)(self._find_pixels)

    def path_of(self, instance: Instance) -> Path:
        """Return the file of an instance, or raise `NotFound` when the spool does not hold it any more."""
        path = self._layout.object_path(instance.sha256)
        if not path.is_file():
            raise NotFound("the instance is not in the spool any more")
        return path

    def holds(self, instance: Instance) -> bool:
        """Tell whether the spool still holds an instance."""
        return self._layout.object_path(instance.sha256).is_file()

    def header_of(self, sop_uid: str) -> InstanceHeader | None:
        """Return the header facts of an instance, None when its record is gone."""
        if not sop_uid:
            return None
        try:
            record = read_record(self._layout.record_path(sop_uid))
        except ValueError:
            return None
        return record.header if record else None

    def bits_of(self, sha256: str) -> int | None:
        """Return Bits Allocated of an object, None when it has no pixels or cannot be read."""
        try:
            return self._pixels(sha256).bits
        except NotFound:
            return None

    def pixels_of(self, instance: Instance) -> PixelLayout:
        """Return where the pixel data of an instance lies.

        Raises
        ------
        NotFound
            If it has none.
        """
        return self._pixels(instance.sha256)

    def value_of(self, instance: Instance, tag: int) -> tuple[int, int, str]:
        """Return offset and length in the file, and transfer syntax, of a top-level value, in bytes.

        Raises
        ------
        NotFound
            If the object has no such value of known length.
        """
        with _mapped(self.path_of(instance), frozenset({tag})) as (body, found, start, syntax):
            value = found.get(tag)
            if value is None or value.length == UNDEFINED or value.offset + value.length > len(body):
                raise NotFound("there is no such bulk data")
            return start + value.offset, value.length, syntax

    def _find_pixels(self, sha256: str) -> PixelLayout:
        path = self._layout.object_path(sha256)
        if not path.is_file():
            raise NotFound("the instance is not in the spool any more")
        wanted = {PIXEL_DATA, _EXTENDED_OFFSETS, _EXTENDED_LENGTHS, _FRAMES, *_NUMBERS.values()}
        with _mapped(path, frozenset(wanted)) as (body, found, start, syntax):
            value = found.get(PIXEL_DATA)
            numbers = {name: _short(body, found.get(tag), syntax) for name, tag in _NUMBERS.items()}
            if value is None or not (numbers["rows"] and numbers["columns"] and numbers["bits"]):
                raise NotFound("the instance has no pixel data")
            tables = [_bytes(body, found.get(tag)) for tag in (_EXTENDED_OFFSETS, _EXTENDED_LENGTHS)]
            return PixelLayout(
                transfer_syntax=syntax,
                offset=start + value.offset,
                length=None if value.length == UNDEFINED else value.length,
                rows=numbers["rows"],
                columns=numbers["columns"],
                samples=numbers["samples"] or 1,
                bits=numbers["bits"],
                frames=_frames(body, found.get(_FRAMES)),
                extended_offsets=(tables[0], tables[1]) if all(tables) else None,
            )


@contextmanager
def _mapped(path: Path, wanted: frozenset[int]) -> Iterator[tuple[memoryview, dict[int, Value], int, str]]:
    """Give the data set of a file, the wanted values in it, where it begins and its transfer syntax."""
    head, start = read_head(path)
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as whole,
        whole[start:] as body,
    ):
        try:
            found = locate(body, Encoding.of(head.transfer_syntax), wanted, Limits())
        except Rejected:
            raise NotFound("the instance cannot be read") from None
        yield body, found, start, head.transfer_syntax


def _bytes(body: memoryview, value: Value | None) -> bytes:
    if value is None or value.length == UNDEFINED:
        return b""
    return bytes(body[value.offset : value.offset + value.length])


def _short(body: memoryview, value: Value | None, syntax: str) -> int:
    raw = _bytes(body, value)
    order = "<" if Encoding.of(syntax).little_endian else ">"
    return int(struct.unpack(order + "H", raw)[0]) if len(raw) == 2 else 0


def _frames(body: memoryview, value: Value | None) -> int:
    text = _bytes(body, value).decode("ascii", "replace").strip(" \0")
    return max(int(text), 1) if text.isascii() and text.isdigit() else 1
