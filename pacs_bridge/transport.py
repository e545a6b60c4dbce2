"""The guard: what pynetdicom's transport does not bound, bounded.

Subclasses of its server, request handler, association, DIMSE provider and socket. They touch private names, so
pynetdicom is pinned exactly and `tests/bridge/test_transport_*.py` must pass before the pin moves.

- A connection is accepted without TLS handshake; the handshake runs in the association's own thread, 5 s at most.
- A PDU may be 256 KiB long before the association is accepted, then the negotiated maximum + 6.
- One deadline counts for a whole PDU, not for each `recv`.
- A DIMSE message is bounded; large data sets go to a file while they arrive, and requests must wait their turn.
- `poll` replaces `select`, which fails for descriptors from 1024 on.
- TCP_NODELAY, and TCP_QUICKACK re-armed after each read: a peer with Nagle's algorithm on would else wait 40 ms
  for every instance.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import struct
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pynetdicom import _config, evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.transport import AssociationServer, AssociationSocket, RequestHandler

from pacs_bridge.admission import WaitingRoom
from pacs_bridge.guarded_dimse import GuardedDimse, OpenPart
from pacs_bridge.received import AssociationFacts

LOGGER = logging.getLogger(__name__)
P_DATA_TF = 0x04


@dataclass(frozen=True)
class TransportLimits:
    """Bounds on what a peer may make us hold or wait for; bytes and seconds.

    Parameters
    ----------
    request_pdu
        Longest PDU before the association is accepted.
    pdu_deadline
        For one PDU from its first byte to its last, once the association is accepted.
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
        Requests a peer may send ahead; without asynchronous operations it must wait for each answer (PS3.7 D.3.3.3).
    """

    request_pdu: int = 262_144
    pdu_deadline: float = 30.0
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

    def __init__(self, assoc: GuardedAssociation, client_socket: socket.socket, limits: TransportLimits) -> None:
        client_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(assoc, client_socket=client_socket)
        self._limits = limits
        self._opened = time.monotonic()
        self._deadline = 0.0
        self._in_body = False

    @property
    def ready(self) -> bool:
        """Tell whether bytes, or the end of the connection, can be read."""
        if self.socket is None or not self._is_connected:
            return False
        try:
            poll = select.poll()
            poll.register(self.socket, select.POLLIN)
            readable = bool(poll.poll(0))
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False
        if isinstance(self.socket, ssl.SSLSocket):
            return readable or bool(self.socket.pending())
        return readable

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
        if self.socket is not None:
            self.socket.settimeout(self._limits.pdu_deadline)
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
        return time.monotonic() + self._limits.pdu_deadline

    @property
    def _awaits_request(self) -> bool:
        return str(self.assoc.dul.state_machine.current_state) in {"Sta1", "Sta2"}

    def _check_length(self, length: int) -> None:
        maximum = self._limits.request_pdu
        if not self._awaits_request:
            maximum = int(self.assoc.acceptor.maximum_length) + 6
        if length > maximum:
            self._in_body = False
            self.assoc.violate(f"a PDU of {length} bytes was announced, {maximum} are allowed")
            raise ProtocolViolation("PDU too long")

    def _read(self, nr_bytes: int) -> bytearray:
        """Read exactly `nr_bytes`, fewer only when the peer closed the connection."""
        buffer = bytearray(nr_bytes)
        view, filled = memoryview(buffer), 0
        assert self.socket is not None
        while filled < nr_bytes:
            remaining = self._deadline - time.monotonic()
            if remaining <= 0:
                self.assoc.violate("a PDU was not complete in time")
                raise TimeoutError("PDU not complete in time")
            self.socket.settimeout(remaining)
            count = self.socket.recv_into(view[filled:])
            if count == 0:
                view.release()
                del buffer[filled:]
                break
            filled += count
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return buffer


class GuardedAssociation(Association):
    """An association that knows its facts, shakes hands in its own thread and always tells when it ended."""

    def __init__(self, server: GuardedServer, address: str) -> None:
        super().__init__(server.ae, MODE_ACCEPTOR)
        self._server: GuardedServer = server
        self.violation = ""
        self.facts = AssociationFacts(uuid.uuid4().hex, "", "", address)
        self.dimse: GuardedDimse = GuardedDimse(self, server.limits, server.open_part)

    def violate(self, reason: str) -> None:
        """Note the first limit that the peer overstepped."""
        self.violation = self.violation or reason

    def learn_titles(self) -> AssociationFacts:
        """Complete the facts with the AE titles of the A-ASSOCIATE-RQ."""
        request = self.requestor.primitive
        self.facts = replace(
            self.facts,
            calling_ae=str(request.calling_ae_title).strip(),
            called_ae=str(request.called_ae_title).strip(),
        )
        return self.facts

    def run_reactor(self) -> None:
        """Run the association from handshake to end."""
        try:
            if self._shake_hands():
                super().run_reactor()
        finally:
            self._server.waiting_room.leave(self.facts.association_id)
            self.dimse.discard()
            self._close_socket()
            self._server.on_end(self)

    def wake_up(self) -> None:
        """End the wait for an A-ASSOCIATE-RQ that cannot come any more."""
        if self.requestor.primitive is None:
            self.dul.to_user_queue.put(None)

    def _shake_hands(self) -> bool:
        context = self._server.tls
        if context is None:
            return True
        wrapper = self.dul.socket
        try:
            wrapper.socket.settimeout(self._server.limits.tls_deadline)
            wrapper.socket = context.wrap_socket(
                wrapper.socket, server_side=True, do_handshake_on_connect=False
            )
            wrapper.socket.do_handshake()
        except (OSError, ValueError) as error:
            self.violate(f"no TLS handshake: {type(error).__name__}")
            return False
        return True

    def _close_socket(self) -> None:
        wrapper = self.dul.socket
        if wrapper is not None and wrapper.socket is not None:
            self._server.shutdown_request(wrapper.socket)


class GuardedHandler(RequestHandler):
    """Turns an accepted connection into a guarded association."""

    server: GuardedServer

    def handle(self) -> None:
        """Start the association in its own thread."""
        assoc = self._create_association()
        self.server.waiting_room.enter(assoc.facts.association_id, assoc.facts.source_address, assoc.dul.socket)
        assoc.start()

    def _create_association(self) -> GuardedAssociation:
        """Do what the base class does, with our classes and without copying 190 contexts each time."""
        server = self.server
        assoc = GuardedAssociation(server, str(self.client_address[0]))
        assoc.name = f"AcceptorThread@{assoc.facts.association_id}"
        assoc.set_socket(GuardedSocket(assoc, self.request, server.limits))
        assoc.acceptor.maximum_length = self.ae.maximum_pdu_size
        assoc.acceptor.ae_title = server.ae_title
        assoc.acceptor.address_info = self.local
        assoc.acceptor.implementation_class_uid = self.ae.implementation_class_uid
        assoc.acceptor.implementation_version_name = self.ae.implementation_version_name
        assoc.acceptor.supported_contexts = server.contexts
        assoc.requestor.address_info = self.remote
        for event, handlers in server._handlers.items():
            if event.is_intervention and handlers:
                assoc.bind(event, *handlers)
            elif isinstance(event, evt.NotificationEvent):
                for function, arguments in handlers:
                    assoc.bind(event, function, arguments)
        assoc.bind(evt.EVT_CONN_CLOSE, lambda event: event.assoc.wake_up())
        return assoc


class GuardedServer(AssociationServer):
    """Accepts connections; nothing a peer does can keep the accept loop busy.

    Parameters
    ----------
    ae, address, ae_title, contexts, evt_handlers
        As for pynetdicom's server.
    limits
        Bounds of every association.
    waiting_room
        Bounds connections before they ask for an association.
    open_part
        Opens a file for a large data set.
    on_end
        Called once in the thread of each association when it is over, however it ended.
    tls
        Wraps connections; None for plain DICOM.
    """

    request_queue_size = 128

    def __init__(
        self,
        ae: Any,
        address: tuple[str, int],
        ae_title: str,
        contexts: list[Any],
        *,
        limits: TransportLimits,
        waiting_room: WaitingRoom,
        open_part: OpenPart,
        on_end: Callable[[GuardedAssociation], None],
        tls: ssl.SSLContext | None = None,
        evt_handlers: list[Any],
    ) -> None:
        self.limits = limits
        self.waiting_room = waiting_room
        self.open_part = open_part
        self.on_end = on_end
        self.tls = tls
        super().__init__(ae, address, ae_title, contexts, None, evt_handlers, GuardedHandler)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection without waiting for anything."""
        try:
            request.shutdown(socket.SHUT_WR)
        except OSError:
            LOGGER.debug("connection_already_closed")
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log and drop a connection that could not become an association (no thread, no descriptor)."""
        LOGGER.exception("connection_failed")
        self.shutdown_request(request)


def keep_identifiers_out_of_logs() -> None:
    """Turn off what pynetdicom logs of messages: it holds patient data."""
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.LOG_HANDLER_LEVEL = "none"
