"""Stored pixels for the viewer: decoded outside this process, kept in a bounded memory."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from app.domain.errors import NotFound
from app.services.decoder import StoredPixels

MEMORY_BYTES = 256 * 2**20
Key = tuple[str, int]


class Decodes(Protocol):
    """Whatever turns a file into pixels; `app.services.decoder.DecoderProcess` is one."""

    def start(self) -> None:
        """Get ready to decode."""
        ...

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
    decoders
        As many images are decoded at once; what is decoded ahead never takes the last free one of several.
    memory_bytes
        Most that is kept.
    """

    def __init__(self, objects_dir: Path, *decoders: Decodes, memory_bytes: int = MEMORY_BYTES) -> None:
        self._objects_dir = objects_dir
        self._decoders = decoders
        self._free: queue.LifoQueue[Decodes] = queue.LifoQueue()
        for decoder in decoders:
            self._free.put(decoder)
        self._memory_bytes = memory_bytes
        self._kept: OrderedDict[Key, StoredPixels] = OrderedDict()
        self._under_way: dict[Key, Future[StoredPixels]] = {}
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of pixels in memory."""
        with self._lock:
            return sum(len(pixels.data) for pixels in self._kept.values())

    def start(self) -> None:
        """Get every decoder ready; what is wrong with one is told again when it is asked."""
        for decoder in self._decoders:
            decoder.start()

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
        with self._lock:
            if (known := self._look_up(key)) is not None:
                return known
            begun = self._under_way.get(key)
            mine = self._under_way.setdefault(key, Future())
        return begun.result() if begun else self._decode(key, mine)

    def warm(self, sha256: str, frame: int = 0) -> None:
        """Decode a frame that a reader is about to ask for, unless readers wait for the decoders themselves.

        Raises
        ------
        NotFound, PixelsUnreadable
            As `get` does.
        """
        if self._free.qsize() >= min(2, len(self._decoders)):
            self.get(sha256, frame)

    def _decode(self, key: Key, mine: Future[StoredPixels]) -> StoredPixels:
        """Decode for whoever asks for this frame meanwhile; all of them get the pixels, or the reason."""
        decoder = self._free.get()
        try:
            pixels = decoder.decode(self._path_of(key[0]), key[1])
            self._keep(key, pixels)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(pixels)
            return pixels
        finally:
            self._free.put(decoder)
            with self._lock:
                del self._under_way[key]

    def close(self) -> None:
        """Forget everything and stop the decoder."""
        with self._lock:
            self._kept.clear()
        for decoder in self._decoders:
            decoder.close()

    def _path_of(self, sha256: str) -> Path:
        return self._objects_dir / sha256[:2] / f"{sha256}.dcm"

    def _forget_gone(self) -> None:
        with self._lock:
            digests = {sha256 for sha256, _ in self._kept}
            gone = {sha256 for sha256 in digests if not self._path_of(sha256).is_file()}
            for key in [key for key in self._kept if key[0] in gone]:
                del self._kept[key]

    def _look_up(self, key: Key) -> StoredPixels | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _keep(self, key: Key, pixels: StoredPixels) -> None:
        self._forget_gone()
        with self._lock:
            self._kept[key] = pixels
            held = sum(len(kept.data) for kept in self._kept.values())
            while held > self._memory_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                held -= len(dropped.data)
