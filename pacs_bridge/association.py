"""One association of an acceptor: what the actions of `upper_layer.TRANSITIONS` do (PS3.8 9.2)."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

from pacs_bridge.admission import Rejection
from pacs_bridge.answering import Answering
from pacs_bridge.connection import Connection
from pacs_bridge.errors import ProtocolViolation
from pacs_bridge.message import MessageAssembler
from pacs_bridge.negotiation import Agreement, negotiate, unsupported
from pacs_bridge.pdu import (
    AssociateRequest,
    decode_associate_request,
    encode_abort,
    encode_accept,
    encode_command,
    encode_reject,
    encode_release_response,
    fragments_of,
)
from pacs_bridge.received import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, AssociationFacts
from pacs_bridge.requests import Requests
from pacs_bridge.station import Station
from pacs_bridge.upper_layer import EVENT_OF_PDU, TRANSITIONS, Action, Event, State

LOGGER = logging.getLogger(__name__)
_NOTHING = memoryview(b"")


class Association(Connection):
    """A connection from its acceptance to its end; `sock` is not yet under TLS."""

    def __init__(self, station: Station, sock: socket.socket, source_address: str) -> None:
        super().__init__(station.loop, sock, station.config.transport.request_pdu)
        self.facts = AssociationFacts(uuid.uuid4().hex, "", "", source_address)
        self._station = station
        self._limits = station.config.transport
        self._state = State.IDLE
        self._violation = ""
        self._abort_code = 0
        self._request: AssociateRequest | None = None
        self._agreement: Agreement | None = None
        self._rejection: Rejection | None = None
        self._assembler: MessageAssembler | None = None
        self._requests: Requests | None = None
        self.greeting: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_admitted = self._is_releasing = self._is_released = False

    def open(self) -> None:
        """Await the request; note whose certificate it is."""
        assert self.transport is not None
        tls: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        certificate = None if tls is None else tls.getpeercert(binary_form=True)
        if certificate:
            self.facts = replace(self.facts, certificate=sha256(certificate).hexdigest())
        self._happen(Event.CONNECTED)

    def take_pdu(self, kind: int, body: memoryview) -> None:
        """Let the event of a PDU happen."""
        event = EVENT_OF_PDU.get(kind)
        if event is None:
            raise ProtocolViolation("an unknown PDU was sent", code=1)
        if event not in {Event.ASSOCIATE_RQ, Event.P_DATA} and len(body) != 4 and kind > 2:
            raise ProtocolViolation("a PDU of four bytes has another length")
        self._happen(event, body)

    def refuse(self, violation: ProtocolViolation) -> None:
        """Abort for what the peer did (PS3.8 9.2.1, event 19)."""
        self.violate(violation.reason)
        self._abort_code = violation.code
        self._happen(Event.INVALID_PDU)

    def violate(self, reason: str) -> None:
        """Note the first reason why the association cannot end well."""
        self._violation = self._violation or reason

    def abort(self, reason: str) -> None:
        """Abort for a reason of ours."""
        self.violate(reason)
        self._happen(Event.REQUEST_ABORT)
        self.watch()

    def due(self) -> float | None:
        """Return the deadline of the state."""
        limits = self._limits
        if self.blocked_since:
            return self.blocked_since + limits.pdu_deadline
        if self._state is State.AWAITING_REQUEST:
            return self.opened_at + limits.request_deadline
        if self._state is State.AWAITING_CLOSE:
            return self.since + limits.closing_deadline
        if self._requests is None or self._requests.is_busy or self.is_held or self._state is State.IDLE:
            return None
        return self.since + (limits.pdu_deadline if self.is_inside_pdu else limits.network_timeout)

    def expire(self) -> None:
        """End what took too long."""
        if self.blocked_since:
            self.violate("the peer does not read its answers")
            self.cut()
        elif self._state in {State.AWAITING_REQUEST, State.AWAITING_CLOSE}:
            if self._state is State.AWAITING_REQUEST:
                self.violate("no association was requested in time")
            self._happen(Event.TIMER_EXPIRED)
        elif self.is_inside_pdu:
            self.abort("a PDU was not complete in time")
        else:
            self.abort("the peer was silent")

    def touch(self) -> None:
        """Note that something happened; nothing prolongs the closing."""
        if self._state is not State.AWAITING_CLOSE:
            super().touch()

    def lose(self) -> None:
        """Let the loss of the connection happen, and close the books."""
        self._happen(Event.CLOSED)
        self._task = self.loop.create_task(self._end())

    def fail_handshake(self, reason: str, *, alert: bool) -> None:
        """Close the books on a connection that got no TLS session."""
        self.violate(f"no TLS handshake: {reason}")
        if alert:
            self._station.desk.tell("handshake_refused", self.facts, self._violation)
        self._task = self.loop.create_task(self._end())

    def _happen(self, event: Event, data: memoryview = _NOTHING) -> None:
        step = TRANSITIONS.get((self._state, event))
        if step is None:
            # an answer of ours can be ready after the association was aborted
            LOGGER.info("too_late_for_state", extra={"fsm_event": event.name, "state": self._state.name})
            return
        action, state = step
        if state is State.AWAITING_CLOSE and self._state is not state:
            self.touch()
        self._state = state
        _ACTIONS[action](self, data)
        if self._is_admitted and self._state in {State.AWAITING_CLOSE, State.IDLE}:
            self._is_admitted = False
            self._station.desk.vacate(self.facts.association_id)

    def _indicate_request(self, body: memoryview) -> None:
        """AE-6: look at the request, and have it decided."""
        request = decode_associate_request(body)
        self._request = request
        self.facts = replace(self.facts, calling_ae=request.calling_ae, called_ae=request.called_ae)
        self._station.waiting_room.leave(self.facts.association_id)
        self._task = self.loop.create_task(self._decide(request))

    async def _decide(self, request: AssociateRequest) -> None:
        station, facts = self._station, self.facts
        rejection = unsupported(request)
        if rejection is not None:
            station.desk.tell("association_rejected", facts, rejection)
        else:
            try:
                rejection = await self.loop.run_in_executor(station.desk_calls, station.desk.admit, facts)
            except Exception as error:  # the desk is another process, which may be going away
                LOGGER.exception("admission_failed")
                self.abort(f"admission failed: {type(error).__name__}")
                return
        self._is_admitted = rejection is None
        self._rejection = rejection
        if self._state is not State.AWAITING_DECISION:
            # it went away meanwhile
            self._is_admitted = False
            station.desk.leave(facts.association_id)
            return
        if rejection is None:
            self._agreement = negotiate(request, station.offered, station.service_classes)
        self._happen(Event.ACCEPT if rejection is None else Event.REJECT)
        self.watch()

    def _send_accept(self) -> None:
        """AE-7."""
        assert self._request is not None
        assert self._agreement is not None
        station, agreement = self._station, self._agreement
        answering = Answering(station, self.facts)
        self._assembler = MessageAssembler(agreement.accepted, self._limits, answering.open_part)
        self._requests = Requests(station, answering, self._respond, self._on_answered)
        station.desk.tell("association_opened", self.facts)
        self.allow(station.config.maximum_pdu + 6)
        self.touch()
        self.write(
            encode_accept(
                self._request,
                agreement.results,
                agreement.roles,
                maximum_length=station.config.maximum_pdu,
                implementation_class_uid=IMPLEMENTATION_CLASS_UID,
                implementation_version=IMPLEMENTATION_VERSION_NAME,
            )
        )

    def _send_reject(self) -> None:
        """AE-8."""
        assert self._rejection is not None
        rejection = self._rejection
        self.write(encode_reject(rejection.result, rejection.source, rejection.diagnostic))

    def _indicate_data(self, body: memoryview) -> None:
        """DT-2: put fragments together; requests that they complete are answered in their turn."""
        assert self._assembler is not None
        assert self._requests is not None
        for fragment in fragments_of(body):
            message = self._assembler.take(fragment)
            if message is not None:
                self._requests.put(message)
        self._relieve_memory()

    def _relieve_memory(self) -> None:
        """Send what is too much for memory to the disk; read no more while that is behind."""
        assert self._assembler is not None
        assert self._requests is not None
        content = self._assembler.content
        if content is None or not content.is_over_memory:
            self.proceed()
        elif self._requests.is_spilling:
            self.hold()
        else:
            self._requests.spill(content, self._relieve_memory)
            self.proceed()

    def _indicate_release(self) -> None:
        """AR-2: release when everything that was asked is answered."""
        assert self._requests is not None
        self._is_releasing = True
        if not self._requests.is_busy:
            self._happen(Event.RESPOND_RELEASE)

    def _on_answered(self) -> None:
        self.touch()
        if self._is_releasing and self._state is State.AWAITING_RELEASE_RESPONSE:
            self._happen(Event.RESPOND_RELEASE)
        self.watch()

    def _respond(self, context_id: int, command: bytes) -> None:
        assert self._request is not None
        pdus = encode_command(context_id, command, self._request.maximum_length)
        self._happen(Event.SEND_DATA, memoryview(pdus))

    def _send_release_response(self) -> None:
        """AR-4."""
        self._is_released = True
        self.write(encode_release_response())

    async def _end(self) -> None:
        """Close the books, however the association ended."""
        station, facts = self._station, self.facts
        station.waiting_room.leave(facts.association_id)
        if self._requests is not None:
            self._requests.stop()
            await self._requests.finish()
        if self._assembler is not None:
            self._assembler.discard()
        station.desk.leave(facts.association_id)
        station.live.pop(facts.association_id, None)
        station.reclaiming.note_end()
        if self._rejection is not None:
            return
        if self._is_released and not self._violation:
            station.desk.tell("association_closed", facts)
        elif self._violation or facts.calling_ae:
            reason = self._violation or "connection lost or aborted"
            station.desk.tell("association_aborted", facts, reason)


_ACTIONS: Mapping[Action, Callable[[Association, memoryview], None]] = {
    **dict.fromkeys(
        (Action.START_TIMER, Action.STOP_TIMER, Action.INDICATE_LOSS, Action.IGNORE), lambda assoc, data: None
    ),
    Action.INDICATE_REQUEST: Association._indicate_request,
    Action.SEND_ACCEPT: lambda assoc, data: assoc._send_accept(),
    Action.SEND_REJECT: lambda assoc, data: assoc._send_reject(),
    Action.INDICATE_DATA: Association._indicate_data,
    Action.INDICATE_RELEASE: lambda assoc, data: assoc._indicate_release(),
    Action.SEND_RELEASE_RESPONSE: lambda assoc, data: assoc._send_release_response(),
    **dict.fromkeys(
        (Action.SEND_DATA, Action.SEND_DATA_DURING_RELEASE), lambda assoc, data: assoc.write(bytes(data))
    ),
    Action.ABORT_AS_USER: lambda assoc, data: assoc.write_last(encode_abort(0, 0)),
    **dict.fromkeys(
        (Action.ABORT_AS_PROVIDER, Action.ABORT_AGAIN),
        lambda assoc, data: assoc.write_last(encode_abort(2, assoc._abort_code)),
    ),
    **dict.fromkeys((Action.CLOSE, Action.INDICATE_ABORT), lambda assoc, data: assoc.close()),
}
