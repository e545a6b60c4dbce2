"""The delivery worker: builds the document of a signed report and stores it at its destination.

A delivery counts as sent when the receiver has answered with success. An answer that got lost means
"unknown": the same document, with the same SOP Instance UID, is sent again, so that the receiver has it
once.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from app.domain.access import Actor, service_actor
from app.domain.delivery import DeliveryOrder
from app.domain.errors import DatabaseUnavailable, InvalidTransition, NotFound, PeerUnavailable, Rejected
from app.domain.work import DELIVER_QUEUE, DELIVER_REPORT
from app.services.counting import Reporter
from app.services.delivery import load_order, record_failed, record_sent
from app.services.drafting import decline_overdue
from app.settings import Settings
from app.store.engine import Store, open_store
from app.workers.attempts import describe
from app.workers.report_document import build_document
from app.workers.runtime import Worker
from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.errors import BridgeError, Retriable
from pacs_bridge.store_scu import send_instances

DRAFT_WAIT = timedelta(seconds=45)
SENDERS = 4
_HOUSEKEEPING_SECONDS = 5.0
_TIMEOUTS = Timeouts(connection=5.0, acse=10.0, dimse=30.0, network=45.0)


def deliver(settings: Settings) -> None:
    """Deliver reports, and keep house, until SIGTERM or SIGINT; then end within 10 s."""
    actor = service_actor("delivery")
    with open_store(settings) as store:
        task = DeliverReport(store, actor, settings)
        threading.Thread(target=_keep_house, args=(store, actor), name="housekeeping", daemon=True).start()
        # a receiver that does not answer must not hold up the others
        worker = Worker(
            store,
            settings,
            actor,
            [task],
            concurrency=SENDERS,
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
    name: str = DELIVER_REPORT
    queue: str = DELIVER_QUEUE

    def run(self, **arguments: Any) -> None:
        """Deliver once; nothing happens when it was sent already.

        Raises
        ------
        PeerUnavailable
            It may succeed later.
        Rejected
            The receiver refuses it for good, or it cannot be built.
        """
        delivery_id = int(arguments["delivery_id"])
        order = load_order(self.store, delivery_id)
        if order is None:
            structlog.get_logger().info("nothing to deliver", delivery=delivery_id)
            return
        self._send(order)
        record_sent(self.store, self.actor, delivery_id, now=datetime.now(UTC))
        structlog.get_logger().info("sent", delivery=delivery_id, destination=order.delivery.destination)

    def note_failure(self, reason: str, **arguments: Any) -> None:
        """Show the delivery as failed, with the reason."""
        self._record(int(arguments["delivery_id"]), reason, final=False)

    def give_up(self, reason: str, **arguments: Any) -> None:
        """Show the delivery as dead, with the reason."""
        self._record(int(arguments["delivery_id"]), reason, final=True)

    def _record(self, delivery_id: int, reason: str, *, final: bool) -> None:
        # sent, given up or gone in the meantime: then that stands, and this attempt says nothing new
        with contextlib.suppress(InvalidTransition, NotFound):
            record_failed(self.store, self.actor, delivery_id, reason, final=final, now=datetime.now(UTC))

    def _send(self, order: DeliveryOrder) -> None:
        try:
            document = build_document(order, self.settings.institution, self._object(order.source.sha256))
            send_instances(
                [document],
                Destination.parse(order.delivery.destination),
                calling_ae=self.settings.ae_title,
                timeouts=_TIMEOUTS,
                # a deliverer that was killed may have sent it: the UID is this signature's own
                sent_before=True,
            )
        except Retriable as error:
            raise PeerUnavailable(str(error)) from error
        except (BridgeError, ValueError) as error:
            reason = str(error) if isinstance(error, BridgeError) else describe(error)
            raise Rejected(reason) from error

    def _object(self, sha256: str) -> Path:
        return self.settings.spool_dir / "objects" / sha256[:2] / f"{sha256}.dcm"


def _keep_house(store: Store, actor: Actor) -> None:
    """Open studies whose draft does not come to their readers (P5); ends with the process."""
    pause = threading.Event()
    while not pause.wait(_HOUSEKEEPING_SECONDS):
        try:
            declined = decline_overdue(store, actor, waiting=DRAFT_WAIT, now=datetime.now(UTC))
        except DatabaseUnavailable:
            continue
        for study_uid in declined:
            structlog.get_logger().warning("no draft in time", study_uid=study_uid)
