"""What a stored object is given out as, by what the client takes (PS3.18 8.7.3)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from app.dicomweb.accept import MediaRange

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
NATIVE = frozenset({IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE})
OCTETS = "application/octet-stream"
DICOM = "application/dicom"
# PS3.18 tables 8.7.3-2 and 8.7.3-3
FRAME_MEDIA = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    **dict.fromkeys([f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70)], "image/jpeg"),
    **dict.fromkeys([f"1.2.840.10008.1.2.4.{n}" for n in (80, 81)], "image/jls"),
    **dict.fromkeys([f"1.2.840.10008.1.2.4.{n}" for n in (90, 91)], "image/jp2"),
    **dict.fromkeys([f"1.2.840.10008.1.2.4.{n}" for n in (92, 93)], "image/jpx"),
    **dict.fromkeys([f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203)], "image/jphc"),
    **dict.fromkeys([f"1.2.840.10008.1.2.4.{n}" for n in (100, 101)], "video/mpeg2"),
    **dict.fromkeys([f"1.2.840.10008.1.2.4.{n}" for n in (102, 103, 104, 105, 106)], "video/mp4"),
}


class Form(StrEnum):
    """How something stored is given out."""

    STORED = "as it is stored"
    EXPLICIT = "re-encoded as Explicit VR Little Endian"
    DECODED = "decoded"


def form_of_object(stored: str, ranges: Iterable[MediaRange]) -> Form | None:
    """Return how an object is given out as application/dicom; None when the client takes nothing we have.

    Without a transfer syntax in the request the default is Explicit VR Little Endian for what is stored
    uncompressed, and the stored syntax for the rest: nothing is decompressed unasked.
    """
    for media in ranges:
        if media.name != DICOM and not (media.is_multipart and media.inner in {DICOM, "*/*"}):
            continue
        match media.transfer_syntax:
            case "*":
                return Form.STORED
            case "" if stored not in NATIVE:
                return Form.STORED
            case "" | "1.2.840.10008.1.2.1" if stored in NATIVE:
                if stored == EXPLICIT_BE:
                    continue
                return Form.STORED if stored == EXPLICIT_LE else Form.EXPLICIT
            case asked if asked == stored:
                return Form.STORED
    return None


def form_of_frames(stored: str, ranges: Iterable[MediaRange]) -> tuple[Form, str] | None:
    """Return how frames are given out, and the media type of each; None when the client takes nothing."""
    for media in ranges:
        if not media.is_multipart:
            continue
        asked, inner = media.transfer_syntax, media.inner
        if stored in NATIVE:
            if inner in {OCTETS, "*/*"} and asked in {"", "*", EXPLICIT_LE}:
                return Form.STORED, OCTETS
            continue
        own = FRAME_MEDIA.get(stored, OCTETS)
        if inner in {own, f"{own.split('/')[0]}/*", "*/*"} and asked in {"", "*", stored}:
            return Form.STORED, own
        if inner == OCTETS and asked in {"*", stored}:
            return Form.STORED, OCTETS
        if inner == OCTETS and asked in {"", EXPLICIT_LE}:
            return Form.DECODED, OCTETS
    return None
