"""Alerts: raised in the transaction of what is wrong, claimed by whoever tells them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.alert import Alert, AlertKind, wait_before_telling_again
from app.store.tables_alerts import AlertRow

_OPEN = AlertRow.cleared_at.is_(None)


class Alerts:
    """Alerts as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, kind: AlertKind, subject: str, reason: str, *, now: datetime) -> bool:
        """Raise an alert; False when one of this kind about this subject is open already."""
        raised = insert(AlertRow).values(
            kind=kind.value, subject=subject, reason=reason, raised_at=now, tries=0, next_try_at=now
        )
        once = raised.on_conflict_do_nothing(
            index_elements=[AlertRow.kind, AlertRow.subject], index_where=_OPEN
        )
        return self._session.scalar(once.returning(AlertRow.id)) is not None

    def clear(self, kind: AlertKind, subject: str, *, now: datetime) -> bool:
        """Note that the cause has gone away; False when no such alert is open."""
        wanted = update(AlertRow).where(AlertRow.kind == kind.value, AlertRow.subject == subject, _OPEN)
        return self._session.scalar(wanted.values(cleared_at=now).returning(AlertRow.id)) is not None

    def clear_older(self, kind: AlertKind, *, than: datetime, now: datetime) -> int:
        """Note that what was raised before a time is over; return how many alerts that were."""
        wanted = update(AlertRow).where(AlertRow.kind == kind.value, AlertRow.raised_at < than, _OPEN)
        return len(self._session.scalars(wanted.values(cleared_at=now).returning(AlertRow.id)).all())

    def claim_untold(self, *, now: datetime, limit: int) -> tuple[Alert, ...]:
        """Take alerts that are due to be told, and count the try; another process skips them."""
        due = select(AlertRow).where(AlertRow.told_at.is_(None), AlertRow.next_try_at <= now)
        rows = self._session.scalars(due.order_by(AlertRow.id).limit(limit).with_for_update(skip_locked=True))
        claimed = []
        for row in rows:
            row.tries += 1
            wait = wait_before_telling_again(row.tries)
            row.next_try_at = None if wait is None else now + wait
            claimed.append(_as_alert(row))
        self._session.flush()
        return tuple(claimed)

    def mark_told(self, alert_ids: Collection[int], *, now: datetime) -> None:
        """Note that a channel took them."""
        told = update(AlertRow).where(AlertRow.id.in_(alert_ids), AlertRow.told_at.is_(None))
        self._session.execute(told.values(told_at=now, next_try_at=None))

    def open(self) -> tuple[Alert, ...]:
        """Return the alerts whose cause stands, oldest first."""
        return tuple(
            _as_alert(row)
            for row in self._session.scalars(select(AlertRow).where(_OPEN).order_by(AlertRow.id))
        )


def _as_alert(row: AlertRow) -> Alert:
    return Alert(
        alert_id=row.id,
        kind=AlertKind(row.kind),
        subject=row.subject,
        reason=row.reason,
        raised_at=row.raised_at,
        told_at=row.told_at,
        cleared_at=row.cleared_at,
        tries=row.tries,
    )
