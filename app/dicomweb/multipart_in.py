"""A multipart/related body as it arrives, cut into parts without ever being whole in memory (RFC 2387)."""

from __future__ import annotations

from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from app.dicomweb.accept import MediaRange, parse_ranges
from app.dicomweb.errors import BadRequest, TooLarge, UnsupportedMedia

MOST_PARTS = 10_000
# RFC 2046 5.1.1 allows 70 characters; Orthanc's DICOMweb plugin 1.7 makes 73
LONGEST_BOUNDARY = 200
DICOM = "application/dicom"


class TakesParts(Protocol):
    """Whoever is given the parts."""

    def begin(self, media: MediaRange) -> None:
        """Start a part of this media type."""
        ...

    def write(self, data: bytes) -> None:
        """Take the next bytes of the part."""
        ...

    def end(self) -> None:
        """The part is complete."""
        ...


def boundary_of(content_type: str) -> str:
    """Return the boundary of a STOW-RS request (PS3.18 10.5.1).

    Raises
    ------
    UnsupportedMedia
        Unless it is multipart/related of application/dicom; metadata with bulk data is not taken.
    BadRequest
        Without a boundary.
    """
    ranges = parse_ranges(content_type)
    if len(ranges) != 1 or ranges[0].name != "multipart/related":
        raise UnsupportedMedia('the body has to be multipart/related; type="application/dicom"')
    parameters = ranges[0].parameters
    if parameters.get("type", DICOM).lower() != DICOM:
        raise UnsupportedMedia("only application/dicom is taken in the parts")
    boundary = parameters.get("boundary", "")
    if not 1 <= len(boundary) <= LONGEST_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise BadRequest("the multipart boundary is missing or is none (RFC 2046 5.1.1)")
    return boundary


class PartStream:
    """Feeds a body to the parser, and the parts to who takes them.

    Parameters
    ----------
    boundary
        From `boundary_of`.
    taker
        Who is given the parts.
    largest
        Bytes of the whole body.
    """

    def __init__(self, boundary: str, taker: TakesParts, *, largest: int) -> None:
        self._taker = taker
        self._largest = largest
        self._size = 0
        self._parts = 0
        self._name = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._is_whole = False
        self._parser = MultipartParser(
            boundary.encode("ascii"),
            {
                "on_part_begin": self._begin,
                "on_header_field": self._add_name,
                "on_header_value": self._add_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._write,
                "on_part_end": taker.end,
                "on_end": self._end,
            },
            max_header_count=16,
            max_header_size=4096,
        )

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body.

        Raises
        ------
        TooLarge
            Past the limits.
        BadRequest
            If the bytes are no multipart body.
        """
        self._size += len(data)
        if self._size > self._largest:
            raise TooLarge(f"a request has at most {self._largest} bytes")
        try:
            self._parser.write(data)
        except FormParserError:
            raise BadRequest("the body is not a multipart body with the boundary that was named") from None

    def finish(self) -> None:
        """Say that the body is over.

        Raises
        ------
        BadRequest
            If it ended before its last boundary.
        """
        if not self._is_whole:
            raise BadRequest("the body ends before its closing boundary: truncated")

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise TooLarge(f"a request has at most {MOST_PARTS} parts")
        self._headers = {}

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value.strip()
        self._name = self._value = b""

    def _end_headers(self) -> None:
        ranges = parse_ranges(self._headers.get(b"content-type", b"").decode("latin-1"))
        self._taker.begin(ranges[0] if ranges else MediaRange(DICOM))

    def _write(self, data: bytes, start: int, end: int) -> None:
        self._taker.write(data[start:end])

    def _end(self) -> None:
        self._is_whole = True
