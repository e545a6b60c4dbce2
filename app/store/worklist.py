"""One page of the worklist: chosen, sorted and cut on the server; only its own rows are described."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, func, literal, select, true
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import LateralFromClause

from app.domain.delivery import DeliveryState
from app.domain.report import ReportState
from app.domain.study import StudyState
from app.domain.study_access import Reader
from app.domain.worklist import SortKey, WorklistPage, WorklistQuery, WorklistRow
from app.store.study_rows import CorrectedPatient, as_study, count_instances, with_patients
from app.store.tables import DeliveryRow, LockRow, PatientRow, ReportRow, StudyRow, UserRow
from app.store.worklist_choice import (
    HELD_AT,
    NEWEST,
    attention_rank,
    choose,
    in_order,
    is_costly,
    joined_report,
    ordering,
)


def select_page(
    session: Session, query: WorklistQuery, *, reader: Reader | None, now: datetime
) -> WorklistPage:
    """Return the page that `query` asks for, and how many studies it finds that the reader may open."""
    chosen, at = choose(query, reader, now=now), {HELD_AT: now}
    if is_costly(query) and not query.offset:
        together = in_order(chosen.add_columns(func.count().over()), query).limit(query.limit)
        found = session.execute(together, at).all()
        uids, total = [row[0] for row in found], found[0][1] if found else 0
    else:
        # how many there are does not depend on the order, nor on what is joined for it alone
        counted = choose(replace(query, sort=SortKey.PRIORITY), reader, now=now).subquery()
        total = session.scalars(select(func.count()).select_from(counted), at).one()
        uids = _cut(session, chosen, query, total, at) if query.offset < total else []
    if not uids:
        return WorklistPage((), total)
    rows = {row.StudyRow.study_uid: row for row in session.execute(_described(uids, now))}
    return WorklistPage(tuple(_as_row(rows[uid]) for uid in uids), total)


def _cut(
    session: Session, chosen: Select[Any], query: WorklistQuery, total: int, at: Mapping[str, datetime]
) -> list[str]:
    """Return the UIDs of one page, in order; a page of the second half is looked for from the end.

    A sort that keeps the first n rows costs more the larger n is: this way never more than half of them.
    """
    rows = min(query.limit, total - query.offset)
    if query.offset <= total // 2:
        return list(session.scalars(in_order(chosen, query).limit(rows).offset(query.offset), at))
    from_the_end = in_order(chosen, query, backwards=True).limit(rows)
    return list(session.scalars(from_the_end.offset(total - query.offset - rows), at))[::-1]


def select_candidates(
    session: Session,
    query: WorklistQuery,
    *,
    reader: Reader | None,
    states: Collection[ReportState],
    passed: Collection[str],
    after: str,
    limit: int,
    now: datetime,
) -> tuple[str, ...]:
    """Return the next studies of a list whose reports are in these states and nobody else edits, best first.

    Sorted by priority these are the first of the list, so that what has become urgent comes next; sorted
    otherwise those below `after`, then those above it.
    """
    held = exists().where(LockRow.report_id == NEWEST.c.id, LockRow.expires_at > now)
    if reader is not None and reader.user_id is not None:
        held = held.where(LockRow.user_id != reader.user_id)
    free = joined_report(choose(query, reader, now=now), query).where(
        StudyRow.study_uid.not_in(passed),
        StudyRow.state.in_(_READABLE),
        NEWEST.c.revision == StudyRow.revision,
        NEWEST.c.state.in_([state.value for state in states]),
        ~held,
    )
    if query.sort is SortKey.PRIORITY or not after:
        return tuple(session.scalars(in_order(free, query).limit(limit), {HELD_AT: now}))
    order = in_order(choose(query, reader, now=now), query)
    places = order.add_columns(func.row_number().over(order_by=ordering(query)).label("place"))
    numbered = places.order_by(None).cte("numbered")
    here = select(numbered.c.place).where(numbered.c.study_uid == after).scalar_subquery()
    is_below = numbered.c.place > func.coalesce(here, 0)
    wanted = select(numbered.c.study_uid).where(numbered.c.study_uid.in_(free))
    return tuple(
        session.scalars(wanted.order_by(is_below.desc(), numbered.c.place).limit(limit), {HELD_AT: now})
    )


_READABLE = (StudyState.DRAFTED.value, StudyState.UNDRAFTED.value)


def _described(uids: Sequence[str], now: datetime) -> Select[Any]:
    """Return everything that stands in the rows of these studies: only they are looked up."""
    report, delivery = _newest_report(), _delivery_to_look_at()
    lock = _lock_of(report, now)
    beside = select(
        StudyRow,
        PatientRow,
        CorrectedPatient,
        count_instances().label("instance_count"),
        report.c.id.label("report_id"),
        report.c.state.label("report_state"),
        report.c.revision.label("report_revision"),
        lock.c.printed_name.label("lock_owner"),
        lock.c.taken_at.label("locked_at"),
        lock.c.expires_at.label("locked_until"),
        delivery.c.state.label("delivery_state"),
        delivery.c.reason.label("delivery_reason"),
    )
    wanted = with_patients(beside).where(StudyRow.study_uid.in_(uids))
    for part in (report, lock, delivery):
        wanted = wanted.outerjoin(part, true())
    described: Select[Any] = wanted
    return described


def _newest_report() -> LateralFromClause:
    newest = select(ReportRow.id, ReportRow.state, ReportRow.revision)
    own = newest.where(ReportRow.study_uid == StudyRow.study_uid).correlate(StudyRow)
    return own.order_by(ReportRow.revision.desc()).limit(1).lateral("report_beside")


def _lock_of(report: LateralFromClause, now: datetime) -> LateralFromClause:
    held = select(UserRow.printed_name, LockRow.taken_at, LockRow.expires_at).join(
        UserRow, UserRow.id == LockRow.user_id
    )
    own = held.where(LockRow.report_id == report.c.id, LockRow.expires_at > literal(now))
    return own.correlate(report).lateral("held_lock")


def _delivery_to_look_at() -> LateralFromClause:
    wanted = select(DeliveryRow.state, DeliveryRow.reason).join(
        ReportRow, ReportRow.id == DeliveryRow.report_id
    )
    own = wanted.where(ReportRow.study_uid == StudyRow.study_uid).correlate(StudyRow)
    return own.order_by(attention_rank(), DeliveryRow.id.desc()).limit(1).lateral("delivery_to_look_at")


def _as_row(row: Any) -> WorklistRow:
    return WorklistRow(
        study=as_study(row.StudyRow, row.PatientRow, row.instance_count, row.corrected_patient),
        report_id=row.report_id,
        report_state=ReportState(row.report_state) if row.report_state else None,
        report_revision=row.report_revision,
        lock_owner=row.lock_owner or "",
        locked_at=row.locked_at,
        locked_until=row.locked_until,
        delivery_state=DeliveryState(row.delivery_state) if row.delivery_state else None,
        delivery_reason=row.delivery_reason or "",
    )
