"""The receive buffer of one connection: bytes in, whole PDUs out, nothing longer than allowed."""

from __future__ import annotations

from collections.abc import Callable

from pacs_bridge.errors import ProtocolViolation
from pacs_bridge.pdu import HEADER

_READ_AHEAD = 65_536
_FIRST_SIZE = 16_384


class PduBuffer:
    """Bytes that were received and not yet taken as PDUs.

    Memory is touched as bytes arrive, so a connection that says little costs little.

    Parameters
    ----------
    limit
        Longest PDU, in bytes after its header.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = bytearray(min(_FIRST_SIZE, limit + HEADER.size))
        self._start = 0
        self._end = 0
        self._stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether what comes is forgotten."""
        return self._stopped

    @property
    def is_inside_pdu(self) -> bool:
        """Whether a PDU has begun and is not complete."""
        return self._end > self._start

    def allow(self, limit: int) -> None:
        """Change the longest PDU; what is waiting stays."""
        self._limit = limit
        self._resize(limit + HEADER.size + _READ_AHEAD)

    def stop(self) -> None:
        """Take no more PDUs: what still comes is forgotten."""
        self._stopped = True
        self._start = self._end = 0

    def space(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        if self._end == len(self._bytes):
            self._make_room()
        return memoryview(self._bytes)[self._end :]

    def filled(self, count: int, take: Callable[[int, memoryview], None]) -> None:
        """Note that bytes arrived, and hand over each PDU that is complete: its type and its body.

        The body is valid during the call only.

        Raises
        ------
        ProtocolViolation
            As soon as a PDU announces more bytes than allowed.
        """
        self._end += count
        view = memoryview(self._bytes)
        while not self._stopped and self._end - self._start >= HEADER.size:
            kind, length = HEADER.unpack_from(view, self._start)
            if length > self._limit:
                raise ProtocolViolation(f"a PDU of {length} bytes was announced, {self._limit} are allowed")
            body = self._start + HEADER.size
            if body + length > self._end:
                break
            self._start = body + length
            taken, before = view[body : body + length], self._bytes
            take(kind, taken)
            if self._bytes is not before:
                view = memoryview(self._bytes)
        if self._stopped or self._start == self._end:
            self._start = self._end = 0

    def _make_room(self) -> None:
        """Move what waits to the front; grow when that frees too little."""
        waiting, size = self._end - self._start, len(self._bytes)
        if waiting > size // 2 and size < self._limit + HEADER.size:
            self._resize(min(2 * size, self._limit + HEADER.size + _READ_AHEAD))
            return
        self._bytes[:waiting] = self._bytes[self._start : self._end]
        self._start, self._end = 0, waiting

    def _resize(self, size: int) -> None:
        waiting = self._end - self._start
        fresh = bytearray(max(size, waiting + 1))
        fresh[:waiting] = self._bytes[self._start : self._end]
        self._bytes, self._start, self._end = fresh, 0, waiting
