"""The outbox: what a signed report needs to be sent, and what became of each attempt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from app.destinations import TEXT_FORMATS
from app.domain.access import Action, Actor
from app.domain.alert import AlertKind
from app.domain.amendment import MEANING_OF_KIND
from app.domain.attestation import STATE_OF_MEANING, Attestation, Meaning
from app.domain.audit import AuditEvent, Outcome
from app.domain.commitment import SentObjects
from app.domain.delivery import OPEN, Delivery, DeliveryOrder, DeliveryState
from app.domain.errors import Conflict, NotFound, PeerUnavailable
from app.domain.finding import released_findings
from app.domain.identifiers import derived_uid
from app.domain.intake import clean_value
from app.domain.report import Origin, Report, ReportState, releasable
from app.domain.signed_text import SignedText, sentences_in_force
from app.services.alerts import clear_alert, raise_alert
from app.services.commitment import defer_asking
from app.services.facts import delivery_detail, fact_about
from app.services.outbox import cancel_delivery, defer_delivery, job_lock, line_of, next_in_line
from app.services.permission import permit
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

__all__ = [
    "DeliveryOrder",
    "load_order",
    "order_document",
    "postpone",
    "record_failed",
    "record_pointless",
    "record_sent",
    "retry_delivery",
]

# failed attempts of one delivery after which somebody should look at its destination
ALERT_AFTER = 3
_DONE = frozenset({DeliveryState.SENT, DeliveryState.COMMITTED, DeliveryState.DEAD, DeliveryState.CANCELLED})


def load_order(store: Store, actor: Actor, delivery_id: int, *, now: datetime) -> DeliveryOrder | None:
    """Return everything that is needed to build and send the object.

    Returns
    -------
    DeliveryOrder or None
        None when there is nothing to send: acknowledged already, given up until somebody retries it,
        cancelled, or waiting for an earlier message of the same report (which wakes it when it is done).

    Raises
    ------
    NotFound
        If there is no such delivery, or its study has no instance to refer to.
    Conflict
        If the signature or its text does not verify any more: it is not sent.
    PeerUnavailable
        If an earlier message that was cancelled is still on its way: what it does is not known yet.
    """
    with store.begin() as tx:
        delivery = tx.deliveries.get(delivery_id)
        if delivery.state in _DONE:
            return None
        report = tx.reports.get(delivery.report_id)
        attestation = tx.reports.attestations.get(delivery.attestation_id)
        _require_verified(attestation)
        if attestation.meaning is Meaning.PRELIMINARY and report.state is not ReportState.PRELIMINARY:
            study, held = tx.studies.get(report.study_uid), tx.deliveries.lock(delivery_id)
            cancel_delivery(tx, actor, study, held, "the preliminary report is no longer the latest", now=now)
            return None
        earlier = tuple(other for other in line_of(tx, delivery) if other.delivery_id < delivery_id)
        if any(other.state in OPEN for other in earlier):
            return None
        cancelled = (other for other in earlier if other.state is DeliveryState.CANCELLED)
        if any(tx.work.is_running(job_lock(other)) for other in cancelled):
            raise PeerUnavailable("an earlier message of the report is still on its way")
        return _order(tx, delivery, report, attestation, earlier)


def order_document(tx: UnitOfWork, report: Report, *, kind: str, now: datetime) -> DeliveryOrder:
    """Return what a document of a signed report says that goes to no destination: a reader takes it away.

    Its identity is that of the newest signature, so that taking it twice gives the same document.

    Raises
    ------
    Conflict
        If the signature or its text does not verify any more.
    """
    attestation = tx.reports.attestations.of_report(report.report_id)[-1]
    _require_verified(attestation)
    sop_uid = derived_uid("document", kind, report.study_uid, str(attestation.attestation_id))
    taken = Delivery(
        delivery_id=0,
        report_id=report.report_id,
        attestation_id=attestation.attestation_id,
        study_uid=report.study_uid,
        destination="",
        kind=kind,
        sop_uid=sop_uid,
        state=DeliveryState.PENDING,
        attempts=0,
        reason="",
        created_at=now,
        sent_at=None,
    )
    return _order(tx, taken, report, attestation, ())


def record_sent(
    store: Store, actor: Actor, delivery_id: int, *, commitment_of: SentObjects | None = None, now: datetime
) -> None:
    """Note that the receiver has acknowledged the object; a second time changes nothing.

    Parameters
    ----------
    commitment_of
        The objects for which the receiver shall be asked for storage commitment.

    Raises
    ------
    NotFound, InvalidTransition
    """
    with store.begin() as tx:
        delivery = tx.deliveries.lock(delivery_id)
        if delivery.is_sent:
            return
        if commitment_of is not None:
            defer_asking(tx, delivery, commitment_of)
        sent = delivery.acknowledge(now=now)
        _save(tx, actor, sent, AuditEvent.DELIVERY_SENT, Outcome.SUCCESS, now)
        clear_alert(tx, AlertKind.DESTINATION_SILENT, sent.destination, now=now)


def record_failed(
    store: Store,
    actor: Actor,
    delivery_id: int,
    reason: str,
    *,
    final: bool,
    retry_at: datetime | None = None,
    now: datetime,
) -> None:
    """Note an attempt that failed, with the reason; `final` gives the delivery up.

    Nothing changes when the receiver has acknowledged it in the meantime, or it was given up or cancelled.

    Parameters
    ----------
    retry_at
        Puts the next attempt into the queue for this time, in the same transaction; None leaves that to the
        caller.

    Raises
    ------
    NotFound
    """
    with store.begin() as tx:
        delivery = tx.deliveries.lock(delivery_id)
        if delivery.state in _DONE:
            return
        failed = delivery.fail(clean_value(reason)[:500], final=final)
        _save(tx, actor, failed, AuditEvent.DELIVERY_FAILED, Outcome.FAILURE, now)
        if retry_at is not None and not final:
            defer_delivery(tx, failed, tx.studies.get(failed.study_uid).priority, at=retry_at)
        if failed.attempts >= ALERT_AFTER and not final:
            raise_alert(tx, AlertKind.DESTINATION_SILENT, failed.destination, failed.reason, now=now)


def record_pointless(store: Store, actor: Actor, delivery_id: int, reason: str, *, now: datetime) -> None:
    """Note that the report has nothing that the delivery's format could show; it will not be sent."""
    with store.begin() as tx:
        delivery = tx.deliveries.lock(delivery_id)
        if delivery.state not in OPEN:
            return
        study = tx.studies.get(delivery.study_uid)
        cancel_delivery(tx, actor, study, delivery, reason, now=now)
        next_in_line(tx, delivery, study.priority)


def postpone(store: Store, delivery_id: int, *, at: datetime) -> None:
    """Put a delivery's job back for later: its destination is busy, and this was no attempt."""
    with store.begin() as tx:
        delivery = tx.deliveries.get(delivery_id)
        defer_delivery(tx, delivery, tx.studies.get(delivery.study_uid).priority, at=at)


def retry_delivery(store: Store, actor: Actor, delivery_id: int, *, now: datetime) -> None:
    """Send a delivery again that has failed or was given up.

    Raises
    ------
    NotAuthorised, NotFound, InvalidTransition
    """
    permit(store, actor, Action.RETRY_WORK, now=now)
    with store.begin() as tx:
        delivery = tx.deliveries.lock(delivery_id).retry()
        defer_delivery(tx, delivery, tx.studies.get(delivery.study_uid).priority)
        _save(tx, actor, delivery, AuditEvent.WORK_RETRIED, Outcome.SUCCESS, now)


def _save(
    tx: UnitOfWork, actor: Actor, delivery: Delivery, event: AuditEvent, outcome: Outcome, now: datetime
) -> None:
    tx.deliveries.save(delivery)
    study = tx.studies.get(delivery.study_uid)
    detail = {**delivery_detail(delivery), "attempts": delivery.attempts}
    tx.audit.append(fact_about(tx, study, event, actor, now=now, outcome=outcome, detail=detail))
    if delivery.state in _DONE:
        next_in_line(tx, delivery, study.priority)


def _order(
    tx: UnitOfWork,
    delivery: Delivery,
    report: Report,
    attestation: Attestation,
    earlier: tuple[Delivery, ...],
) -> DeliveryOrder:
    text = _text_of(tx, attestation)
    text.require_intact()
    if attestation.meaning in MEANING_OF_KIND.values() and text.signatures[-1] != attestation:
        raise Conflict(
            f"attestation {attestation.attestation_id} is not the last of its text: it is not sent"
        )
    study = tx.studies.get(report.study_uid)
    received = tx.studies.instances(study.study_uid, up_to_revision=report.revision)
    instances = tuple(i for i in received if i.is_image) or received
    if not instances:
        raise NotFound(f"study {study.study_uid} has no instance that a report could refer to")
    first = releasable(report.sentences)
    leaving = replace(
        report, sentences=sentences_in_force(first, text.sections) if text.correction else first
    )
    draft = tx.reports.drafts.get(report.draft_id)
    began_as_draft = any(sentence.origin is Origin.AI for sentence in leaving.sentences)
    withdrawn = attestation.meaning is Meaning.WITHDRAWN
    return DeliveryOrder(
        delivery=delivery,
        # why a study was urgent may name a finding that the reader refused
        study=replace(study, reason="", priority_reason=""),
        patient=study.patient,
        source=instances[0],
        instances=instances,
        report=leaving,
        state=STATE_OF_MEANING[attestation.meaning],
        attestation=attestation,
        text=text,
        earlier=tuple(_documents(tx, earlier)),
        withdrawal_reason=json.loads(attestation.text)["reason"] if withdrawn else "",
        findings=() if draft is None else released_findings(leaving.sentences, draft.content),
        first_findings=() if draft is None else released_findings(first, draft.content),
        draft_model=draft.content.model if draft is not None and began_as_draft else {},
    )


def _require_verified(signature: Attestation) -> None:
    if signature.problem:
        raise Conflict(
            f"attestation {signature.attestation_id} does not verify: {signature.problem}: it is not sent"
        )


def _text_of(tx: UnitOfWork, attestation: Attestation) -> SignedText:
    """Return the report as it stood at a signature; a withdrawal carries what it withdraws."""
    if attestation.meaning in {Meaning.PRELIMINARY, Meaning.FINAL}:
        return SignedText(attestation)
    text = tx.reports.amendments.signed_text(attestation.report_id)
    if text is None:
        raise Conflict(f"report {attestation.report_id} has no final signature that could be followed")
    return text.up_to(attestation.attestation_id)


def _documents(tx: UnitOfWork, earlier: Iterable[Delivery]) -> Iterator[Delivery]:
    """Leave out the notes with which a correction took back what a format without text had shown."""
    for delivery in earlier:
        meaning = tx.reports.attestations.get(delivery.attestation_id).meaning
        if delivery.kind in TEXT_FORMATS or meaning is not Meaning.CORRECTION:
            yield delivery
