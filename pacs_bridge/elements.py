"""Walk the elements of an encoded data set without decoding, recursing or copying.

The walk is a loop with an explicit stack, so nesting cannot exhaust the interpreter's; depth and number of
elements are limited. Values are only located, pixel data is skipped by its length.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_DELIMITER = 0xFFFEE00D
SEQUENCE_DELIMITER = 0xFFFEE0DD
PIXEL_DATA = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH"}
    | {b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)


@dataclass(frozen=True)
class Limits:
    """What a header may hold before it is refused.

    Parameters
    ----------
    depth
        Levels of nested sequences; real objects stay below ten.
    elements
        Elements and items at every level; an enhanced multi-frame object of 2,000 frames has about 120,000.
    """

    depth: int = 32
    elements: int = 190_000


@dataclass(frozen=True)
class Encoding:
    """How a data set is encoded (PS3.5 section 7, Annex A)."""

    implicit: bool
    little_endian: bool

    @classmethod
    def of(cls, transfer_syntax: str) -> Encoding:
        """Return the encoding of a transfer syntax UID."""
        return cls(transfer_syntax == "1.2.840.10008.1.2", transfer_syntax != "1.2.840.10008.1.2.2")


class Value(NamedTuple):
    """Where a value lies: VR (empty when implicit), offset and length in bytes."""

    vr: bytes
    offset: int
    length: int


class _Frame(NamedTuple):
    kind: str  # "data set", "sequence" or "fragments"
    end: int | None  # None: until the delimiter
    implicit: bool


class _Damaged(Exception):
    """The bytes at hand are not elements; the walk decides whether that matters."""


def locate(data: memoryview, encoding: Encoding, wanted: frozenset[int], limits: Limits) -> dict[int, Value]:
    """Find wanted elements of the top level of a data set and check the structure of the whole.

    Parameters
    ----------
    data
        The encoded data set, without preamble and file meta information.
    encoding
        Its encoding, from the negotiated transfer syntax.
    wanted
        Tags ``0xGGGGEEEE`` to locate.
    limits
        Depth and number of elements that are followed.

    Returns
    -------
    dict of int to Value
        Only the tags that are there.

    Raises
    ------
    Rejected
        If the bytes are not a data set in this encoding, end inside an element, or exceed the limits (PS3.5
        7.1).
    """
    walk = _Walk(data, encoding, wanted, limits)
    while walk.stack:
        try:
            walk.step()
        except _Damaged as damage:
            walk.step_over(str(damage))
    return walk.found


class _Walk:
    """State of one walk: position, open data sets and sequences, what was found."""

    def __init__(self, data: memoryview, encoding: Encoding, wanted: frozenset[int], limits: Limits) -> None:
        self.data = data
        self.order = "<" if encoding.little_endian else ">"
        self.tag_and_length = struct.Struct(self.order + "HHI")
        self.wanted = wanted
        self.limits = limits
        self.stack = [_Frame("data set", len(data), encoding.implicit)]
        self.position = 0
        self.count = 0
        self.pixels_seen = False
        self.found: dict[int, Value] = {}

    def step(self) -> None:
        """Take the next element, item or delimiter."""
        frame = self.stack[-1]
        if frame.end is not None and self.position >= frame.end:
            if self.position > frame.end:
                raise _Damaged("an element reaches past the end of its sequence")
            self.stack.pop()
            return
        self.count += 1
        if self.count > self.limits.elements:
            raise Rejected(CANNOT_UNDERSTAND, f"more than {self.limits.elements} elements in the header")
        if frame.kind == "data set":
            self._step_element(frame)
        else:
            self._step_item(frame)

    def step_over(self, damage: str) -> None:
        """Go on behind the damaged part where its end is known, else refuse the data set.

        A sequence of known length is opaque to readers that do not look into it; damage behind complete pixel
        data (padding of old modalities) is as harmless.
        """
        if self.pixels_seen and len(self.stack) == 1:
            self.stack.clear()
            return
        for level, frame in enumerate(self.stack):
            if frame.kind == "sequence" and frame.end is not None and frame.end <= len(self.data):
                self.position = frame.end
                del self.stack[level:]
                return
        raise Rejected(CANNOT_UNDERSTAND, f"not a readable data set: {damage} near byte {self.position}")

    def _step_element(self, frame: _Frame) -> None:
        group, element, length = self._unpack()
        tag = group << 16 | element
        if tag == ITEM_DELIMITER and frame.end is None:
            self.position += 8
            self.stack.pop()
            return
        if group in {0x0000, 0x0002, 0xFFFE}:
            raise _Damaged(f"unexpected element ({group:04X},{element:04X})")
        vr, start, length = self._value_header(frame, length)
        top = len(self.stack) == 1
        if self._is_sequence(tag, vr, length):
            self._open("sequence", start, length, frame.implicit or vr == b"UN")
            return
        if length == UNDEFINED:
            if tag not in PIXEL_DATA:
                raise _Damaged(f"element ({group:04X},{element:04X}) has no length")
            self._open("fragments", start, length, frame.implicit)
        elif start + length > (len(self.data) if frame.end is None else frame.end):
            raise _Damaged(f"the data set ends inside element ({group:04X},{element:04X}): truncated,")
        else:
            self.position = start + length
        if top:
            self._note(tag, Value(vr, start, length))

    def _step_item(self, frame: _Frame) -> None:
        group, element, length = self._unpack()
        tag = group << 16 | element
        if tag == SEQUENCE_DELIMITER and frame.end is None:
            self.position += 8
            self.stack.pop()
            self.pixels_seen = self.pixels_seen or (frame.kind == "fragments" and len(self.stack) == 1)
        elif tag != ITEM:
            raise _Damaged("a sequence holds something else than items")
        elif frame.kind == "sequence":
            self._open("data set", self.position + 8, length, frame.implicit)
        elif self.position + 8 + length > len(self.data):
            raise _Damaged("the pixel data is truncated,")
        else:
            self.position += 8 + length

    def _unpack(self) -> tuple[int, int, int]:
        if self.position + 8 > len(self.data):
            raise _Damaged("the data set ends inside an element: truncated,")
        return self.tag_and_length.unpack_from(self.data, self.position)

    def _value_header(self, frame: _Frame, length: int) -> tuple[bytes, int, int]:
        """Return VR, offset and length of the value of the element at the position."""
        if frame.implicit:
            return b"", self.position + 8, length
        vr = bytes(self.data[self.position + 4 : self.position + 6])
        if vr in SHORT_VRS:
            short: int = struct.unpack_from(self.order + "H", self.data, self.position + 6)[0]
            return vr, self.position + 8, short
        if vr not in LONG_VRS:
            raise _Damaged(
                "no value representation where one must be (other transfer syntax than negotiated?)"
            )
        if self.position + 12 > len(self.data):
            raise _Damaged("the data set ends inside an element: truncated,")
        long: int = struct.unpack_from(self.order + "I", self.data, self.position + 8)[0]
        return vr, self.position + 12, long

    @staticmethod
    def _is_sequence(tag: int, vr: bytes, length: int) -> bool:
        """PS3.5 6.2.2 note 2: UN of undefined length is a sequence; implicit VR asks the dictionary."""
        if vr:
            return vr == b"SQ" or (vr == b"UN" and length == UNDEFINED)
        if length == UNDEFINED:
            return tag not in PIXEL_DATA
        if tag >> 16 & 1:
            return False
        try:
            return bool(dictionary_VR(tag) == "SQ")
        except KeyError:
            return False

    def _open(self, kind: str, start: int, length: int, implicit: bool) -> None:
        if len(self.stack) > 2 * self.limits.depth:
            raise Rejected(CANNOT_UNDERSTAND, f"sequences are nested deeper than {self.limits.depth} levels")
        end = None if length == UNDEFINED else start + length
        if end is not None and end > len(self.data):
            raise _Damaged("a sequence reaches past the end of the data set: truncated,")
        self.stack.append(_Frame(kind, end, implicit))
        self.position = start

    def _note(self, tag: int, value: Value) -> None:
        if tag in PIXEL_DATA:
            self.pixels_seen = self.pixels_seen or value.length != UNDEFINED
        if tag not in self.wanted:
            return
        if tag in self.found:
            raise Rejected(CANNOT_UNDERSTAND, f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) occurs twice")
        self.found[tag] = value
