"""How far the audit log has been told to each collector."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class AuditForwardingRow(Base):
    """One collector: the last entry that it surely has, and which process tells it now."""

    __tablename__ = "audit_forwarding"
    collector: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    holder: Mapped[str]
    held_until: Mapped[datetime]
