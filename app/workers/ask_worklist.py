"""Asks the RIS's modality worklist for the order of a study that has been completed.

The draft does not depend on it: it waits a moment for the first attempt, then it is made without. What comes
later is shown to the reader beside the draft.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from app.domain.access import Actor
from app.domain.order import OrderCommand, OrderContent, OrderUpdate
from app.domain.study import Patient
from app.domain.work import ASK_WORKLIST, WORKLIST_QUEUE
from app.neighbours import WorklistScp
from app.services.orders import accession_to_ask, take_orders
from app.settings import Settings
from app.store.engine import Store
from app.workers.bridge_errors import as_domain_errors
from app.workers.tls_files import client_context
from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.worklist import WorklistEntry, ask_worklist

_TIMEOUTS = Timeouts(connection=2.0, acse=3.0, dimse=5.0, network=10.0)


@dataclass(frozen=True)
class AskWorklist:
    """The task of the queue ``worklist``."""

    store: Store
    actor: Actor
    settings: Settings
    name: str = ASK_WORKLIST
    queue: str = WORKLIST_QUEUE

    def run(self, **arguments: Any) -> None:
        """Ask once; nothing happens without a worklist or an accession number.

        Raises
        ------
        PeerUnavailable
            It may answer later.
        Rejected
            It refuses the question.
        """
        scp, study_uid = self.settings.worklist_scp, str(arguments["study_uid"])
        accession_number = accession_to_ask(self.store, study_uid)
        if scp is None or not accession_number:
            return
        entries = self._ask(scp, accession_number)
        if entries:
            updates = [OrderUpdate(OrderCommand.PLACE, as_content(entry)) for entry in entries]
            source = f"worklist {scp.ae_title}"
            take_orders(self.store, self.actor, updates, source=source, now=datetime.now(UTC))
        structlog.get_logger().info("worklist asked", study_uid=study_uid, entries=len(entries))

    def note_failure(self, reason: str, **arguments: Any) -> None:
        """Say nothing: the draft does not wait for another attempt."""

    def give_up(self, reason: str, **arguments: Any) -> None:
        """Say nothing more than the dead letter does: the study is read without its order."""

    def _ask(self, scp: WorklistScp, accession_number: str) -> list[WorklistEntry]:
        tls = client_context(scp.tls, setting="JANUS_MED_WORKLIST_SCP")
        with as_domain_errors():
            return ask_worklist(
                Destination(scp.ae_title, scp.host, scp.port, tls),
                accession_number,
                calling_ae=self.settings.ae_title,
                timeouts=_TIMEOUTS,
            )


def as_content(entry: WorklistEntry) -> OrderContent:
    """Return a worklist entry as an order; within a worklist the requested procedure's ID is its number."""
    return OrderContent(
        placer_number="",
        filler_number=entry.requested_procedure_id,
        accession_number=entry.accession_number,
        patient=Patient(entry.patient_id, entry.issuer, entry.patient_name, entry.birth_date, entry.sex),
        procedure_code=entry.procedure_code,
        procedure=entry.procedure,
        scheduled_step=entry.scheduled_step,
        indication=entry.indication,
        priority=entry.priority,
        requesting_physician=entry.requesting_physician,
        pregnancy=entry.pregnancy,
        allergies=entry.allergies,
    )
