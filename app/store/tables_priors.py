"""Earlier studies that were looked for beside a current one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class PriorRow(Base):
    """One earlier study beside one current study."""

    __tablename__ = "priors"
    study_uid: Mapped[str] = mapped_column(String(64), ForeignKey("studies.study_uid"), primary_key=True)
    prior_uid: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    rank: Mapped[int]
    study_date: Mapped[str]
    modality: Mapped[str]
    description: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str]
    report_text: Mapped[str]
    attached_at: Mapped[datetime | None]
