"""Who holds the pen: one reader at a time, for as long as the lease lasts."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent
from app.domain.errors import InvalidTransition, LockedByOther, NotAuthorised
from app.domain.report import Report
from app.domain.review import LEASE, LockInfo
from app.services.facts import fact_about
from app.services.permission import permit
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def renew_lock(
    store: Store, actor: Actor, report_id: int, *, lease: timedelta = LEASE, now: datetime
) -> LockInfo:
    """Extend the lease of a reader who is still at it.

    Raises
    ------
    LockedByOther
        If the lease has ended, or another reader has taken over.
    """
    permit(store, actor, Action.EDIT_REPORT, now=now)
    with begin_on_study(store, actor, Action.EDIT_REPORT, now=now) as tx:
        report = tx.reports.lock(report_id)
        require_access(tx, actor, report.study_uid, now=now)
        return hold(tx, require_pen(tx, actor, report, now=now), lease=lease, now=now)


def take_over(
    store: Store, actor: Actor, report_id: int, *, from_user: str, lease: timedelta = LEASE, now: datetime
) -> LockInfo:
    """Take the pen from the reader whom the caller has named in the confirmation.

    Parameters
    ----------
    from_user
        User name of the owner that was shown when the person confirmed.

    Raises
    ------
    LockedByOther
        If somebody else than `from_user` holds the lock by now: that needs a confirmation of its own.
    InvalidTransition
        If the report can no longer change.
    """
    permit(store, actor, Action.TAKE_OVER, now=now)
    with begin_on_study(store, actor, Action.TAKE_OVER, now=now) as tx:
        report = tx.reports.lock(report_id)
        require_access(tx, actor, report.study_uid, now=now)
        require_editable(report)
        former = tx.reports.leases.get(report_id)
        if former is not None and former.is_held(now=now) and former.username != from_user:
            raise held_by(former)
        lock = give(tx, actor, report_id, lease=lease, now=now)
        study = tx.studies.get(report.study_uid)
        detail = {"report_id": report_id, "from_user": former.username if former else ""}
        tx.audit.append(fact_about(tx, study, AuditEvent.REPORT_TAKEN_OVER, actor, now=now, detail=detail))
        return lock


def release_lock(store: Store, actor: Actor, report_id: int, *, now: datetime) -> None:
    """Put the pen down; nothing happens when somebody else holds it."""
    permit(store, actor, Action.EDIT_REPORT, now=now)
    with store.begin() as tx:
        tx.reports.lock(report_id)
        lock = tx.reports.leases.get(report_id)
        if lock is not None and lock.user_id == actor.user_id:
            tx.reports.leases.drop(report_id)


def require_pen(tx: UnitOfWork, actor: Actor, report: Report, *, now: datetime) -> LockInfo:
    """Return the actor's lock on a report whose row the caller holds.

    Raises
    ------
    InvalidTransition
        If the text can no longer change: signed, or superseded by a later image.
    LockedByOther
        If the actor does not hold the lock at this moment.
    """
    require_editable(report)
    lock = tx.reports.leases.get(report.report_id)
    if lock is None:
        raise LockedByOther("you do not hold this report: open it again to edit it")
    if lock.is_held_by(actor.user_id, now=now):
        return lock
    if lock.user_id == actor.user_id:
        raise LockedByOther(
            f"your lock ended at {lock.expires_at:%H:%M} UTC: open the report again to edit it"
        )
    raise held_by(lock)


def require_editable(report: Report) -> None:
    """Raise `InvalidTransition` unless a reader may change the text."""
    if not report.is_editable:
        raise InvalidTransition(f"report {report.report_id} is {report.state.value}: its text cannot change")


def give(tx: UnitOfWork, actor: Actor, report_id: int, *, lease: timedelta, now: datetime) -> LockInfo:
    """Give the lock of a report whose row the caller holds to the actor, from now on."""
    if actor.user_id is None:
        raise NotAuthorised(f"{actor.username} is no person and cannot hold a report")
    tx.reports.leases.put(report_id, actor.user_id, taken_at=now, expires_at=now + lease)
    return LockInfo(report_id, actor.user_id, actor.username, actor.printed_name, now, now + lease)


def hold(tx: UnitOfWork, lock: LockInfo, *, lease: timedelta, now: datetime) -> LockInfo:
    """Extend a lock to `lease` from now; it never gets shorter."""
    ends = max(lock.expires_at, now + lease)
    tx.reports.leases.put(lock.report_id, lock.user_id, taken_at=lock.taken_at, expires_at=ends)
    return LockInfo(lock.report_id, lock.user_id, lock.username, lock.printed_name, lock.taken_at, ends)


def held_by(lock: LockInfo) -> LockedByOther:
    """Return the error that names the owner and the time."""
    return LockedByOther(
        f"{lock.printed_name} ({lock.username}) has this report since {lock.taken_at:%H:%M} UTC"
    )
