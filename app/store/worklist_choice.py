"""Which studies a worklist holds and in which order: every column filters and sorts.

A table is joined only where something is filtered or sorted by it, as a set: the planner may then read it
once for all studies, or once for each of the few that a page needs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, exists, func, or_, select
from sqlalchemy.orm import aliased

from app.domain.delivery import DeliveryState
from app.domain.retention import SELF_TEST_TITLE
from app.domain.study import StudyState
from app.domain.study_access import Reader
from app.domain.worklist import SortKey, WorklistQuery
from app.store.study_access import open_to
from app.store.study_rows import CorrectedPatient, with_patients
from app.store.tables import DeliveryRow, InstanceRow, LockRow, PatientRow, ReportRow, StudyRow, UserRow
from app.store.tables_orders import StudyPatientRow

HELD_AT = "held_at"
"""Parameter of every statement that is made here: the time at which locks count."""

ATTENTION: tuple[DeliveryState, ...] = (
    DeliveryState.DEAD,
    DeliveryState.FAILED,
    DeliveryState.PENDING,
    DeliveryState.SENT,
    DeliveryState.COMMITTED,
    DeliveryState.CANCELLED,
)
"""States of a delivery, what needs attention first."""

_later = aliased(ReportRow)
# revisions count from 1: what overtakes another is one of the few rows that `reports_later` holds
_overtaken = exists().where(
    _later.study_uid == ReportRow.study_uid, _later.revision > ReportRow.revision, _later.revision > 1
)
NEWEST = (
    select(ReportRow.id, ReportRow.study_uid, ReportRow.revision, ReportRow.state)
    .where(~_overtaken.correlate(ReportRow))
    .subquery("newest_report")
)
"""The newest report of each study."""

_COUNTED = (
    select(InstanceRow.study_uid, func.count().label("images"))
    .group_by(InstanceRow.study_uid)
    .subquery("counted")
)


def attention_rank() -> ColumnElement[int]:
    """Return how soon a delivery needs attention: 0 is first."""
    return case({state.value: place for place, state in enumerate(ATTENTION)}, value=DeliveryRow.state)


_DELIVERED = (
    select(DeliveryRow.study_uid, func.min(attention_rank()).label("rank"))
    .group_by(DeliveryRow.study_uid)
    .subquery("delivered")
)


# who edits the newest report of a study; few rows, however long the list is
_HELD = (
    select(ReportRow.study_uid, UserRow.printed_name)
    .join(LockRow, LockRow.report_id == ReportRow.id)
    .join(UserRow, UserRow.id == LockRow.user_id)
    .where(LockRow.expires_at > bindparam(HELD_AT, type_=LockRow.expires_at.type))
    .where(~_overtaken.correlate(ReportRow))
    .subquery("held")
)


def choose(query: WorklistQuery, reader: Reader | None, *, now: datetime) -> Select[Any]:
    """Return the UIDs of the studies that a query finds and the reader may open; in no order."""
    wanted: Select[Any] = select(StudyRow.study_uid)
    if query.sort in {SortKey.PATIENT, SortKey.PATIENT_ID}:
        wanted = with_patients(wanted)
    if query.report_states or query.sort is SortKey.REPORT_STATE:
        wanted = joined_report(wanted, query, join=True)
    if query.fewest_images is not None or query.most_images is not None or query.sort is SortKey.IMAGES:
        wanted = wanted.outerjoin(_COUNTED, _COUNTED.c.study_uid == StudyRow.study_uid)
    if query.reader or query.sort is SortKey.LOCK:
        wanted = wanted.outerjoin(_HELD, _HELD.c.study_uid == StudyRow.study_uid)
    if query.delivery_states or query.sort is SortKey.DELIVERY:
        wanted = wanted.outerjoin(_DELIVERED, _DELIVERED.c.study_uid == StudyRow.study_uid)
    # a study of the self-test is nobody's
    wanted = wanted.where(StudyRow.calling_ae != SELF_TEST_TITLE, *_conditions(query, now))
    return wanted if reader is None else wanted.where(open_to(reader, now=now))


def is_costly(query: WorklistQuery) -> bool:
    """Whether finding the studies takes more than their own rows: then it is not done twice."""
    counts = query.fewest_images is not None or query.most_images is not None
    texts = query.text or query.patient or query.patient_id or query.accession or query.description
    return counts or bool(texts or query.report_states or query.delivery_states)


def joined_report(wanted: Select[Any], query: WorklistQuery, *, join: bool = False) -> Select[Any]:
    """Join the newest report unless `choose` has done so already."""
    if not join and (query.report_states or query.sort is SortKey.REPORT_STATE):
        return wanted
    return wanted.outerjoin(NEWEST, NEWEST.c.study_uid == StudyRow.study_uid)


def in_order(chosen: Select[Any], query: WorklistQuery, *, backwards: bool = False) -> Select[Any]:
    """Return what `choose` made for the same query, in its order or from its end."""
    return chosen.order_by(*ordering(query, backwards=backwards))


def ordering(query: WorklistQuery, *, backwards: bool = False) -> list[ColumnElement[Any]]:
    """Return what a list is sorted by; what waits longest stands first among equals, what is empty last."""
    column = _sort_column(query.sort)
    directed: Any = column.desc() if query.descending is not backwards else column.asc()
    if query.sort not in _NEVER_NULL:
        directed = directed.nulls_first() if backwards else directed.nulls_last()
    rest: list[Any] = [StudyRow.received_at, StudyRow.study_uid]
    return [directed, *(one.desc() if backwards else one.asc() for one in rest)]


# an order that says NULLS LAST of what is never null cannot be read from an index
_NEVER_NULL = frozenset(
    {
        SortKey.PRIORITY,
        SortKey.RECEIVED,
        SortKey.ACCESSION,
        SortKey.STUDY_DATE,
        SortKey.MODALITY,
        SortKey.DESCRIPTION,
        SortKey.STUDY_STATE,
    }
)


def _sort_column(key: SortKey) -> ColumnElement[Any]:
    columns: dict[SortKey, Any] = {
        SortKey.PRIORITY: StudyRow.priority,
        SortKey.RECEIVED: StudyRow.received_at,
        SortKey.PATIENT: func.lower(func.coalesce(CorrectedPatient.name, PatientRow.name)),
        SortKey.PATIENT_ID: func.lower(func.coalesce(CorrectedPatient.patient_id, PatientRow.patient_id)),
        SortKey.ACCESSION: StudyRow.accession_number,
        SortKey.STUDY_DATE: StudyRow.study_date + StudyRow.study_time,
        SortKey.MODALITY: StudyRow.modality,
        SortKey.DESCRIPTION: func.lower(StudyRow.description),
        SortKey.IMAGES: func.coalesce(_COUNTED.c.images, 0),
        SortKey.STUDY_STATE: StudyRow.state,
        SortKey.REPORT_STATE: NEWEST.c.state,
        SortKey.LOCK: _HELD.c.printed_name,
        SortKey.DELIVERY: _DELIVERED.c.rank,
    }
    column: ColumnElement[Any] = columns[key]
    return column


def _conditions(query: WorklistQuery, now: datetime) -> list[ColumnElement[bool]]:
    return [*_of_text(query), *_of_choice(query), *_of_range(query, now)]


def _of_text(query: WorklistQuery) -> list[ColumnElement[bool]]:
    names, identifiers = _person.name, _person.patient_id
    accession, description = StudyRow.accession_number, StudyRow.description
    anywhere = or_(_of_people(query.text, names, identifiers), _contain(query.text, accession, description))
    asked: list[tuple[str, ColumnElement[bool]]] = [
        (query.text, anywhere),
        (query.patient, _of_people(query.patient, names)),
        (query.patient_id, _of_people(query.patient_id, identifiers)),
        (query.accession, _contain(query.accession, accession)),
        (query.description, _contain(query.description, description)),
        (query.reader, _contain(query.reader, _HELD.c.printed_name)),
    ]
    return [condition for text, condition in asked if text]


_person, _recorded = aliased(PatientRow), aliased(StudyPatientRow)


def _of_people(text: str, *columns: Any) -> ColumnElement[bool]:
    """Find the people first, who are fewer than studies; a former name or identifier finds the study too."""
    people = select(_person.id).where(_contain(text, *columns))
    corrected = select(_recorded.study_uid).where(_recorded.patient_row_id.in_(people))
    return or_(StudyRow.patient_row_id.in_(people), StudyRow.study_uid.in_(corrected))


def _contain(text: str, *columns: Any) -> ColumnElement[bool]:
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def _of_choice(query: WorklistQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.states:
        conditions.append(StudyRow.state.in_([state.value for state in query.states]))
    else:
        conditions.append(StudyRow.state != StudyState.EXCLUDED.value)
    if query.report_states:
        conditions.append(NEWEST.c.state.in_([state.value for state in query.report_states]))
    if query.modality:
        conditions.append(StudyRow.modality == query.modality)
    if query.priorities:
        conditions.append(StudyRow.priority.in_(query.priorities))
    if query.delivery_states:
        conditions.append(_DELIVERED.c.rank.in_([ATTENTION.index(one) for one in query.delivery_states]))
    return conditions


def _of_range(query: WorklistQuery, now: datetime) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    since, before = query.received.bounds(now, query.zone)
    if since is not None:
        conditions.append(StudyRow.received_at >= since)
    if before is not None:
        conditions.append(StudyRow.received_at < before)
    since, before = query.studied.bounds(now, query.zone)
    # a study's date is that of the house (DA, PS3.5 Table 6.2-1): compared as it is written
    written = StudyRow.study_date + func.substr(StudyRow.study_time + "000000", 1, 6)
    if since is not None:
        conditions.append(written >= since.astimezone(query.zone).strftime("%Y%m%d%H%M%S"))
    if before is not None:
        conditions.append(
            and_(written < before.astimezone(query.zone).strftime("%Y%m%d%H%M%S"), StudyRow.study_date != "")
        )
    images = func.coalesce(_COUNTED.c.images, 0)
    if query.fewest_images is not None:
        conditions.append(images >= query.fewest_images)
    if query.most_images is not None:
        conditions.append(images <= query.most_images)
    return conditions
