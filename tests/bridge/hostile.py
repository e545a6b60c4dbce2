"""Instances that are made to hurt: bombs, malformed data sets, polyglots, commands that lie."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from tests.bridge.peers import BIG_ENDIAN, CR, CT, IMPLICIT, encode, nested, radiograph

RLE, JPEG, JPEG_LS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80"
J2K, HTJ2K, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.70"
_EXPLICIT = "1.2.840.10008.1.2.1"


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """An element in explicit VR little endian; a long length field where the VR has one."""
    if vr in {b"OB", b"OW", b"SQ", b"UN", b"UT"}:
        return struct.pack("<HH2sHI", group, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def encapsulated(fragment: bytes, frames: int = 1, side: int = 65535) -> tuple[str, bytes]:
    """An image that claims to be `side` squared, its pixel data one fragment for each frame."""
    dataset = radiograph(pixels=False, Rows=side, Columns=side, NumberOfFrames=frames)
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 16, 16, 15
    fragment += b"\0" * (len(fragment) % 2)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(fragment)) + fragment
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    pixels += struct.pack("<HHI", 0xFFFE, 0xE000, 0) + frames * item + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return str(dataset.SOPInstanceUID), encode(dataset) + pixels


def bombs() -> Iterator[tuple[str, str, str, bytes]]:
    """Twelve small objects that announce gigabytes: name, transfer syntax, SOP Instance UID, data set."""
    size = struct.pack(">HH", 65535, 65535)
    jpeg = b"\xff\xd8\xff\xc0\0\x0b\x08" + size + b"\1\1\x11\0"
    lossless = b"\xff\xd8\xff\xc3\0\x0b\x10" + size + b"\1\1\x11\0"
    jpeg_ls = b"\xff\xd8\xff\xf7\0\x0b\x10" + size + b"\1\1\x11\0"
    siz = struct.pack(">HHHIIIIIIIIHBBB", 0xFF51, 41, 0, *(65535, 65535, 0, 0) * 2, 1, 15, 1, 1)
    j2k = b"\xff\x4f" + siz
    runs = struct.pack("<16I", 2, 64, 64 + 2048, *[0] * 13) + b"\x81\0" * 2048
    for name, syntax, fragment, frames, side in (
        ("RLE 30000 x 30000", RLE, runs, 1, 30000),
        ("RLE of many frames", RLE, runs, 200, 30000),
        ("RLE with offsets past its end", RLE, struct.pack("<16I", 15, *[0xFFFFFFFF] * 15), 1, 30000),
        ("JPEG 65535 x 65535", JPEG, jpeg, 1, 65535),
        ("JPEG of many frames", JPEG, jpeg, 2000, 65535),
        ("JPEG lossless 65535 x 65535", JPEG_LOSSLESS, lossless, 1, 65535),
        ("JPEG-LS 65535 x 65535", JPEG_LS, jpeg_ls, 1, 65535),
        ("JPEG 2000 65535 x 65535", J2K, j2k, 1, 65535),
        ("HTJ2K 65535 x 65535", HTJ2K, j2k, 1, 65535),
    ):
        yield name, syntax, *encapsulated(fragment, frames, side)
    dataset = radiograph(side=4096)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(600_000_000)) + packer.flush()
    # the deflated syntax is not offered, so its bytes come under another one
    yield "deflate 1029:1", _EXPLICIT, str(dataset.SOPInstanceUID), packed
    dataset = radiograph(pixels=False)
    yield (
        "deflate inside a private element",
        _EXPLICIT,
        str(dataset.SOPInstanceUID),
        encode(dataset) + element(0x0029, 0x1010, b"OB", packed + b"\0" * (len(packed) % 2)),
    )
    dataset = radiograph(Rows=65535, Columns=65535, NumberOfFrames=2**31 - 1)
    yield "2^63 pixels announced, 512 bytes sent", _EXPLICIT, str(dataset.SOPInstanceUID), encode(dataset)


def malformed() -> Iterator[tuple[str, bytes]]:
    """Sixty data sets that explicit VR little endian does not allow, or that go too far."""
    for depth in (50, 100, 500, 1000, 5000):
        for undefined in (False, True):
            yield (
                f"depth {depth}, undefined {undefined}",
                encode(radiograph()) + nested(depth, undefined=undefined),
            )
    good = encode(radiograph())
    for end in (1, 3, 7, 8, 9, 11, 40, 101, len(good) // 2, len(good) - 1, len(good) - 300, len(good) - 511):
        yield f"cut to {end} bytes", good[:end]
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        dataset = radiograph()
        delattr(dataset, keyword)
        yield f"without {keyword}", encode(dataset)
        for name, value in (("empty", ""), ("of 65 digits", "1" * 65), ("of letters", "1.2.x")):
            yield f"{keyword} {name}", encode(_unchecked(keyword, value))
    for number, (tag, vr) in enumerate(((0x0018, b"UI"), (0x0020, b"DA"), (0x0060, b"CS"))):
        yield f"element twice, {number}", good + element(0x0008, tag, vr, b"1\0")
    yield "200,000 elements", good + element(0x0029, 0x1010, b"US", b"\0\0") * 200_000
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 200_000
    yield "200,000 items", good + element(0x0040, 0x0275, b"SQ", items)
    without_pixels = encode(radiograph(pixels=False))
    for length in (1, 1000, 2**31, 2**32 - 2):
        lie = struct.pack("<HH2sHI", 0x0029, 0x1010, b"OB", 0, length)
        yield f"length {length}, nothing follows", without_pixels + lie
    for length in (7, 0xFFFF):
        lie = struct.pack("<HH2sH", 0x0028, 0x0010, b"US", length)
        yield f"US of {length} bytes at the end", without_pixels + lie
    start = element(0x0002, 0x0010, b"UI", b"1.2\0")
    yield "meta header in the data set", start + without_pixels
    yield "command in the data set", element(0x0000, 0x0100, b"US", b"\1\0") + without_pixels
    yield "item outside a sequence", struct.pack("<HHI", 0xFFFE, 0xE000, 0) + without_pixels
    yield "delimiter outside a sequence", struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) + without_pixels
    yield "VR of no letters", struct.pack("<HH2sH", 0x0008, 0x0005, b"\0\1", 0) + without_pixels
    yield (
        "text of undefined length",
        struct.pack("<HH2sHI", 0x0008, 0x0119, b"UT", 0, 0xFFFFFFFF) + without_pixels,
    )
    yield "implicit VR under an explicit syntax", encode(radiograph(), IMPLICIT)
    yield "big endian under little endian", encode(radiograph(), BIG_ENDIAN)
    yield "noise", random.Random(20261122).randbytes(4096)
    yield "zeros", bytes(4096)
    yield "text", b"<html>no image</html>" * 40


def polyglots() -> Iterator[tuple[str, bytes]]:
    """Ten preambles of 128 bytes that make a DICOM file something else too (CVE-2019-11687)."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("a", "")
    for name, start in (
        ("PE", b"MZ" + bytes(58) + struct.pack("<I", 0x80)),
        ("PE with a DOS stub", b"MZ\x90\0\3" + b"\x0e\x1f\xba\x0e\0\xb4\x09\xcd\x21" * 8),
        ("ELF 64", b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHI", 2, 62, 1)),
        ("ELF 32", b"\x7fELF\1\1\1" + bytes(9) + struct.pack("<HHI", 2, 3, 1)),
        ("Mach-O 64", struct.pack("<IIII", 0xFEEDFACF, 0x01000007, 3, 2)),
        ("Mach-O fat", struct.pack(">III", 0xCAFEBABE, 1, 0x01000007)),
        ("ZIP", archive.getvalue()),
        ("HTML", b"<html><script>alert(1)</script><!--"),
        ("shell script", b"#!/bin/sh\ntouch /tmp/evil; exit\n"),
        ("PDF", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n"),
    ):
        yield name, start[:128].ljust(128, b"\0")


def lies() -> Iterator[tuple[str, str, bytes]]:
    """Fifty commands that name another instance than their data set: class and instance, data set."""
    rng = random.Random(20261122)
    for number in range(50):
        dataset = radiograph(side=4)
        data, own = encode(dataset), str(dataset.SOPInstanceUID)
        other = (
            own[:-1] + str((int(own[-1]) + 1) % 10),
            own[:-1],
            own[: len(own) // 2].rstrip("."),
            str(dataset.StudyInstanceUID),
            f"2.25.{rng.getrandbits(120)}",
        )[number % 5]
        sop_class = CT if number % 3 == 0 else CR
        yield sop_class, own if number % 6 == 0 else other, data


def _unchecked(keyword: str, value: str) -> Any:
    """A radiograph with a UID that pydicom would not let pass."""
    dataset = radiograph(pixels=False)
    dataset[keyword]._value = value
    return dataset
