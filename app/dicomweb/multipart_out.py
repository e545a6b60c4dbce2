"""A multipart/related answer, written part by part (RFC 2387, PS3.18 8.6.1.2)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response, StreamingResponse

from app.dicomweb.answers import PRIVATE

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Part:
    """One part of an answer.

    Attributes
    ----------
    media_type
        Its Content-Type.
    location
        Its address; empty for none.
    content
        Its bytes, piece by piece; asked for when the part's turn has come.
    """

    media_type: str
    location: str
    content: Iterable[bytes]


def multipart(parts: Iterable[Part], *, inner: str, status: int = 200) -> Response:
    """Return the parts as one answer that is never whole in memory.

    Parameters
    ----------
    inner
        Media type of the first part, for the parameter `type`.
    """
    boundary = secrets.token_hex(16)
    media_type = f'multipart/related; type="{inner}"; boundary={boundary}'
    # with another coding Streamlit would compress pixels: slow, and of no use
    headers = PRIVATE | {"Content-Type": media_type, "Content-Encoding": "identity"}
    return StreamingResponse(_encode(parts, boundary), status, headers=headers)


def pieces_of(path: Path, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
    """Read a file, or `length` bytes of it from `offset` on, in pieces."""
    left = path.stat().st_size - offset if length is None else length
    with path.open("rb") as file:
        file.seek(offset)
        while left > 0 and (piece := file.read(min(_CHUNK, left))):
            left -= len(piece)
            yield piece


def _encode(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    for part in parts:
        lines = [f"--{boundary}", f"Content-Type: {part.media_type}"]
        if part.location:
            lines.append(f"Content-Location: {part.location}")
        yield ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        yield from part.content
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
