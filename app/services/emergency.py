"""Emergency access: started by a reader with a reason, told as an alert, ended once and on record."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.access import Action, Actor, may
from app.domain.alert import AlertKind
from app.domain.audit import AuditEvent
from app.domain.emergency import DEFAULT_DURATION, EmergencyAccess, EmergencyCommand
from app.domain.errors import Conflict, NotAuthorised, Rejected
from app.domain.reason import give_reason
from app.domain.study_access import reader_of
from app.services.alerts import clear_alert, raise_alert
from app.services.facts import fact_about
from app.services.permission import permit, record_denial
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

_LATEST = 50


def start_emergency(
    store: Store,
    actor: Actor,
    study_uid: str,
    reason: str,
    *,
    lasting: timedelta = DEFAULT_DURATION,
    now: datetime,
) -> EmergencyAccess:
    """Give a reader access to one restricted study for a limited time.

    Parameters
    ----------
    lasting
        How long (`JANUS_MED_EMERGENCY_MINUTES`).

    Raises
    ------
    NotAuthorised, NotFound
        If the role may not or the actor is no person, or there is no such study.
    Rejected
        If the reason is missing or too long, or the study is open to the reader anyway.
    Conflict
        If the reader's emergency access to it still runs.
    """
    permit(store, actor, Action.EMERGENCY_ACCESS, now=now, study_uid=study_uid)
    reason = give_reason(reason, "emergency access")
    reader = reader_of(actor)
    if reader is None or reader.user_id is None:
        raise NotAuthorised(f"{actor.username} is no person and has no emergency access")
    with store.begin() as tx:
        study = tx.studies.lock(study_uid)
        if tx.access.is_open_to(reader, study_uid):
            raise Rejected("this study is open to you: it needs no emergency access")
        former = tx.emergencies.running(study_uid, reader.user_id)
        if former is not None and former.opens(now=now):
            raise Conflict(f"your emergency access to this study runs until {former.ends_at:%H:%M} UTC")
        if former is not None:
            _end(tx, actor, tx.emergencies.lock(former.emergency_id), EmergencyCommand.EXPIRE, now)
        emergency = tx.emergencies.add(study_uid, reader.user_id, reason, lasting=lasting, now=now)
        told = f"by {actor.username} ({actor.role.value}) until {emergency.ends_at:%Y-%m-%d %H:%M} UTC"
        raise_alert(tx, AlertKind.EMERGENCY_ACCESS, _subject(emergency), told, now=now)
        detail = {"emergency_id": emergency.emergency_id, "ends_at": emergency.ends_at.isoformat()}
        tx.audit.append(fact_about(tx, study, AuditEvent.EMERGENCY_STARTED, actor, now=now, detail=detail))
        return emergency


def end_emergency(store: Store, actor: Actor, emergency_id: int, *, now: datetime) -> EmergencyAccess:
    """End an emergency access of one's own before its time.

    Raises
    ------
    NotAuthorised, NotFound, InvalidTransition
        If it is another reader's, there is none, or it has ended.
    """
    permit(store, actor, Action.EMERGENCY_ACCESS, now=now)
    with store.begin() as tx:
        emergency = tx.emergencies.lock(emergency_id)
        if emergency.user_id == actor.user_id:
            return _end(tx, actor, emergency, EmergencyCommand.END, now)
    record_denial(
        store, actor, "end another reader's emergency access", now=now, study_uid=emergency.study_uid
    )
    raise NotAuthorised("this is another reader's emergency access: an administrator can revoke it")


def revoke_emergency(store: Store, actor: Actor, emergency_id: int, *, now: datetime) -> EmergencyAccess:
    """Take a reader's emergency access away.

    Raises
    ------
    NotAuthorised, NotFound, InvalidTransition
        If the role may not, there is none, or it has ended.
    """
    permit(store, actor, Action.MANAGE_ACCESS, now=now)
    with store.begin() as tx:
        return _end(tx, actor, tx.emergencies.lock(emergency_id), EmergencyCommand.REVOKE, now)


def end_expired(store: Store, actor: Actor, *, now: datetime) -> int:
    """Put the end of each emergency access whose time has passed on record, once; return how many."""
    count = 0
    while _end_next_expired(store, actor, now):
        count += 1
    return count


def list_emergencies(store: Store, actor: Actor, *, now: datetime) -> tuple[EmergencyAccess, ...]:
    """Return the last emergency accesses with their reasons, those that run first.

    Raises
    ------
    NotAuthorised
        If the role neither manages access nor views the audit log.
    """
    action = Action.VIEW_AUDIT if may(actor.role, Action.VIEW_AUDIT) else Action.MANAGE_ACCESS
    permit(store, actor, action, now=now)
    with store.begin() as tx:
        return tx.emergencies.latest(_LATEST)


def _end_next_expired(store: Store, actor: Actor, now: datetime) -> bool:
    # a transaction for each: the audit log is locked last, and the next one would lock reports after it
    with store.begin() as tx:
        expired = tx.emergencies.claim_expired(now=now)
        if expired is not None:
            _end(tx, actor, expired, EmergencyCommand.EXPIRE, now)
        return expired is not None


def _end(
    tx: UnitOfWork, actor: Actor, held: EmergencyAccess, command: EmergencyCommand, now: datetime
) -> EmergencyAccess:
    """Put the end of an emergency access on record, whose row the transaction holds."""
    emergency = held.end(command, actor.username, now=now)
    tx.emergencies.save(emergency)
    _put_pens_down(tx, emergency)
    clear_alert(tx, AlertKind.EMERGENCY_ACCESS, _subject(emergency), now=now)
    study = tx.studies.get(emergency.study_uid)
    detail = {"emergency_id": held.emergency_id, "username": emergency.username, "how": emergency.state.value}
    tx.audit.append(fact_about(tx, study, AuditEvent.EMERGENCY_STOPPED, actor, now=now, detail=detail))
    return emergency


def _put_pens_down(tx: UnitOfWork, emergency: EmergencyAccess) -> None:
    """Free the reports that the reader holds: nobody in the group has to wait for the lease."""
    for summary in tx.reports.summaries(emergency.study_uid):
        tx.reports.lock(summary.report_id)
        lock = tx.reports.leases.get(summary.report_id)
        if lock is not None and lock.user_id == emergency.user_id:
            tx.reports.leases.drop(summary.report_id)


def _subject(emergency: EmergencyAccess) -> str:
    return f"emergency access {emergency.emergency_id}"
