"""The bytes of one data set while they arrive: small ones in memory, larger ones in a part file."""

from __future__ import annotations

import hashlib
import io
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO


@dataclass
class Part:
    """A file that is still being received; `head_length` bytes of it come before the data set."""

    path: Path
    file: BinaryIO
    head_length: int


class DataSetBytes:
    """The data set of one message.

    An error of the disk does not stop the association: the rest is only counted and `error` says why, so
    that the peer gets a status instead of an abort. `append` never touches the disk; `detach` and `spill`
    let another thread write while more arrives. The SHA-256 of what is written is computed on its way, of
    what stays in memory when it is asked for.

    Parameters
    ----------
    memory_limit
        Bytes kept in memory before the part file is opened.
    open_part
        Opens the part file; None keeps everything in memory.
    """

    def __init__(self, memory_limit: int = 0, open_part: Callable[[], Part] | None = None) -> None:
        self.size = 0
        self.part: Part | None = None
        self.error: Exception | None = None
        self._memory = io.BytesIO()
        self._memory_limit = memory_limit
        self._open_part = open_part
        self._sha256 = hashlib.sha256()
        self._digest = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the data set as received, in hexadecimal; ask when it is complete."""
        if not self._digest:
            sha256 = self._sha256.copy()
            sha256.update(self._memory.getbuffer())
            self._digest = sha256.hexdigest()
        return self._digest

    @property
    def is_over_memory(self) -> bool:
        """Whether what is in memory should be written now."""
        return self._open_part is not None and self._memory.tell() > self._memory_limit

    def append(self, data: Any) -> None:
        """Take the next fragment, in memory."""
        self.size += len(data)
        self._memory.write(data)

    def write(self, data: Any) -> int:
        """Take the next fragment, and write to the disk at once what is too much for memory."""
        self.append(data)
        if self.is_over_memory:
            self.spill(self.detach())
        return len(data)

    def detach(self) -> io.BytesIO:
        """Take out what is in memory, to be given to `spill` once."""
        chunk, self._memory = self._memory, io.BytesIO()
        return chunk

    def spill(self, chunk: io.BytesIO) -> None:
        """Write a chunk to the part file; chunks in the order of `detach`, one at a time."""
        with chunk.getbuffer() as data:
            self._sha256.update(data)
            if self.error is not None:
                return
            try:
                if self.part is None and self._open_part is not None:
                    self.part = self._open_part()
                if self.part is not None:
                    self.part.file.write(data)
            except Exception as error:
                self.error = error
                self.discard()

    def settle(self) -> None:
        """Write the rest, when there is a part file."""
        if self._memory.tell() and (self.part is not None or self.error is not None):
            self.spill(self.detach())

    @contextmanager
    def view(self) -> Iterator[memoryview]:
        """Give the data set as one read-only buffer, mapped from the part file when there is one."""
        self.settle()
        if self.part is None:
            with self._memory.getbuffer() as buffer:
                yield buffer.toreadonly()
            return
        self.part.file.flush()
        with self.part.path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            with memoryview(mapped) as whole, whole[self.part.head_length :] as body:
                yield body
        finally:
            # an error on its way out refers to the bytes in its traceback: the mapping then ends with it
            with suppress(BufferError):
                mapped.close()

    def discard(self) -> None:
        """Forget the bytes; a part file is removed. Safe to repeat, and after the spool took over."""
        part, self.part = self.part, None
        if part is not None:
            with suppress(OSError):
                # closing flushes, which a full disk refuses; the file goes away all the same
                part.file.close()
            part.path.unlink(missing_ok=True)
