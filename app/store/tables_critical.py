"""The table of critical results."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class CriticalRow(Base):
    """One loop between a reader and whoever has to be told."""

    __tablename__ = "critical_results"
    __table_args__ = (
        Index("critical_due", "due_at", postgresql_where=text("ended_at IS NULL")),
        Index("ix_critical_results_study_uid", "study_uid"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_uid: Mapped[str] = mapped_column(String(64), ForeignKey("studies.study_uid"))
    report_id: Mapped[int | None] = mapped_column(ForeignKey("reports.id"))
    finding: Mapped[str]
    category: Mapped[int]
    state: Mapped[str]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime]
    escalations: Mapped[int] = mapped_column(default=0)
    teller: Mapped[str] = mapped_column(default="")
    receiver: Mapped[str] = mapped_column(default="")
    told_at: Mapped[datetime | None]
    means: Mapped[str] = mapped_column(default="")
    ended_by: Mapped[str] = mapped_column(default="")
    ended_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="")
