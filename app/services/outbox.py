"""Into the outbox: one delivery for each destination and format, in the transaction of the signature.

Messages of one report to one destination in one format keep their order. What a new message makes pointless
is cancelled, unless it was acknowledged: a preliminary text by the final one, any earlier HL7 or FHIR text by
a later one, everything by a withdrawal, what shows findings by a correction that leaves one out. What stays
goes first; the next one waits for it (`next_in_line`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.destinations import FHIR_FORMAT, HL7_FORMAT, TEXT_FORMATS
from app.domain.access import Actor
from app.domain.attestation import Attestation, Meaning
from app.domain.audit import AuditEvent
from app.domain.delivery import OPEN, Delivery, DeliveryState
from app.domain.report import Report
from app.domain.study import Study
from app.domain.work import DELIVER_QUEUE, DELIVER_REPORT
from app.services.facts import fact_about
from app.store.unit_of_work import UnitOfWork

# each message carries the whole text and takes the place of the one before
_REPLACING = frozenset({HL7_FORMAT, FHIR_FORMAT})
_UNSENT = OPEN | {DeliveryState.DEAD}


def put_into_outbox(
    tx: UnitOfWork,
    actor: Actor,
    study: Study,
    report: Report,
    attestation: Attestation,
    destinations: Sequence[tuple[str, str]],
    *,
    now: datetime,
) -> int:
    """Add the deliveries of a signature and their jobs; return how many.

    Parameters
    ----------
    destinations
        (destination's name, format); each pair counts once.
    """
    earlier = tx.deliveries.of_report(report.report_id)
    wanted = tuple(dict.fromkeys(destinations))
    for destination, kind in wanted:
        for before in earlier:
            if (before.destination, before.kind) == (destination, kind):
                _cancel_if_pointless(tx, actor, study, before, attestation, now)
        delivery = tx.deliveries.add(report, attestation, destination=destination, kind=kind, now=now)
        defer_delivery(tx, delivery, study.priority)
    return len(wanted)


def defer_delivery(tx: UnitOfWork, delivery: Delivery, priority: int, *, at: datetime | None = None) -> None:
    """Put the job that sends a delivery into the queue, for now or for later."""
    tx.work.defer(
        DELIVER_REPORT,
        queue=DELIVER_QUEUE,
        priority=priority,
        queueing_lock=job_lock(delivery),
        arguments={"delivery_id": delivery.delivery_id},
        at=at,
    )


def job_lock(delivery: Delivery) -> str:
    """Return the lock under which a delivery's job waits: one waits at a time."""
    return f"deliver:{delivery.delivery_id}"


def line_of(tx: UnitOfWork, delivery: Delivery) -> tuple[Delivery, ...]:
    """Return every delivery of the same report to the same destination in the same format, oldest first."""
    return tuple(
        other
        for other in tx.deliveries.of_report(delivery.report_id)
        if (other.destination, other.kind) == (delivery.destination, delivery.kind)
    )


def next_in_line(tx: UnitOfWork, delivery: Delivery, priority: int) -> None:
    """Wake the delivery that has waited for this one to be done with."""
    for other in line_of(tx, delivery):
        if other.delivery_id > delivery.delivery_id and other.state in OPEN:
            defer_delivery(tx, other, priority)
            return


def _cancel_if_pointless(
    tx: UnitOfWork, actor: Actor, study: Study, before: Delivery, by: Attestation, now: datetime
) -> None:
    held = tx.deliveries.lock(before.delivery_id)
    if held.state not in _UNSENT:
        return
    preliminary = tx.reports.attestations.get(held.attestation_id).meaning is Meaning.PRELIMINARY
    if by.meaning is Meaning.WITHDRAWN:
        cancel_delivery(tx, actor, study, held, "the report was withdrawn", now=now)
    elif by.meaning is Meaning.CORRECTION and held.kind not in TEXT_FORMATS:
        cancel_delivery(tx, actor, study, held, "a correction left out what it shows", now=now)
    elif preliminary or held.kind in _REPLACING:
        cancel_delivery(tx, actor, study, held, "a later message takes its place", now=now)


def cancel_delivery(
    tx: UnitOfWork, actor: Actor, study: Study, delivery: Delivery, reason: str, *, now: datetime
) -> None:
    """Give up a delivery that became pointless, with its audit entry; its job finds nothing to do."""
    tx.deliveries.save(delivery.cancel(reason))
    detail = {
        "delivery_id": delivery.delivery_id,
        "destination": delivery.destination,
        "kind": delivery.kind,
        "attempts": delivery.attempts,
    }
    tx.audit.append(fact_about(tx, study, AuditEvent.DELIVERY_CANCELLED, actor, now=now, detail=detail))
