"""What happened to a study, in the words of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.domain.access import Actor
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.domain.delivery import Delivery
from app.domain.study import Study
from app.store.unit_of_work import UnitOfWork


def fact_about(
    tx: UnitOfWork,
    study: Study,
    event: AuditEvent,
    actor: Actor,
    *,
    now: datetime,
    outcome: Outcome = Outcome.SUCCESS,
    detail: Mapping[str, Any],
) -> AuditFact:
    """Return the fact with the patient's reference; `detail` holds keys and lengths, never names or text."""
    return AuditFact(
        event=event,
        actor=actor,
        at=now,
        outcome=outcome,
        patient_ref=tx.audit.patient_ref(study.patient.patient_id, study.patient.issuer),
        study_uid=study.study_uid,
        detail=detail,
    )


def delivery_detail(delivery: Delivery) -> dict[str, Any]:
    """Return the keys that name a delivery, what it carries and how far it is."""
    return {
        "delivery_id": delivery.delivery_id,
        "destination": delivery.destination,
        "kind": delivery.kind,
        "sop_uid": delivery.sop_uid,
        "state": delivery.state.value,
    }
