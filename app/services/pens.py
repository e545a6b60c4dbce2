"""Who holds the pen of a report and what that person was doing with it: looked at, never changed."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.access import Action, Actor
from app.domain.report import Decision, Report
from app.domain.review import LockInfo, PenActivity
from app.services.permission import permit
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def look_at_pen(store: Store, actor: Actor, report_id: int, *, now: datetime) -> LockInfo | None:
    """Return who edits a report; None when nobody does.

    Looking is no sign of life: neither the lock nor a session gets longer by it.

    Raises
    ------
    NotAuthorised, StudyRestricted, NotFound
        If the actor may not open the study, or there is no such report.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now)
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        return _held(tx, actor, report_id, now)[1]


def activity_of_pen(
    store: Store, actor: Actor, report_id: int, *, lease: timedelta, now: datetime
) -> PenActivity:
    """Return what a takeover would interrupt.

    Parameters
    ----------
    lease
        For how long a sign of the owner's presence keeps the lock.

    Raises
    ------
    NotAuthorised, StudyRestricted, NotFound
        As `look_at_pen`; only who may take over is told.
    """
    permit(store, actor, Action.TAKE_OVER, now=now)
    with begin_on_study(store, actor, Action.TAKE_OVER, now=now) as tx:
        report, lock = _held(tx, actor, report_id, now)
        signatures = tx.reports.attestations.of_report(report_id)
        signed_at = signatures[-1].signed_at if signatures else None
        acts = tx.reports.leases.acts(report_id, report.study_uid, after=signed_at)
        touched = {s.key for s in report.sentences if s.decision is not Decision.UNTOUCHED}
        return PenActivity(
            lock=lock,
            seen_at=None if lock is None else lock.expires_at - lease,
            saved_at=max((act.at for act in acts if lock and act.username == lock.username), default=None),
            unsigned=len(touched.intersection(act.key for act in acts)),
        )


def _held(tx: UnitOfWork, actor: Actor, report_id: int, now: datetime) -> tuple[Report, LockInfo | None]:
    report = tx.reports.get(report_id)
    require_access(tx, actor, report.study_uid, now=now)
    lock = tx.reports.leases.get(report_id)
    return report, lock if lock is not None and lock.is_held(now=now) else None
