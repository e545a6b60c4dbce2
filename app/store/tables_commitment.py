"""The table of storage commitment requests."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class CommitmentRow(Base):
    """One request for one delivery."""

    __tablename__ = "commitments"
    __table_args__ = (Index("ix_commitments_state", "state", "asked_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"), index=True)
    transaction_uid: Mapped[str] = mapped_column(String(64), unique=True)
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    objects: Mapped[int]
    state: Mapped[str]
    reason: Mapped[str]
    made_at: Mapped[datetime]
    asked_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
