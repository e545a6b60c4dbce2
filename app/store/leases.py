"""Leases on reports: who holds the pen, since when and until when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.audit import AuditEvent
from app.domain.review import LockInfo, SentenceAct
from app.store.tables import AuditRow, LockRow, UserRow

_SENTENCE_ACTS = tuple(
    event.value
    for event in (
        AuditEvent.SENTENCE_EDITED,
        AuditEvent.SENTENCE_ACCEPTED,
        AuditEvent.SENTENCE_REJECTED,
        AuditEvent.SENTENCE_REOPENED,
    )
)


class Leases:
    """Locks of reports; whoever changes one holds the report's row."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, report_id: int) -> LockInfo | None:
        """Return the lock of a report, also one that has ended; None when there is none."""
        wanted = select(LockRow, UserRow).join(UserRow, UserRow.id == LockRow.user_id)
        held = wanted.where(LockRow.report_id == report_id).execution_options(populate_existing=True)
        row = self._session.execute(held).one_or_none()
        return _as_lock(*row) if row is not None else None

    def put(self, report_id: int, user_id: int, *, taken_at: datetime, expires_at: datetime) -> None:
        """Give the lock of a report to this person, whoever held it."""
        held = {"user_id": user_id, "taken_at": taken_at, "expires_at": expires_at}
        given = insert(LockRow).values(report_id=report_id, **held)
        self._session.execute(given.on_conflict_do_update(index_elements=[LockRow.report_id], set_=held))

    def acts(self, report_id: int, study_uid: str, *, after: datetime | None) -> tuple[SentenceAct, ...]:
        """Return what was saved about the sentences of a report, oldest first; after a time, or all of it."""
        own = AuditRow.detail["report_id"].as_integer() == report_id
        wanted = select(AuditRow.username, AuditRow.detail["key"].as_string(), AuditRow.at).where(
            AuditRow.study_uid == study_uid, AuditRow.event.in_(_SENTENCE_ACTS), own
        )
        if after is not None:
            wanted = wanted.where(AuditRow.at > after)
        return tuple(SentenceAct(*row) for row in self._session.execute(wanted.order_by(AuditRow.seq)))

    def drop(self, report_id: int) -> None:
        """Free a report."""
        self._session.execute(delete(LockRow).where(LockRow.report_id == report_id))


def _as_lock(row: LockRow, user: UserRow) -> LockInfo:
    return LockInfo(
        report_id=row.report_id,
        user_id=user.id,
        username=user.username,
        printed_name=user.printed_name,
        taken_at=row.taken_at,
        expires_at=row.expires_at,
    )
