"""The delivery worker: builds what a signature puts into the outbox and sends it to its destination.

A delivery counts as sent when the receiver has acknowledged it. An answer that got lost means "unknown": the
same message, under the same identity (SOP Instance UID, MSH-10, FHIR identifiers), is sent again, so that the
receiver has it once. What a receiver refuses for good, or does not take in all its attempts
(`JANUS_MED_DELIVERY_RETRY_SECONDS`), becomes a dead letter with an alert.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog

from app.domain.access import Actor, service_actor
from app.domain.commitment import SentObjects
from app.domain.delivery import DeliveryOrder, wait_before_resend
from app.domain.errors import DatabaseUnavailable, InvalidTransition, NotFound, PeerUnavailable, Rejected
from app.domain.report import ReportState
from app.domain.work import DELIVER_QUEUE, DELIVER_REPORT
from app.services.alerts import tell_alerts
from app.services.commitment import forget_losses, require_trust
from app.services.counting import Reporter
from app.services.decoder import DecoderProcess
from app.services.delivery import load_order, postpone, record_failed, record_pointless, record_sent
from app.services.drafting import decline_overdue
from app.settings import Settings
from app.store.document_key import read_document_key
from app.store.engine import Store, open_store
from app.workers import alerting
from app.workers.ask_worklist import AskWorklist
from app.workers.attempts import Task
from app.workers.beside import run_beside
from app.workers.commit import AskCommitment, ask_overdue_again, wants_commitment
from app.workers.fetch_priors import prior_worker
from app.workers.forward_audit import forwarding_audit
from app.workers.lanes import LaneFull, Lanes
from app.workers.result_objects import NothingToSend, sop_class_of
from app.workers.runtime import Worker
from app.workers.senders import Site, send_order
from app.workers.signed_document import PDF

DRAFT_WAIT = timedelta(seconds=45)
SENDERS = 8
QUESTIONS = 2
_HOUSEKEEPING_SECONDS = 5.0
_EARLIER_ON_ITS_WAY = timedelta(seconds=5)


def deliver(settings: Settings) -> None:
    """Deliver reports, and keep house, until SIGTERM or SIGINT; then end within 10 s."""
    actor = service_actor("delivery")
    document_key = read_document_key(settings.document_signature, now=_now())
    with open_store(settings) as store, contextlib.closing(DecoderProcess()) as decoder:
        tasks: list[Task] = [
            DeliverReport(store, actor, settings, Site(settings, decoder, document_key)),
            AskCommitment(store, actor, settings),
            AskWorklist(store, service_actor("worklist"), settings),
        ]
        # in a thread of their own each: a channel for alerts may be slow
        _repeat("alerts", lambda: tell_alerts(store, partial(alerting.tell, settings), now=_now()))
        _repeat("housekeeping", lambda: _decline_overdue(store, actor))
        _repeat("commitment", lambda: ask_overdue_again(store, settings, now=_now()))
        with forwarding_audit(store, settings), run_beside(prior_worker(store, settings)):
            worker = Worker(
                store,
                settings,
                actor,
                tasks,
                concurrency=SENDERS + QUESTIONS,
                on_ready=lambda: structlog.get_logger().info("ready"),
            )
            with Reporter("delivery", lambda: store):
                worker.run()


@dataclass(frozen=True)
class DeliverReport:
    """The task of the queue ``deliver``."""

    store: Store
    actor: Actor
    settings: Settings
    site: Site
    lanes: Lanes = field(default_factory=lambda: Lanes(width=SENDERS // 2))
    name: str = DELIVER_REPORT
    queue: str = DELIVER_QUEUE

    def run(self, **arguments: Any) -> None:
        """Make one attempt; nothing happens when it was sent already.

        Raises
        ------
        Rejected
            The receiver refuses it for good, it cannot be built, or this was the last attempt.
        """
        delivery_id = int(arguments["delivery_id"])
        log = structlog.get_logger().bind(delivery=delivery_id)
        try:
            order = load_order(self.store, self.actor, delivery_id, now=_now())
        except PeerUnavailable:
            postpone(self.store, delivery_id, at=_now() + _EARLIER_ON_ITS_WAY)
            return
        if order is None:
            log.info("nothing to deliver")
            return
        log = log.bind(destination=order.delivery.destination, kind=order.delivery.kind)
        require_trust(self.store, delivery_id)
        try:
            with self.lanes.enter(order.delivery.destination):
                self._send(order)
        except LaneFull as full:
            postpone(self.store, delivery_id, at=_now() + timedelta(seconds=full.wait_seconds))
        except PeerUnavailable as error:
            self._try_later(order, str(error), log)
        except NothingToSend as error:
            record_pointless(self.store, self.actor, delivery_id, str(error), now=_now())
        else:
            log.info("sent")

    def note_failure(self, reason: str, **arguments: Any) -> None:
        """Show the delivery as failed, with the reason; the queue makes the next attempt."""
        self._record(int(arguments["delivery_id"]), reason, final=False)

    def give_up(self, reason: str, **arguments: Any) -> None:
        """Show the delivery as dead, with the reason."""
        self._record(int(arguments["delivery_id"]), reason, final=True)
        forget_losses(self.store, int(arguments["delivery_id"]))

    def _send(self, order: DeliveryOrder) -> None:
        if order.state is ReportState.PRELIMINARY and not self.settings.send_preliminary:
            raise Rejected("a preliminary report does not leave (JANUS_MED_SEND_PRELIMINARY)")
        if self.site.document_key is not None and order.delivery.kind == PDF:
            self.site.document_key.require_valid(now=_now())
        count = send_order(order, self.site)
        asks = wants_commitment(self.settings, order.delivery)
        record_sent(
            self.store,
            self.actor,
            order.delivery.delivery_id,
            commitment_of=SentObjects(sop_class_of(order), count) if asks else None,
            now=_now(),
        )

    def _try_later(self, order: DeliveryOrder, reason: str, log: Any) -> None:
        """Note the failed attempt and put the next one into the queue; the last one is final."""
        delivery = order.delivery
        waits = self.settings.delivery_retry_seconds
        wait = wait_before_resend(delivery.delivery_id, delivery.attempts + 1, waits)
        if wait is None:
            raise Rejected(reason)
        log.warning("attempt failed", attempt=delivery.attempts + 1, next_in=round(wait.total_seconds()))
        self._record(delivery.delivery_id, reason, final=False, retry_at=_now() + wait)

    def _record(
        self, delivery_id: int, reason: str, *, final: bool, retry_at: datetime | None = None
    ) -> None:
        # sent, given up or gone in the meantime: then that stands, and this attempt says nothing new
        with contextlib.suppress(InvalidTransition, NotFound):
            record_failed(
                self.store, self.actor, delivery_id, reason, final=final, retry_at=retry_at, now=_now()
            )


def _repeat(name: str, act: Callable[[], object]) -> None:
    """Do something every few seconds until the process ends; a database that is away is waited for."""

    def run() -> None:
        pause = threading.Event()
        while not pause.wait(_HOUSEKEEPING_SECONDS):
            with contextlib.suppress(DatabaseUnavailable):
                act()

    threading.Thread(target=run, name=name, daemon=True).start()


def _decline_overdue(store: Store, actor: Actor) -> None:
    """Open studies whose draft does not come to their readers (P5)."""
    for study_uid in decline_overdue(store, actor, waiting=DRAFT_WAIT, now=_now()):
        structlog.get_logger().warning("no draft in time", study_uid=study_uid)


def _now() -> datetime:
    return datetime.now(UTC)
