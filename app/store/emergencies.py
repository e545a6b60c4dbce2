"""Emergency accesses: added, ended once, never deleted."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.domain.emergency import EmergencyAccess, EmergencyState
from app.domain.errors import NotFound
from app.store.tables import UserRow
from app.store.tables_access import EmergencyRow

_RUNNING = EmergencyRow.ended_at.is_(None)


class Emergencies:
    """Emergency accesses as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self, study_uid: str, user_id: int, reason: str, *, lasting: timedelta, now: datetime
    ) -> EmergencyAccess:
        """Start one."""
        row = EmergencyRow(
            study_uid=study_uid,
            user_id=user_id,
            reason=reason,
            state=EmergencyState.RUNNING.value,
            started_at=now,
            ends_at=now + lasting,
            ended_by="",
        )
        self._session.add(row)
        self._session.flush()
        return self._as_emergency(row)

    def running(self, study_uid: str, user_id: int) -> EmergencyAccess | None:
        """Return the one that no end is on record of yet; its time may have passed."""
        wanted = select(EmergencyRow).where(
            EmergencyRow.study_uid == study_uid, EmergencyRow.user_id == user_id, _RUNNING
        )
        row = self._session.scalars(_fresh(wanted)).one_or_none()
        return None if row is None else self._as_emergency(row)

    def lock(self, emergency_id: int) -> EmergencyAccess:
        """Return one and hold it until the transaction ends; `NotFound` when there is none."""
        row = self._session.get(EmergencyRow, emergency_id, with_for_update=True, populate_existing=True)
        if row is None:
            raise NotFound(f"there is no emergency access {emergency_id}")
        return self._as_emergency(row)

    def save(self, emergency: EmergencyAccess) -> None:
        """Write its end."""
        row = self._session.get_one(EmergencyRow, emergency.emergency_id)
        row.state, row.ended_at, row.ended_by = (
            emergency.state.value,
            emergency.ended_at,
            emergency.ended_by,
        )
        self._session.flush()

    def claim_expired(self, *, now: datetime) -> EmergencyAccess | None:
        """Return one whose time has passed and hold it, None without one; another process skips it."""
        wanted = select(EmergencyRow).where(_RUNNING, EmergencyRow.ends_at <= now)
        wanted = wanted.order_by(EmergencyRow.id).limit(1).with_for_update(skip_locked=True)
        row = self._session.scalars(_fresh(wanted)).one_or_none()
        return None if row is None else self._as_emergency(row)

    def latest(self, limit: int) -> tuple[EmergencyAccess, ...]:
        """Return the last ones, those that run first."""
        wanted = select(EmergencyRow).order_by(_RUNNING.desc(), EmergencyRow.id.desc()).limit(limit)
        return tuple(self._as_emergency(row) for row in self._session.scalars(_fresh(wanted)))

    def _as_emergency(self, row: EmergencyRow) -> EmergencyAccess:
        return EmergencyAccess(
            emergency_id=row.id,
            study_uid=row.study_uid,
            user_id=row.user_id,
            username=self._session.get_one(UserRow, row.user_id).username,
            reason=row.reason,
            state=EmergencyState(row.state),
            started_at=row.started_at,
            ends_at=row.ends_at,
            ended_at=row.ended_at,
            ended_by=row.ended_by,
        )


def _fresh(wanted: Select[EmergencyRow]) -> Select[EmergencyRow]:
    return wanted.execution_options(populate_existing=True)
