"""A signed report that a reader takes away as a document: who may, and the record of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent
from app.domain.delivery import DeliveryOrder
from app.domain.errors import NotAuthorised, Rejected
from app.domain.report import WITHDRAWABLE
from app.services.delivery import order_document
from app.services.facts import fact_about
from app.services.permission import permit, record_denial
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store

# a report that may still be relied on: final, and not withdrawn
EXPORTABLE = WITHDRAWABLE


def export_document(
    store: Store,
    actor: Actor,
    report_id: int,
    *,
    kind: str,
    build: Callable[[DeliveryOrder], bytes],
    now: datetime,
) -> bytes:
    """Build a document of a signed report, for a reader who has opened its study.

    The record names the SHA-256 of the file: whoever finds one can tell who took it away.

    Parameters
    ----------
    kind
        The result format.
    build
        Makes the document; what it raises leaves nothing on record.

    Raises
    ------
    NotAuthorised, NotFound, StudyRestricted
        If the actor may not read it, or has not opened the study, or there is no such report.
    Rejected
        If the report is not final.
    Conflict
        If its signature does not verify.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now)
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        report = tx.reports.get(report_id)
        emergency = require_access(tx, actor, report.study_uid, now=now)
        was_opened, _ = tx.reports.last_opened(actor.username, report.study_uid)
        if was_opened:
            if report.state not in EXPORTABLE:
                raise Rejected("only a final report can be taken away, and this one is none")
            order = order_document(tx, report, kind=kind, now=now)
            document = build(order)
            detail = {
                "report_id": report_id,
                "attestation_id": order.attestation.attestation_id,
                "format": kind,
                "sha256": hashlib.sha256(document).hexdigest(),
            }
            if emergency is not None:
                detail["emergency_id"] = emergency.emergency_id
            study = tx.studies.get(report.study_uid)
            tx.audit.append(fact_about(tx, study, AuditEvent.REPORT_EXPORTED, actor, now=now, detail=detail))
            return document
    act = "take away a report of a study that was not opened"
    record_denial(store, actor, act, now=now, study_uid=report.study_uid)
    raise NotAuthorised("open the study first")
