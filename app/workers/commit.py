"""Storage commitment in the delivery worker: asks receivers to keep what they acknowledged (PS3.4 Annex J).

The receiver's report comes on the association that asks, or later to the listener; either way it lies in the
spool before it is answered, and intake takes it from there.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from app.destinations import DicomDestination
from app.domain.access import Actor
from app.domain.commitment import SentObjects
from app.domain.delivery import Delivery
from app.domain.errors import NotFound, Rejected
from app.domain.identifiers import part_uids
from app.domain.work import ASK_COMMITMENT, DELIVER_QUEUE
from app.services.commitment import (
    CommitmentOrder,
    ask_again,
    begin_asking,
    record_asked,
    record_not_asked,
)
from app.services.destinations import find_destination
from app.settings import Settings
from app.store.engine import Store
from app.workers.bridge_errors import as_domain_errors
from app.workers.commitment_log import CommitmentLog
from app.workers.peer_settings import dicom_peer
from pacs_bridge.commitment import CommitmentRequest, Reference
from pacs_bridge.commitment_scu import CommitmentSCU
from pacs_bridge.commitment_service import CommitmentService
from pacs_bridge.destination import Timeouts
from pacs_bridge.spool_layout import SpoolLayout
from pacs_bridge.tray import Tray

# A report that comes later than this finds its transaction unknown
KEPT_TRANSACTIONS = timedelta(days=90)
_TIMEOUTS = Timeouts(connection=5.0, acse=10.0, dimse=30.0, network=45.0)


@dataclass(frozen=True)
class AskCommitment:
    """The task that asks for one delivery."""

    store: Store
    actor: Actor
    settings: Settings
    name: str = ASK_COMMITMENT
    queue: str = DELIVER_QUEUE

    def run(self, **arguments: Any) -> None:
        """Ask once; nothing happens when there is nothing to ask.

        Raises
        ------
        PeerUnavailable
            It may succeed later.
        Rejected
            The receiver does not do storage commitment, or has been silent too often.
        """
        order = begin_asking(
            self.store,
            int(arguments["delivery_id"]),
            # a job of an older version knows of the first object alone
            SentObjects(str(arguments["sop_class_uid"]), int(arguments.get("objects", 1))),
            requests=self.settings.commitment_requests,
            now=datetime.now(UTC),
        )
        if order is None:
            return
        self._ask(order)
        record_asked(self.store, self.actor, order, now=datetime.now(UTC))
        structlog.get_logger().info(
            "asked for commitment",
            delivery=order.delivery.delivery_id,
            destination=order.delivery.destination,
        )

    def note_failure(self, reason: str, **arguments: Any) -> None:
        """Show nothing: the delivery is sent, and the next attempt asks under a new transaction."""

    def give_up(self, reason: str, **arguments: Any) -> None:
        """Record that nobody knows whether the receiver keeps the object; the delivery stays sent."""
        with contextlib.suppress(NotFound):
            delivery_id = int(arguments["delivery_id"])
            record_not_asked(self.store, self.actor, delivery_id, reason, now=datetime.now(UTC))

    def _ask(self, order: CommitmentOrder) -> None:
        commitment, delivery = order.commitment, order.delivery
        sent = commitment.objects
        uids = part_uids(delivery.sop_uid, sent.count)
        references = tuple(Reference(sent.sop_class_uid, uid) for uid in uids)
        request = CommitmentRequest(commitment.transaction_uid, references)
        layout = SpoolLayout(self.settings.spool_dir)
        asked = Tray(layout.commitments_asked)
        asked.expire(before=datetime.now(UTC) - KEPT_TRANSACTIONS)
        # before it is sent: the report may come to the listener while we still wait for the answer
        asked.put(asked.path_of(commitment.transaction_uid), request.as_document())
        scu = CommitmentSCU(
            dicom_peer(find_destination(delivery.destination, self.settings.destinations)),
            self.settings.ae_title,
            CommitmentService(layout, (), CommitmentLog()),
            _TIMEOUTS,
            self.settings.commitment_wait_seconds,
        )
        with as_domain_errors():
            scu.ask(request)


def wants_commitment(settings: Settings, delivery: Delivery) -> bool:
    """Tell whether the destination of a delivery is to be asked."""
    with contextlib.suppress(Rejected):
        to = find_destination(delivery.destination, settings.destinations)
        return isinstance(to, DicomDestination) and to.commitment
    return False


def ask_overdue_again(store: Store, settings: Settings, *, now: datetime) -> None:
    """Ask receivers again that did not answer in time."""
    for delivery_id in ask_again(
        store, waiting=timedelta(seconds=settings.commitment_answer_seconds), now=now
    ):
        structlog.get_logger().warning("no commitment in time", delivery=delivery_id)
