"""The socket of one association: length limits and one deadline per PDU, no waits of Nagle's algorithm."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pynetdicom.transport import AssociationSocket

if TYPE_CHECKING:
    from pacs_bridge.transport import GuardedAssociation


@dataclass(frozen=True)
class TransportLimits:
    """Bounds on what a peer may make us hold or wait for; bytes and seconds.

    Parameters
    ----------
    request_pdu
        Longest PDU before the association is accepted.
    pdu_deadline
        For one PDU from its first byte to its last, once the association is accepted.
    closing_deadline
        For what the peer still sends after an abort, a rejection or a release.
    request_deadline
        From the connection to the complete A-ASSOCIATE-RQ (the ARTIM timer of PS3.8 9.1.5).
    tls_deadline
        For the TLS handshake.
    network_timeout
        Without any PDU, after which the peer is aborted.
    command, message
        Longest command set, longest data set of one DIMSE message.
    memory
        Longest data set that is kept in memory while it arrives.
    queued_messages
        Requests a peer may send ahead; without asynchronous operations it must wait for each answer (PS3.7
        D.3.3.3).
    """

    request_pdu: int = 262_144
    pdu_deadline: float = 30.0
    closing_deadline: float = 1.0
    request_deadline: float = 10.0
    tls_deadline: float = 5.0
    network_timeout: float = 60.0
    command: int = 65_536
    message: int = 4 * 1024**3
    memory: int = 1024**2
    queued_messages: int = 8


class ProtocolViolation(OSError):
    """A peer overstepped a limit; as an `OSError` it makes pynetdicom close the connection."""


class GuardedSocket(AssociationSocket):
    """The socket of one association, with limits per PDU."""

    def __init__(
        self, assoc: GuardedAssociation, client_socket: socket.socket, limits: TransportLimits
    ) -> None:
        client_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(assoc, client_socket=client_socket)
        self._limits = limits
        self._opened = time.monotonic()
        self._deadline = 0.0
        self._last_read = self._opened
        self._closing = 0.0
        self._in_body = False

    @property
    def ready(self) -> bool:
        """Tell whether bytes, or the end of the connection, can be read."""
        if self.socket is None or not self._is_connected:
            return False
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return True
        try:
            poll = select.poll()
            poll.register(self.socket, select.POLLIN)
            readable = bool(poll.poll(self._patience()))
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False
        if readable:
            self._last_read = time.monotonic()
        return readable

    def _patience(self) -> int:
        """Milliseconds to wait for bytes; it is also what an answer of ours may have to wait.

        pynetdicom's thread would sleep 1 ms whatever happens; with a thousand connections that wait, the
        process would do nothing else than wake up.
        """
        if self._awaits_request:
            return 50
        return 1 if time.monotonic() - self._last_read < 1.0 else 20

    def recv(self, nr_bytes: int) -> bytearray:
        """Read the header (6 bytes) or the body of a PDU, within the deadline of that PDU.

        Raises
        ------
        ProtocolViolation
            If the declared length is over the limit.
        TimeoutError
            If the PDU is not complete in time.
        """
        if self._in_body:
            self._in_body = False
            return self._read(nr_bytes)
        self._deadline = self._deadline_of_pdu()
        header = self._read(nr_bytes)
        if len(header) == 6:
            self._in_body = 0x01 <= header[0] <= 0x07
            self._check_length(int(struct.unpack(">L", header[2:])[0]))
        return header

    def send(self, bytestream: bytes) -> None:
        """Send a PDU; a peer that does not read is cut after the deadline of a PDU."""
        try:
            if self.socket is not None:
                self.socket.settimeout(self._limits.pdu_deadline)
        except OSError:
            self.event_queue.put("Evt17")
            return
        super().send(bytestream)

    def cut(self) -> None:
        """Close the connection from another thread; the reader sees its end."""
        if self.socket is not None:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def _deadline_of_pdu(self) -> float:
        if self._awaits_request:
            return self._opened + self._limits.request_deadline
        if self._state == "Sta13":
            self._closing = self._closing or time.monotonic() + self._limits.closing_deadline
            return self._closing
        return time.monotonic() + self._limits.pdu_deadline

    @property
    def _awaits_request(self) -> bool:
        return self._state in {"Sta1", "Sta2"}

    @property
    def _state(self) -> str:
        """The state of PS3.8 table 9-10: 2 awaits the request, 6 is established, 13 awaits the close."""
        return str(self.assoc.dul.state_machine.current_state)

    def _check_length(self, length: int) -> None:
        maximum = self._limits.request_pdu
        if not self._awaits_request:
            maximum = int(self.assoc.acceptor.maximum_length) + 6
        if length > maximum:
            self._in_body = False
            self.assoc.violate(f"a PDU of {length} bytes was announced, {maximum} are allowed")
            raise ProtocolViolation("PDU too long")

    def _late(self) -> TimeoutError:
        self.assoc.violate("a PDU was not complete in time")
        return TimeoutError("PDU not complete in time")

    def _read(self, nr_bytes: int) -> bytearray:
        """Read exactly `nr_bytes`, fewer only when the peer closed the connection."""
        buffer = bytearray(nr_bytes)
        view, filled = memoryview(buffer), 0
        assert self.socket is not None
        while filled < nr_bytes:
            remaining = self._deadline - time.monotonic()
            if remaining <= 0:
                raise self._late()
            self.socket.settimeout(remaining)
            try:
                count = self.socket.recv_into(view[filled:])
            except TimeoutError as error:
                raise self._late() from error
            if count == 0:
                view.release()
                del buffer[filled:]
                break
            filled += count
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return buffer
