"""The worklist in one query: filtered, sorted and cut on the server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    UnaryExpression,
    case,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import LateralFromClause

from app.domain.delivery import DeliveryState
from app.domain.report import ReportState
from app.domain.retention import SELF_TEST_TITLE
from app.domain.study import StudyState
from app.domain.study_access import Reader
from app.domain.worklist import SortKey, WorklistPage, WorklistQuery, WorklistRow
from app.store.study_access import open_to
from app.store.study_rows import CorrectedPatient, as_study, count_instances, with_patients
from app.store.tables import DeliveryRow, LockRow, PatientRow, ReportRow, StudyRow, UserRow

# what needs attention first
_DELIVERY_RANK = {
    DeliveryState.DEAD: 0,
    DeliveryState.FAILED: 1,
    DeliveryState.PENDING: 2,
    DeliveryState.SENT: 3,
    DeliveryState.COMMITTED: 4,
    DeliveryState.CANCELLED: 5,
}


class _Standing:
    """What stands beside each study: its newest report, who edits that, the delivery to look at, who may."""

    def __init__(self, reader: Reader | None, now: datetime) -> None:
        self.is_open = true() if reader is None else open_to(reader, now=now)
        self.report = _newest_report()
        self.lock = _lock_of(self.report, now)
        self.delivery = _delivery_to_look_at()

    def beside(self, wanted: Select[Any]) -> Select[Any]:
        """Join all three to a query over `StudyRow`."""
        for part in (self.report, self.lock, self.delivery):
            wanted = wanted.outerjoin(part, true())
        return wanted

    def sort_column(self, key: SortKey) -> ColumnElement[Any]:
        """Return what a column of the worklist is sorted by."""
        columns: dict[SortKey, Any] = {
            SortKey.PRIORITY: StudyRow.priority,
            SortKey.RECEIVED: StudyRow.received_at,
            SortKey.PATIENT: func.lower(func.coalesce(CorrectedPatient.name, PatientRow.name)),
            SortKey.PATIENT_ID: func.lower(func.coalesce(CorrectedPatient.patient_id, PatientRow.patient_id)),
            SortKey.ACCESSION: StudyRow.accession_number,
            SortKey.STUDY_DATE: StudyRow.study_date + StudyRow.study_time,
            SortKey.MODALITY: StudyRow.modality,
            SortKey.DESCRIPTION: func.lower(StudyRow.description),
            SortKey.IMAGES: count_instances(),
            SortKey.STUDY_STATE: StudyRow.state,
            SortKey.REPORT_STATE: self.report.c.state,
            SortKey.LOCK: self.lock.c.printed_name,
            SortKey.DELIVERY: self.delivery.c.state,
        }
        column: ColumnElement[Any] = columns[key]
        return column


def select_page(
    session: Session, query: WorklistQuery, *, reader: Reader | None, now: datetime
) -> WorklistPage:
    """Return the page that `query` asks for, and how many studies it finds that the reader may open."""
    standing = _Standing(reader, now)
    rows = session.execute(_page(query, standing)).all()
    if rows or not query.offset:
        return WorklistPage(tuple(_as_row(row) for row in rows), rows[0].total if rows else 0)
    # past the last page: the window function had no row to stand in
    return WorklistPage((), session.scalars(_narrow(query, standing).with_only_columns(func.count())).one())


def _page(query: WorklistQuery, standing: _Standing) -> Select[Any]:
    chosen = _chosen(query, standing)
    beside = select(
        StudyRow,
        PatientRow,
        CorrectedPatient,
        count_instances().label("instance_count"),
        standing.report.c.id.label("report_id"),
        standing.report.c.state.label("report_state"),
        standing.report.c.revision.label("report_revision"),
        standing.lock.c.printed_name.label("lock_owner"),
        standing.lock.c.expires_at.label("locked_until"),
        standing.delivery.c.state.label("delivery_state"),
        standing.delivery.c.reason.label("delivery_reason"),
        chosen.c.total,
    )
    joined = with_patients(beside.join(chosen, chosen.c.study_uid == StudyRow.study_uid))
    return standing.beside(joined).order_by(chosen.c.place)


def _chosen(query: WorklistQuery, standing: _Standing) -> Subquery:
    """Return the page's studies: only what is filtered or sorted by is looked up for every study."""
    order = _order(query, standing)
    numbered = _narrow(query, standing).with_only_columns(
        StudyRow.study_uid,
        func.count().over().label("total"),
        func.row_number().over(order_by=order).label("place"),
    )
    return numbered.order_by("place").limit(query.limit).offset(query.offset).subquery("chosen")


def _narrow(query: WorklistQuery, standing: _Standing) -> Select[Any]:
    wanted: Select[Any] = with_patients(select(StudyRow.study_uid))
    if query.report_states or query.sort in {SortKey.REPORT_STATE, SortKey.LOCK}:
        wanted = wanted.outerjoin(standing.report, true())
    if query.sort is SortKey.LOCK:
        wanted = wanted.outerjoin(standing.lock, true())
    if query.sort is SortKey.DELIVERY:
        wanted = wanted.outerjoin(standing.delivery, true())
    return wanted.where(*_conditions(query, standing))


def _conditions(query: WorklistQuery, standing: _Standing) -> list[ColumnElement[bool]]:
    # a study of the self-test is nobody's
    conditions: list[ColumnElement[bool]] = [StudyRow.calling_ae != SELF_TEST_TITLE, standing.is_open]
    if query.text:
        # a former name or identifier still finds the study
        people = (PatientRow, CorrectedPatient)
        places = [column for who in people for column in (who.name, who.patient_id)]
        places += [StudyRow.accession_number, StudyRow.description]
        conditions.append(or_(*(place.icontains(query.text, autoescape=True) for place in places)))
    if query.states:
        conditions.append(StudyRow.state.in_([state.value for state in query.states]))
    else:
        conditions.append(StudyRow.state != StudyState.EXCLUDED.value)
    if query.report_states:
        conditions.append(standing.report.c.state.in_([state.value for state in query.report_states]))
    if query.modality:
        conditions.append(StudyRow.modality == query.modality)
    return conditions


def _order(query: WorklistQuery, standing: _Standing) -> list[ColumnElement[Any] | UnaryExpression[Any]]:
    column = standing.sort_column(query.sort)
    directed = column.desc() if query.descending else column.asc()
    return [directed.nulls_last(), StudyRow.received_at.asc(), StudyRow.study_uid.asc()]


def _newest_report() -> LateralFromClause:
    newest = select(ReportRow.id, ReportRow.state, ReportRow.revision)
    own = newest.where(ReportRow.study_uid == StudyRow.study_uid).correlate(StudyRow)
    return own.order_by(ReportRow.revision.desc()).limit(1).lateral("newest_report")


def _lock_of(report: LateralFromClause, now: datetime) -> LateralFromClause:
    held = select(UserRow.printed_name, LockRow.expires_at).join(UserRow, UserRow.id == LockRow.user_id)
    own = held.where(LockRow.report_id == report.c.id, LockRow.expires_at > literal(now))
    return own.correlate(report).lateral("held_lock")


def _delivery_to_look_at() -> LateralFromClause:
    rank = case({state.value: place for state, place in _DELIVERY_RANK.items()}, value=DeliveryRow.state)
    wanted = select(DeliveryRow.state, DeliveryRow.reason).join(
        ReportRow, ReportRow.id == DeliveryRow.report_id
    )
    own = wanted.where(ReportRow.study_uid == StudyRow.study_uid).correlate(StudyRow)
    return own.order_by(rank, DeliveryRow.id.desc()).limit(1).lateral("delivery_to_look_at")


def _as_row(row: Any) -> WorklistRow:
    return WorklistRow(
        study=as_study(row.StudyRow, row.PatientRow, row.instance_count, row.corrected_patient),
        report_id=row.report_id,
        report_state=ReportState(row.report_state) if row.report_state else None,
        report_revision=row.report_revision,
        lock_owner=row.lock_owner or "",
        locked_until=row.locked_until,
        delivery_state=DeliveryState(row.delivery_state) if row.delivery_state else None,
        delivery_reason=row.delivery_reason or "",
    )
