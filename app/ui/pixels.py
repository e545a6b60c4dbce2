"""Stored pixels for the viewer: decoded outside this process, kept in a bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

from app.domain.errors import NotFound
from app.services.decoder import StoredPixels

MEMORY_BYTES = 256 * 2**20


class Decodes(Protocol):
    """Whatever turns a file into pixels; `app.services.decoder.DecoderProcess` is one."""

    def decode(self, path: Path, frame: int) -> StoredPixels:
        """Decode one frame of a file."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class PixelCache:
    """Pixels by content digest and frame; the longest unused go first.

    Parameters
    ----------
    objects_dir
        Folder of the spool's objects.
    memory_bytes
        Most that is kept.
    """

    def __init__(self, objects_dir: Path, decoder: Decodes, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._objects_dir = objects_dir
        self._decoder = decoder
        self._memory_bytes = memory_bytes
        self._kept: OrderedDict[tuple[str, int], StoredPixels] = OrderedDict()
        self._lock = threading.Lock()
        self._decoding = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of pixels in memory."""
        with self._lock:
            return sum(len(pixels.data) for pixels in self._kept.values())

    def get(self, sha256: str, frame: int = 0) -> StoredPixels:
        """Return one frame of the object with this digest.

        Raises
        ------
        NotFound
            If the spool has no such object.
        PixelsUnreadable
            With the decoder's reason.
        """
        key = (sha256, frame)
        if not self._path_of(sha256).is_file():
            # purged or erased: what was decoded of it goes too
            self._forget_gone()
            raise NotFound("the image is not in the spool any more")
        if (known := self._look_up(key)) is not None:
            return known
        with self._decoding:
            if (known := self._look_up(key)) is not None:
                return known
            pixels = self._decoder.decode(self._path_of(sha256), frame)
            self._keep(key, pixels)
            return pixels

    def close(self) -> None:
        """Forget everything and stop the decoder."""
        with self._lock:
            self._kept.clear()
        self._decoder.close()

    def _path_of(self, sha256: str) -> Path:
        return self._objects_dir / sha256[:2] / f"{sha256}.dcm"

    def _forget_gone(self) -> None:
        with self._lock:
            digests = {sha256 for sha256, _ in self._kept}
            gone = {sha256 for sha256 in digests if not self._path_of(sha256).is_file()}
            for key in [key for key in self._kept if key[0] in gone]:
                del self._kept[key]

    def _look_up(self, key: tuple[str, int]) -> StoredPixels | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: tuple[str, int], pixels: StoredPixels) -> None:
        self._forget_gone()
        with self._lock:
            self._kept[key] = pixels
            held = sum(len(kept.data) for kept in self._kept.values())
            while held > self._memory_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                held -= len(dropped.data)
