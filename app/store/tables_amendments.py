"""Addenda and corrections of signed reports."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import JSON, Base


class AmendmentRow(Base):
    """One addendum or correction; author and time are those of its signature. Never changed or deleted."""

    __tablename__ = "amendments"
    __table_args__ = (UniqueConstraint("report_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id"))
    number: Mapped[int]
    kind: Mapped[str]
    text: Mapped[str]
    # of an addendum NULL, not the JSON value null
    sections: Mapped[JSON | None] = mapped_column(JSONB(none_as_null=True))
    reason: Mapped[str]
    attestation_id: Mapped[int] = mapped_column(ForeignKey("attestations.id"), unique=True)
