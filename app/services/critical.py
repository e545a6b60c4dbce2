"""Critical results: opened by a reader or a signature, closed by a conversation, escalated by the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.access import Action, Actor
from app.domain.alert import AlertKind
from app.domain.audit import AuditEvent, AuditFact
from app.domain.critical import (
    CRITICAL_FINDINGS,
    Category,
    Communication,
    CriticalResult,
    name_finding,
)
from app.domain.draft import Draft
from app.domain.report import Report, accepted_findings
from app.domain.study import Study
from app.services.alerts import clear_alert, raise_alert
from app.services.facts import fact_about
from app.services.permission import permit
from app.services.study_access import begin_on_study, closed_among, require_access
from app.store.critical import NewLoop
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

Waits = Mapping[Category, timedelta]
"""Time from the opening of a loop to its escalation."""

DEFAULT_WAITS: Waits = {
    Category.MINUTES: timedelta(minutes=10),
    Category.HOURS: timedelta(hours=1),
    Category.DAYS: timedelta(days=3),
}
RESTRICTED = "restricted study"
"""What stands for the finding where the reader may not open the study."""

_AT_ONCE = 100


def waits_of(minutes: Sequence[int]) -> Waits:
    """Return the waits of the categories, in their order, of so many minutes each."""
    return {category: timedelta(minutes=count) for category, count in zip(Category, minutes, strict=True)}


@dataclass(frozen=True)
class OpenLoop:
    """A loop that is not closed, with the study that it is about.

    Attributes
    ----------
    study
        None when the reader may not open it: the loop shows, so that it is not forgotten, but not whose.
    """

    result: CriticalResult
    study: Study | None


def open_loop(
    store: Store,
    actor: Actor,
    study_uid: str,
    finding: str,
    category: Category,
    *,
    waits: Waits = DEFAULT_WAITS,
    now: datetime,
) -> CriticalResult:
    """Note that somebody must be told of a finding.

    Raises
    ------
    NotAuthorised
        If the role may not.
    NotFound
        If there is no such study.
    Rejected
        If the finding has no name.
    """
    permit(store, actor, Action.HANDLE_CRITICAL, now=now, study_uid=study_uid)
    finding = name_finding(finding)
    with begin_on_study(store, actor, Action.HANDLE_CRITICAL, now=now) as tx:
        study = tx.studies.get(study_uid)
        require_access(tx, actor, study_uid, now=now)
        loop = NewLoop(study_uid, None, finding, category)
        return _open(tx, actor, study, loop, waits, now)


def open_loops_of_signature(
    tx: UnitOfWork, actor: Actor, study: Study, report: Report, *, waits: Waits, now: datetime
) -> tuple[CriticalResult, ...]:
    """Open, with the caller's transaction, a loop for each critical finding that stays in a signed report.

    These are the findings that the model calls present and whose sentences the signer has not refused,
    accepted as they stood or rewritten: a loop that was not needed costs a cancellation. What a report has
    opened a loop for once opens none again.
    """
    wanted = kept_critical_findings(report, tx.reports.drafts.get(report.draft_id))
    due = sorted(wanted - set(tx.critical.findings_of(report.report_id)))
    loops = [NewLoop(study.study_uid, report.report_id, finding, Category.MINUTES) for finding in due]
    return tuple(_open(tx, actor, study, loop, waits, now) for loop in loops)


def kept_critical_findings(report: Report, draft: Draft | None) -> frozenset[str]:
    """Return the critical findings of the model whose sentences the reader keeps."""
    if draft is None:
        return frozenset()
    return CRITICAL_FINDINGS & set(draft.content.present_findings) & set(accepted_findings(report.sentences))


def close_loop(
    store: Store, actor: Actor, critical_id: int, communication: Communication, *, now: datetime
) -> CriticalResult:
    """Close a loop: the finding was told, by whom, to whom, when and how.

    Raises
    ------
    NotAuthorised, NotFound, InvalidTransition
        If the role may not, there is no such loop, or it is closed or cancelled already.
    Rejected
        If the communication is not complete; it names what is missing.
    """
    permit(store, actor, Action.HANDLE_CRITICAL, now=now)
    with begin_on_study(store, actor, Action.HANDLE_CRITICAL, now=now) as tx:
        before = tx.critical.lock(critical_id)
        require_access(tx, actor, before.study_uid, now=now)
        after = before.close(communication, actor.username, now=now)
        waited = max(0.0, (communication.told_at - before.opened_at).total_seconds())
        detail = {"means": communication.means.name, "seconds_to_communication": round(waited)}
        _end(tx, actor, after, AuditEvent.CRITICAL_CLOSED, detail, now)
        return after


def cancel_loop(
    store: Store, actor: Actor, critical_id: int, reason: str, *, now: datetime
) -> CriticalResult:
    """Cancel a loop that was opened in error; it stays on record with the reason.

    Raises
    ------
    NotAuthorised, NotFound, InvalidTransition, Rejected
        As `close_loop`; `Rejected` without a reason.
    """
    permit(store, actor, Action.HANDLE_CRITICAL, now=now)
    with begin_on_study(store, actor, Action.HANDLE_CRITICAL, now=now) as tx:
        before = tx.critical.lock(critical_id)
        require_access(tx, actor, before.study_uid, now=now)
        after = before.cancel(reason, actor.username, now=now)
        _end(tx, actor, after, AuditEvent.CRITICAL_CANCELLED, {}, now)
        return after


def list_open_loops(
    store: Store, actor: Actor, *, is_new: bool = True, now: datetime
) -> tuple[OpenLoop, ...]:
    """Return every loop that is not closed, the soonest due first.

    Parameters
    ----------
    is_new
        Whether a person asks, which is recorded; False where a page that is open looks again.
    """
    permit(store, actor, Action.HANDLE_CRITICAL, now=now)
    with store.begin() as tx:
        if is_new:
            listed = {"list": "critical results"}
            tx.audit.append(AuditFact(event=AuditEvent.LIST_STUDIES, actor=actor, at=now, detail=listed))
        loops = tx.critical.unfinished()
        closed = closed_among(tx, actor, [loop.study_uid for loop in loops], now=now)
        return tuple(
            OpenLoop(replace(loop, finding=RESTRICTED), None)
            if loop.study_uid in closed
            else OpenLoop(loop, tx.studies.get(loop.study_uid))
            for loop in loops
        )


def loops_of_study(
    store: Store, actor: Actor, study_uid: str, *, now: datetime
) -> tuple[CriticalResult, ...]:
    """Return the loops of a study, oldest first."""
    permit(store, actor, Action.HANDLE_CRITICAL, now=now, study_uid=study_uid)
    with begin_on_study(store, actor, Action.HANDLE_CRITICAL, now=now) as tx:
        require_access(tx, actor, study_uid, now=now)
        return tx.critical.of_study(study_uid)


def escalate_overdue(store: Store, actor: Actor, *, waits: Waits = DEFAULT_WAITS, now: datetime) -> int:
    """Raise an alert for each loop whose time has passed; return how many.

    A loop that stays open is due again after another wait, and its alert is told again.
    """
    with store.begin() as tx:
        overdue = tx.critical.claim_overdue(now=now, limit=_AT_ONCE)
        for loop in overdue:
            after = loop.escalate(waits[loop.category], now=now)
            tx.critical.save(after)
            clear_alert(tx, AlertKind.CRITICAL_OVERDUE, _subject(loop), now=now)
            raise_alert(tx, AlertKind.CRITICAL_OVERDUE, _subject(loop), _reason(after, waits, now), now=now)
            _record(tx, actor, after, AuditEvent.CRITICAL_ESCALATED, {"escalations": after.escalations}, now)
    return len(overdue)


def _open(
    tx: UnitOfWork, actor: Actor, study: Study, loop: NewLoop, waits: Waits, now: datetime
) -> CriticalResult:
    result = tx.critical.add(loop, actor.username, now=now, due_at=now + waits[loop.category])
    detail = {"critical_id": result.critical_id, "category": int(loop.category), "report_id": loop.report_id}
    tx.audit.append(fact_about(tx, study, AuditEvent.CRITICAL_OPENED, actor, now=now, detail=detail))
    return result


def _end(
    tx: UnitOfWork,
    actor: Actor,
    after: CriticalResult,
    event: AuditEvent,
    detail: Mapping[str, object],
    now: datetime,
) -> None:
    tx.critical.save(after)
    clear_alert(tx, AlertKind.CRITICAL_OVERDUE, _subject(after), now=now)
    _record(tx, actor, after, event, detail, now)


def _record(
    tx: UnitOfWork,
    actor: Actor,
    loop: CriticalResult,
    event: AuditEvent,
    detail: Mapping[str, object],
    now: datetime,
) -> None:
    study = tx.studies.get(loop.study_uid)
    named = {"critical_id": loop.critical_id, "category": int(loop.category), **detail}
    tx.audit.append(fact_about(tx, study, event, actor, now=now, detail=named))


def _subject(loop: CriticalResult) -> str:
    return f"critical result {loop.critical_id}"


def _reason(loop: CriticalResult, waits: Waits, now: datetime) -> str:
    minutes = (now - loop.opened_at).total_seconds() / 60
    every = waits[loop.category].total_seconds() / 60
    return (
        f"category {int(loop.category)}, open for {minutes:.0f} minutes, escalation {loop.escalations}: "
        f"nobody is on record as told; this comes again every {every:.0f} minutes"
    )
