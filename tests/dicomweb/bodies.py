"""Multipart bodies, right and wrong, and DICOM files made for a purpose."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

BOUNDARY = "a boundary that is quoted"


def multipart(
    files: Sequence[Path | bytes],
    *,
    boundary: str = BOUNDARY,
    part_type: str = "application/dicom",
    end: bool = True,
) -> tuple[bytes, str]:
    """Return a body and its Content-Type."""
    parts = b"".join(
        f"--{boundary}\r\nContent-Type: {part_type}\r\n\r\n".encode() + content_of(file) + b"\r\n"
        for file in files
    )
    closing = f"--{boundary}--\r\n".encode() if end else b""
    return parts + closing, f'multipart/related; type="application/dicom"; boundary="{boundary}"'


def content_of(file: Path | bytes) -> bytes:
    return file if isinstance(file, bytes) else file.read_bytes()


def changed(file: Path | bytes, **attributes: Any) -> bytes:
    """Return a file with other attributes; its file meta information follows."""
    dataset = dcmread(io.BytesIO(content_of(file)))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def copy_of(file: Path | bytes, **attributes: Any) -> bytes:
    """Return a file as another instance."""
    return changed(file, **({"SOPInstanceUID": generate_uid()} | attributes))


def read_parts(answer: Any) -> list[tuple[str, bytes]]:
    """Cut a multipart answer into Content-Type and content of its parts."""
    content_type = answer.headers["content-type"]
    boundary = re.search(r'boundary="?([^";]+)"?', content_type)
    assert boundary, content_type
    marker = f"--{boundary[1]}".encode()
    pieces = answer.content.split(marker)
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    parts = []
    for piece in pieces[1:-1]:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found = re.search(rb"(?i)content-type: *([^\r\n]+)", head)
        assert found
        parts.append((found[1].decode(), content.removesuffix(b"\r\n")))
    return parts


def data_set_of(file: bytes) -> bytes:
    """Return what follows the file meta information."""
    length = int.from_bytes(file[140:144], "little")
    return file[144 + length :]


def read(file: bytes) -> Dataset:
    return dcmread(io.BytesIO(file))
