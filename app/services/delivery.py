"""The outbox: what a signed report needs to be sent, and what became of each attempt."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent, Outcome
from app.domain.delivery import Delivery, DeliveryOrder, DeliveryState
from app.domain.errors import Conflict, NotFound
from app.domain.intake import clean_value
from app.domain.report import Origin, releasable
from app.domain.work import DELIVER_QUEUE, DELIVER_REPORT
from app.services.commitment import defer_asking
from app.services.facts import fact_about
from app.services.permission import permit
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

__all__ = ["DeliveryOrder", "load_order", "record_failed", "record_sent", "retry_delivery"]


def load_order(store: Store, delivery_id: int) -> DeliveryOrder | None:
    """Return everything that is needed to build and send the object.

    Returns
    -------
    DeliveryOrder or None
        None when there is nothing to send: acknowledged already, or given up until somebody retries it.

    Raises
    ------
    NotFound
        If there is no such delivery, or its study has no instance to refer to.
    Conflict
        If the signed text does not verify any more: it is not sent.
    """
    with store.begin() as tx:
        delivery = tx.deliveries.get(delivery_id)
        if delivery.is_sent or delivery.state is DeliveryState.DEAD:
            return None
        return _order(tx, delivery)


def record_sent(
    store: Store, actor: Actor, delivery_id: int, *, commitment_of: str = "", now: datetime
) -> None:
    """Note that the receiver has acknowledged the object; a second time changes nothing.

    Parameters
    ----------
    commitment_of
        SOP class of the object when its receiver shall be asked for storage commitment.

    Raises
    ------
    NotFound, InvalidTransition
    """
    with store.begin() as tx:
        delivery = tx.deliveries.lock(delivery_id)
        if delivery.is_sent:
            return
        if commitment_of:
            defer_asking(tx, delivery, commitment_of)
        _save(tx, actor, delivery.acknowledge(now=now), AuditEvent.DELIVERY_SENT, Outcome.SUCCESS, now)


def record_failed(
    store: Store, actor: Actor, delivery_id: int, reason: str, *, final: bool, now: datetime
) -> None:
    """Note an attempt that failed, with the reason; `final` gives the delivery up.

    Nothing changes when the receiver has acknowledged it in the meantime, or it was given up before.

    Raises
    ------
    NotFound
    """
    with store.begin() as tx:
        delivery = tx.deliveries.lock(delivery_id)
        if delivery.is_sent or delivery.state is DeliveryState.DEAD:
            return
        failed = delivery.fail(clean_value(reason)[:500], final=final)
        _save(tx, actor, failed, AuditEvent.DELIVERY_FAILED, Outcome.FAILURE, now)


def retry_delivery(store: Store, actor: Actor, delivery_id: int, *, now: datetime) -> None:
    """Send a delivery again that has failed or was given up.

    Raises
    ------
    NotAuthorised, NotFound, InvalidTransition
    """
    permit(store, actor, Action.RETRY_WORK, now=now)
    with store.begin() as tx:
        delivery = tx.deliveries.lock(delivery_id).retry()
        tx.work.defer(
            DELIVER_REPORT,
            queue=DELIVER_QUEUE,
            priority=tx.studies.get(delivery.study_uid).priority,
            queueing_lock=f"deliver:{delivery_id}",
            arguments={"delivery_id": delivery_id},
        )
        _save(tx, actor, delivery, AuditEvent.WORK_RETRIED, Outcome.SUCCESS, now)


def _save(
    tx: UnitOfWork, actor: Actor, delivery: Delivery, event: AuditEvent, outcome: Outcome, now: datetime
) -> None:
    tx.deliveries.save(delivery)
    study = tx.studies.get(delivery.study_uid)
    detail = {
        "delivery_id": delivery.delivery_id,
        "destination": delivery.destination,
        "kind": delivery.kind,
        "sop_uid": delivery.sop_uid,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
    }
    tx.audit.append(fact_about(tx, study, event, actor, now=now, outcome=outcome, detail=detail))


def _order(tx: UnitOfWork, delivery: Delivery) -> DeliveryOrder:
    report = tx.reports.get(delivery.report_id)
    attestation = tx.reports.attestations.get(delivery.attestation_id)
    if not attestation.verifies():
        raise Conflict(
            f"the text of attestation {attestation.attestation_id} does not verify: it is not sent"
        )
    study = tx.studies.get(report.study_uid)
    received = tx.studies.instances(study.study_uid, up_to_revision=report.revision)
    instances = tuple(i for i in received if i.is_image) or received
    if not instances:
        raise NotFound(f"study {study.study_uid} has no instance that a report could refer to")
    leaving = replace(report, sentences=releasable(report.sentences))
    draft = tx.reports.drafts.get(report.draft_id)
    began_as_draft = any(sentence.origin is Origin.AI for sentence in leaving.sentences)
    return DeliveryOrder(
        delivery=delivery,
        # why a study was urgent may name a finding that the reader refused
        study=replace(study, reason="", priority_reason=""),
        patient=study.patient,
        source=instances[0],
        instances=instances,
        report=leaving,
        attestation=attestation,
        sections=json.loads(attestation.text)["sections"],
        draft_model=draft.content.model if draft is not None and began_as_draft else {},
    )
