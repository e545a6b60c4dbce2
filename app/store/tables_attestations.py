"""The table of signatures."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class AttestationRow(Base):
    """A signature; never changed, never deleted."""

    __tablename__ = "attestations"
    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id"), index=True)
    report_version: Mapped[int]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    username: Mapped[str]
    printed_name: Mapped[str]
    role: Mapped[str]
    meaning: Mapped[str]
    signed_at: Mapped[datetime]
    text: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str | None]
    seal: Mapped[str | None]
