"""Critical results: loops between a reader and whoever has to be told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.critical import Category, Communication, CriticalResult, CriticalState, Means
from app.domain.errors import NotFound
from app.store.tables_critical import CriticalRow

_UNFINISHED = CriticalRow.ended_at.is_(None)


@dataclass(frozen=True)
class NewLoop:
    """What is known of a loop before it has a number."""

    study_uid: str
    report_id: int | None
    finding: str
    category: Category


class CriticalResults:
    """Loops as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, loop: NewLoop, username: str, *, now: datetime, due_at: datetime) -> CriticalResult:
        """Open a loop."""
        row = CriticalRow(
            study_uid=loop.study_uid,
            report_id=loop.report_id,
            finding=loop.finding,
            category=int(loop.category),
            state=CriticalState.OPEN.value,
            opened_by=username,
            opened_at=now,
            due_at=due_at,
        )
        self._session.add(row)
        self._session.flush()
        return _as_result(row)

    def lock(self, critical_id: int) -> CriticalResult:
        """Return a loop and hold it until the transaction ends; `NotFound` when there is none."""
        row = self._session.get(CriticalRow, critical_id, with_for_update=True, populate_existing=True)
        if row is None:
            raise NotFound(f"there is no critical result {critical_id}")
        return _as_result(row)

    def save(self, result: CriticalResult) -> None:
        """Write where a loop stands; what it was opened with stays."""
        row = self._session.get_one(CriticalRow, result.critical_id)
        row.state, row.due_at, row.escalations = result.state.value, result.due_at, result.escalations
        row.ended_by, row.ended_at, row.reason = result.ended_by, result.ended_at, result.reason
        if result.communication is not None:
            told = result.communication
            row.teller, row.receiver, row.told_at = told.teller, told.receiver, told.told_at
            row.means = told.means.value
        self._session.flush()

    def unfinished(self) -> tuple[CriticalResult, ...]:
        """Return the loops that are not closed, the soonest due first."""
        wanted = select(CriticalRow).where(_UNFINISHED).order_by(CriticalRow.due_at, CriticalRow.id)
        return tuple(_as_result(row) for row in self._session.scalars(wanted))

    def of_study(self, study_uid: str) -> tuple[CriticalResult, ...]:
        """Return the loops of a study, oldest first."""
        wanted = select(CriticalRow).where(CriticalRow.study_uid == study_uid).order_by(CriticalRow.id)
        return tuple(_as_result(row) for row in self._session.scalars(wanted))

    def findings_of(self, report_id: int) -> Collection[str]:
        """Return for which findings a report has opened a loop, whatever became of it."""
        wanted = select(CriticalRow.finding).where(CriticalRow.report_id == report_id)
        return frozenset(self._session.scalars(wanted))

    def claim_overdue(self, *, now: datetime, limit: int) -> tuple[CriticalResult, ...]:
        """Return loops whose time has passed, and hold them; another process skips them."""
        wanted = select(CriticalRow).where(_UNFINISHED, CriticalRow.due_at <= now)
        wanted = wanted.order_by(CriticalRow.due_at, CriticalRow.id).limit(limit)
        return tuple(
            _as_result(row) for row in self._session.scalars(wanted.with_for_update(skip_locked=True))
        )


def _as_result(row: CriticalRow) -> CriticalResult:
    told = None
    if row.told_at is not None:
        told = Communication(row.teller, row.receiver, row.told_at, Means(row.means))
    return CriticalResult(
        critical_id=row.id,
        study_uid=row.study_uid,
        report_id=row.report_id,
        finding=row.finding,
        category=Category(row.category),
        state=CriticalState(row.state),
        opened_by=row.opened_by,
        opened_at=row.opened_at,
        due_at=row.due_at,
        escalations=row.escalations,
        communication=told,
        ended_by=row.ended_by,
        ended_at=row.ended_at,
        reason=row.reason,
    )
