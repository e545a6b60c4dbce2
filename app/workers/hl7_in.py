"""The HL7 process: orders and patient updates of the RIS become database rows, then they are acknowledged.

Nothing is acknowledged that is not committed. While the database is away every message is answered with AE,
and the sender repeats it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import FrameType

import structlog

from app.addresses import is_loopback
from app.domain.access import Actor, service_actor
from app.domain.errors import ConfigurationError, DatabaseUnavailable, JanusMedError
from app.domain.order import OrderCommand, OrderContent, OrderUpdate
from app.domain.patient import PatientMerge
from app.domain.study import Patient
from app.services.hl7_messages import forget_messages, record_refused_message
from app.services.orders import Receipt, take_orders
from app.services.patients import correct_patient, merge_patients
from app.settings import Settings
from app.store.engine import Store, open_store
from app.workers.ports import require_free
from app.workers.tls_files import server_context
from pacs_bridge.hl7_orders import ORDER_MESSAGES, OrderFacts, UnknownControl, read_orders
from pacs_bridge.hl7_patient import CORRECTIONS, MERGES, MissingField, PatientFacts, read_merges, read_patient
from pacs_bridge.hl7_reply import (
    ACCEPTED,
    INTERNAL_ERROR,
    REQUIRED_FIELD_MISSING,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_MESSAGE,
    VALUE_NOT_FOUND,
    Reply,
    Verdict,
    reject,
)
from pacs_bridge.mllp import MllpServer
from pacs_bridge.mllp_config import Hl7Peer, MllpConfig, ReceivedMessage

_AWAY = Reply(Verdict.ERROR, INTERNAL_ERROR, "the database is away: try again later")
_STOP_SECONDS = 5.0
_FORGET_SECONDS = 3600.0


def take_messages(settings: Settings) -> None:
    """Take messages until SIGTERM or SIGINT, then end within 10 s.

    Raises
    ------
    ConfigurationError
        If the settings are unsafe or the database is not one of ours.
    pacs_bridge.errors.Fatal
        If the port is taken.
    """
    config = mllp_config(settings)
    require_free(settings.hl7_host, settings.hl7_port, setting="JANUS_MED_HL7_PORT", purpose="HL7")
    stop = threading.Event()
    _set_on_signals(stop)
    with open_store(settings) as store:
        server = MllpServer(config, OrderDesk(store, service_actor("hl7")))
        server.start()
        structlog.get_logger().info("ready", port=server.port, address=config.address)
        try:
            while not stop.is_set():
                _forget(store)
                stop.wait(_FORGET_SECONDS)
        finally:
            server.stop(_STOP_SECONDS)


def mllp_config(settings: Settings) -> MllpConfig:
    """Return the server's configuration.

    Raises
    ------
    ConfigurationError
        If it would take unencrypted HL7 from a network without the sentence that permits it, or a network or
        certificate is none.
    """
    if not settings.hl7_port:
        raise ConfigurationError("HL7 is off: set JANUS_MED_HL7_PORT")
    tls = server_context(settings.hl7_tls, setting="JANUS_MED_HL7_TLS")
    if tls is None and not is_loopback(settings.hl7_host) and not settings.allow_plain_off_loopback:
        raise ConfigurationError(
            f"HL7 would come unencrypted to {settings.hl7_host}: set JANUS_MED_HL7_TLS, keep "
            "JANUS_MED_HL7_HOST on loopback, or set JANUS_MED_ALLOW_PLAIN_OFF_LOOPBACK to the sentence that "
            "its help names"
        )
    try:
        peers = tuple(Hl7Peer(**peer.model_dump()) for peer in settings.hl7_peers)
    except ValueError as error:
        raise ConfigurationError(f"JANUS_MED_HL7_PEERS: {error}") from None
    if not peers:
        structlog.get_logger().warning("nobody may send", setting="JANUS_MED_HL7_PEERS")
    return MllpConfig(peers=peers, address=settings.hl7_host, port=settings.hl7_port, tls=tls)


@dataclass(frozen=True)
class OrderDesk:
    """Takes messages into the database; one transaction each, committed before the verdict."""

    store: Store
    actor: Actor

    def receive(self, received: ReceivedMessage) -> Reply:
        """Give a message its effect, once."""
        log = structlog.get_logger().bind(kind="^".join(received.message.kind))
        try:
            reply = self._take(received)
        except DatabaseUnavailable:
            log.warning("message not kept, database away")
            return _AWAY
        if reply.verdict is Verdict.REJECT:
            log.warning("message rejected", reason=reply.reason)
        return reply

    def refused(self, source: str, reason: str) -> None:
        """Record that somebody was turned away; only logged while the database is away."""
        structlog.get_logger().warning("sender refused", source=source, reason=reason)
        try:
            record_refused_message(
                self.store, self.actor, source=source, reason=reason, now=datetime.now(UTC)
            )
        except DatabaseUnavailable:
            return

    def _take(self, received: ReceivedMessage) -> Reply:
        act = self._act_of(received)
        if isinstance(act, Reply):
            return act
        try:
            is_new = act()
        except MissingField as error:
            return self._reject(received, REQUIRED_FIELD_MISSING, str(error))
        except UnknownControl as error:
            return self._reject(received, VALUE_NOT_FOUND, str(error))
        except DatabaseUnavailable:
            raise
        except JanusMedError as error:
            return self._reject(received, INTERNAL_ERROR, type(error).__name__)
        structlog.get_logger().info(
            "message taken", kind="^".join(received.message.kind), repeated=not is_new
        )
        return ACCEPTED

    def _act_of(self, received: ReceivedMessage) -> Callable[[], bool] | Reply:
        code, event = kind = received.message.kind
        if kind in ORDER_MESSAGES:
            return lambda: self._orders(received)
        if code == "ADT" and event in CORRECTIONS:
            return lambda: self._correction(received)
        if code == "ADT" and event in MERGES:
            return lambda: self._merges(received)
        condition = UNSUPPORTED_EVENT if code in {"ORM", "OMI", "ADT"} else UNSUPPORTED_MESSAGE
        return reject(condition, "taken are ORM^O01, OMI^O23, ADT^A08, ADT^A31, ADT^A18 and ADT^A40")

    def _orders(self, received: ReceivedMessage) -> bool:
        updates = [as_update(facts) for facts in read_orders(received.message)]
        return take_orders(
            self.store,
            self._sender(received),
            updates,
            source=_source(received),
            receipt=_receipt(received),
            now=datetime.now(UTC),
        )

    def _correction(self, received: ReceivedMessage) -> bool:
        return correct_patient(
            self.store,
            self._sender(received),
            as_patient(read_patient(received.message)),
            source=_source(received),
            receipt=_receipt(received),
            now=datetime.now(UTC),
        )

    def _merges(self, received: ReceivedMessage) -> bool:
        merges = [
            PatientMerge(as_patient(merge.surviving), merge.former_id, merge.former_issuer)
            for merge in read_merges(received.message)
        ]
        return merge_patients(
            self.store,
            self._sender(received),
            merges,
            source=_source(received),
            receipt=_receipt(received),
            now=datetime.now(UTC),
        )

    def _reject(self, received: ReceivedMessage, condition: int, reason: str) -> Reply:
        record_refused_message(
            self.store, self._sender(received), source=received.source, reason=reason, now=datetime.now(UTC)
        )
        return reject(condition, reason)

    def _sender(self, received: ReceivedMessage) -> Actor:
        return replace(self.actor, source=received.source)


def as_update(facts: OrderFacts) -> OrderUpdate:
    """Return an order of a message as the domain knows it."""
    return OrderUpdate(
        OrderCommand(facts.control.value),
        OrderContent(
            placer_number=facts.placer_number,
            filler_number=facts.filler_number,
            accession_number=facts.accession_number,
            patient=as_patient(facts.patient),
            procedure_code=facts.procedure_code,
            procedure=facts.procedure,
            indication=facts.indication,
            priority=facts.priority,
            requesting_physician=facts.requesting_physician,
            pregnancy=facts.pregnancy,
            allergies=facts.allergies,
        ),
    )


def as_patient(facts: PatientFacts) -> Patient:
    """Return a patient of a message as the domain knows it."""
    return Patient(facts.patient_id, facts.issuer, facts.name, facts.birth_date, facts.sex)


def _source(received: ReceivedMessage) -> str:
    return f"HL7 {received.sender}"


def _receipt(received: ReceivedMessage) -> Receipt:
    return Receipt(received.sender, received.control_id, received.sha256)


def _forget(store: Store) -> None:
    try:
        forget_messages(store, now=datetime.now(UTC))
    except DatabaseUnavailable:
        structlog.get_logger().warning("database away")


def _set_on_signals(stop: threading.Event) -> None:
    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, set_stop)
