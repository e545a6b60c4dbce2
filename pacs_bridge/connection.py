"""Bytes and time of one connection: whole PDUs in, PDUs out, one deadline, nothing buffered without bound."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import cast

from pacs_bridge.deadline import Deadline
from pacs_bridge.errors import ProtocolViolation
from pacs_bridge.pdu_buffer import PduBuffer

_MOST_FORGOTTEN = 32 << 20


class Connection(asyncio.BufferedProtocol, ABC):
    """An accepted connection.

    Parameters
    ----------
    loop
        The loop it runs in; every method is called there.
    sock
        The connection, before any TLS handshake.
    longest_pdu
        Bytes; until `allow` says otherwise.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, longest_pdu: int) -> None:
        self.transport: asyncio.Transport | None = None
        self.loop = loop
        self.opened_at = self.since = loop.time()
        self._sock = sock
        self._buffer = PduBuffer(longest_pdu)
        self._deadline = Deadline(loop, self.expire)
        self._taken = 0
        self._forgotten = 0
        self._blocked_since = 0.0
        self._held = False

    @abstractmethod
    def open(self) -> None:
        """Begin; the TLS handshake is done."""

    @abstractmethod
    def take_pdu(self, kind: int, body: memoryview) -> None:
        """Take a whole PDU; `body` is valid during the call."""

    @abstractmethod
    def refuse(self, violation: ProtocolViolation) -> None:
        """React to what must not be."""

    @abstractmethod
    def due(self) -> float | None:
        """Return until when something must happen, in time of the loop; None for no limit."""

    @abstractmethod
    def expire(self) -> None:
        """React to a deadline that has passed."""

    @abstractmethod
    def lose(self) -> None:
        """End; the connection is gone."""

    @property
    def is_inside_pdu(self) -> bool:
        """Whether a PDU has begun and is not complete."""
        return self._buffer.is_inside_pdu

    @property
    def blocked_since(self) -> float:
        """Since when the peer does not read what we send; 0 when it does."""
        return self._blocked_since

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, and watch the time."""
        self.transport = cast(asyncio.Transport, transport)
        self.open()
        self.watch()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        return self._buffer.space()

    def buffer_updated(self, nbytes: int) -> None:
        """Take the PDUs that are complete now."""
        if self._is_too_much_to_forget(nbytes):
            self.cut()
            return
        was_inside, taken = self._buffer.is_inside_pdu, self._taken
        with suppress(OSError):
            # an acknowledgement now, not in 40 ms: a sender with Nagle's algorithm on waits for it
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        try:
            self._buffer.filled(nbytes, self._take)
        except ProtocolViolation as violation:
            self.refuse(violation)
        if taken != self._taken or not was_inside:
            self.touch()
        self.watch()

    def eof_received(self) -> bool:
        """Close: DICOM knows no half-closed connection."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._deadline.cancel()
        self._buffer.stop()
        self.lose()

    def pause_writing(self) -> None:
        """Read no more from a peer that does not read."""
        self._blocked_since = self.loop.time()
        self._pause_reading()
        self.watch()

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked_since = 0.0
        self._resume_reading()
        self.watch()

    def hold(self) -> None:
        """Read no more until `proceed`: the disk is behind."""
        self._held = True
        self._pause_reading()

    def proceed(self) -> None:
        """Read on."""
        if self._held:
            self._held = False
            self.touch()
            self._resume_reading()
            self.watch()

    @property
    def is_held(self) -> bool:
        """Whether reading waits for our disk."""
        return self._held

    def touch(self) -> None:
        """Note that something happened now."""
        self.since = self.loop.time()

    def watch(self) -> None:
        """Set the deadline for the state that the connection is in."""
        self._deadline.set(self.due())

    def allow(self, longest_pdu: int) -> None:
        """Change the longest PDU."""
        self._buffer.allow(longest_pdu)

    def write(self, data: bytes) -> None:
        """Send, unless the connection is closing."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def write_last(self, data: bytes) -> None:
        """Send, forget whatever still comes, and tell the peer that this was all."""
        self._buffer.stop()
        if self.transport is None or self.transport.is_closing():
            return
        with suppress(OSError, RuntimeError):
            self.transport.write(data)
            if self.transport.can_write_eof():
                self.transport.write_eof()
            else:
                self.close()

    def close(self) -> None:
        """Close, without waiting for a peer that does not read."""
        if self.transport is None:
            self.cut()
        elif self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def cut(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()
            return
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _is_too_much_to_forget(self, count: int) -> bool:
        """Count what comes after our last word; more than was on its way is a peer that does not listen."""
        if self._buffer.is_stopped:
            self._forgotten += count
        return self._forgotten > _MOST_FORGOTTEN

    def _take(self, kind: int, body: memoryview) -> None:
        self._taken += 1
        self.take_pdu(kind, body)

    def _pause_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        idle = not self._held and not self._blocked_since
        if idle and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()
