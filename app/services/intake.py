"""Index received instances in batches, at least once and idempotently, never under another patient's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.domain.access import service_actor
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.domain.errors import Rejected
from app.domain.intake import (
    IntakeReport,
    ReceivedInstance,
    Refusal,
    clean_value,
    fit_for_database,
    reason_of,
)
from app.services.intake_batch import IntakeBatch
from app.store.engine import Store

__all__ = [
    "IntakeReport",
    "ReceivedInstance",
    "Refusal",
    "index_instances",
    "record_quarantine",
    "record_rejected_association",
]


def index_instances(store: Store, received: Sequence[ReceivedInstance], *, now: datetime) -> IntakeReport:
    """Take a batch of spooled instances into their studies.

    Doing it again with the same instances changes nothing. An image that comes after completion opens the
    next revision: the old draft is superseded, and so is a report that no attending has signed.

    Parameters
    ----------
    now
        Also the time from which the quiet time of the studies counts, so that a batch that waited for the
        database does not complete its study between two of its images.

    Raises
    ------
    DatabaseUnavailable, Conflict
        Nothing of the batch was taken: try again, after a `Conflict` one instance at a time.
    """
    with store.begin() as tx:
        batch = IntakeBatch(tx, now)
        for instance in _in_order(received, batch):
            batch.take(instance)
        return batch.finish()


def record_quarantine(
    store: Store, *, sop_uid: str, study_uid: str, sha256: str, reason: str, calling_ae: str, now: datetime
) -> None:
    """Note an instance that the listener refused or set aside; once per content."""
    with store.begin() as tx:
        batch = IntakeBatch(tx, now)
        batch.set_aside(sop_uid, study_uid, sha256, reason, calling_ae)
        batch.write_facts()


def record_rejected_association(
    store: Store, *, calling_ae: str, called_ae: str, source: str, reason: str, now: datetime
) -> None:
    """Note an association that was refused."""
    detail = {"calling_ae": clean_value(calling_ae), "called_ae": clean_value(called_ae), "reason": reason}
    with store.begin() as tx:
        tx.audit.append(
            AuditFact(
                event=AuditEvent.ASSOCIATION_REJECTED,
                actor=replace(service_actor("listener"), source=source),
                at=now,
                outcome=Outcome.FAILURE,
                detail=detail,
            )
        )


def _in_order(received: Sequence[ReceivedInstance], batch: IntakeBatch) -> list[ReceivedInstance]:
    """Return what the database can hold, by study and arrival; two batches lock in the same order."""
    fit = []
    for instance in received:
        try:
            fit.append(fit_for_database(instance))
        except Rejected as error:
            batch.set_aside(
                instance.sop_uid, instance.study_uid, instance.sha256, reason_of(error), instance.calling_ae
            )
    batch.load(fit)
    return sorted(fit, key=lambda i: (i.study_uid, i.received_at))
