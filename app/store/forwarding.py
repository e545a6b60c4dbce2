"""How far each collector has been told the audit log, and who may tell it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.audit import AuditEntry
from app.store.tables import AuditRow
from app.store.tables_forwarding import AuditForwardingRow


class Forwarding:
    """Positions and leases, as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def hold(self, collector: str, holder: str, *, until: datetime, now: datetime) -> bool:
        """Take or renew the right to tell a collector; False while another process has it."""
        row = {"collector": collector, "seq": 0, "holder": holder, "held_until": until}
        self._session.execute(insert(AuditForwardingRow).values(**row).on_conflict_do_nothing())
        taken = self._session.execute(
            update(AuditForwardingRow)
            .where(AuditForwardingRow.collector == collector)
            .where(or_(AuditForwardingRow.holder == holder, AuditForwardingRow.held_until < now))
            .values(holder=holder, held_until=until)
            .returning(AuditForwardingRow.seq)
        )
        return taken.one_or_none() is not None

    def position(self, collector: str) -> int:
        """Return the number of the last entry that the collector surely has; 0 before the first."""
        wanted = select(AuditForwardingRow.seq).where(AuditForwardingRow.collector == collector)
        return self._session.scalar(wanted) or 0

    def advance(self, collector: str, seq: int) -> None:
        """Note that the collector has everything up to `seq`; never goes back."""
        self._session.execute(
            update(AuditForwardingRow)
            .where(AuditForwardingRow.collector == collector, AuditForwardingRow.seq < seq)
            .values(seq=seq)
        )

    def entries_after(self, seq: int, *, limit: int) -> Sequence[AuditEntry]:
        """Return the next entries of the log, in order."""
        wanted = select(*AuditRow.__table__.columns).where(AuditRow.seq > seq).order_by(AuditRow.seq)
        return [AuditEntry(**row._mapping) for row in self._session.execute(wanted.limit(limit))]
