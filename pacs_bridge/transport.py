"""The guard: what pynetdicom's transport does not bound, bounded.

Subclasses of its server, request handler, association, DIMSE provider and socket. They touch private names,
so pynetdicom is pinned exactly and `tests/bridge/test_transport_*.py` must pass before the pin moves.

- A connection is accepted without TLS handshake; the handshake runs in the association's own thread, 5 s at
  most.
- A PDU may be 256 KiB long before the association is accepted, then the negotiated maximum + 6.
- One deadline counts for a whole PDU, not for each `recv`.
- A DIMSE message is bounded; large data sets go to a file while they arrive, and requests must wait their
  turn.
- `poll` replaces `select`, which fails for descriptors from 1024 on.
- TCP_NODELAY, and TCP_QUICKACK re-armed after each read: a peer with Nagle's algorithm on would else wait
  40 ms for every instance.
"""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pynetdicom import _config, evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.fsm import InvalidEventError, StateMachine
from pynetdicom.transport import AssociationServer, RequestHandler

from pacs_bridge.admission import WaitingRoom
from pacs_bridge.guarded_dimse import GuardedDimse, OpenPart
from pacs_bridge.guarded_socket import GuardedSocket, TransportLimits
from pacs_bridge.received import AssociationFacts

LOGGER = logging.getLogger(__name__)
# Primitives of ours that wait in the provider's queue (PS3.8 table 9-10)
FROM_OUR_SIDE = frozenset({"Evt7", "Evt8", "Evt9", "Evt11", "Evt14", "Evt15"})


class GuardedStateMachine(StateMachine):
    """The state machine of PS3.8 9.2 that survives its own side being late.

    An answer can become ready after the association was aborted; pynetdicom's machine then raises and its
    thread dies with a trace.
    """

    def do_action(self, event: str) -> None:
        """Run the action of an event; drop a primitive that came too late for the state."""
        try:
            super().do_action(event)
        except InvalidEventError:
            LOGGER.info("too_late_for_state", extra={"fsm_event": event, "state": self.current_state})
            if event in FROM_OUR_SIDE:
                with suppress(queue.Empty):
                    self.dul.to_provider_queue.get(block=False)


class GuardedAssociation(Association):
    """An association that knows its facts, shakes hands in its own thread and always tells when it ended."""

    def __init__(self, server: GuardedServer, address: str) -> None:
        super().__init__(server.ae, MODE_ACCEPTOR)
        self._server: GuardedServer = server
        self.violation = ""
        self.facts = AssociationFacts(uuid.uuid4().hex, "", "", address)
        # the socket waits for bytes, the loop need not sleep as well
        self.dul._run_loop_delay = 0.0
        self.dul.state_machine = GuardedStateMachine(self.dul)
        self.dimse: GuardedDimse = GuardedDimse(self, server.guard.limits, server.guard.open_part)

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
            self._server.guard.waiting_room.leave(self.facts.association_id)
            self.dimse.discard()
            self._close_socket()
            self._server.guard.on_end(self)

    def wake_up(self) -> None:
        """End the wait for an A-ASSOCIATE-RQ that cannot come any more."""
        if self.requestor.primitive is None:
            self.dul.to_user_queue.put(None)

    def _shake_hands(self) -> bool:
        context = self._server.guard.tls
        if context is None:
            return True
        wrapper = self.dul.socket
        try:
            wrapper.socket.settimeout(self._server.guard.limits.tls_deadline)
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
        self.server.guard.waiting_room.enter(
            assoc.facts.association_id, assoc.facts.source_address, assoc.dul.socket
        )
        assoc.start()

    def _create_association(self) -> GuardedAssociation:
        """Do what the base class does, with our classes and without copying 190 contexts each time."""
        server = self.server
        assoc = GuardedAssociation(server, str(self.client_address[0]))
        assoc.name = f"AcceptorThread@{assoc.facts.association_id}"
        assoc.set_socket(GuardedSocket(assoc, self.request, server.guard.limits))
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


@dataclass(frozen=True)
class Guard:
    """What bounds the associations of a server, and where they report.

    Parameters
    ----------
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

    limits: TransportLimits
    waiting_room: WaitingRoom
    open_part: OpenPart
    on_end: Callable[[GuardedAssociation], None]
    tls: ssl.SSLContext | None = None


class GuardedServer(AssociationServer):
    """Accepts connections; nothing a peer does can keep the accept loop busy.

    It does not need the threads of pynetdicom's threaded server: to accept is to start an association,
    which has its own.

    Parameters
    ----------
    ae, address, contexts, evt_handlers
        As for pynetdicom's server.
    guard
        Bounds and callbacks.
    """

    request_queue_size = 128

    def __init__(
        self, ae: Any, address: tuple[str, int], contexts: list[Any], guard: Guard, evt_handlers: list[Any]
    ) -> None:
        self.guard = guard
        super().__init__(ae, address, ae.ae_title, contexts, None, evt_handlers, GuardedHandler)

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
