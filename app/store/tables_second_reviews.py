"""The tables of second reviews and of the draws that they come from."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class SecondReviewDrawRow(Base):
    """One week's draw: with its seed and the reports of that week it can be drawn again."""

    __tablename__ = "second_review_draws"
    week: Mapped[date] = mapped_column(primary_key=True)
    seed: Mapped[int] = mapped_column(BigInteger)
    percent: Mapped[float]
    signed_with_draft: Mapped[int]
    signed_without_draft: Mapped[int]
    drawn: Mapped[int]
    drawn_at: Mapped[datetime]


class SecondReviewRow(Base):
    """A report that waits for its second review, or one that has it; a correction is a row of its own."""

    __tablename__ = "second_reviews"
    __table_args__ = (
        Index("second_review_once", "report_id", unique=True, postgresql_where=text("corrects IS NULL")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id"), index=True)
    week: Mapped[date] = mapped_column(ForeignKey("second_review_draws.week"))
    with_draft: Mapped[bool]
    drawn_at: Mapped[datetime]
    reviewer_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    taken_at: Mapped[datetime | None]
    score: Mapped[str | None] = mapped_column(String(2))
    comment: Mapped[str] = mapped_column(default="")
    was_blind: Mapped[bool | None]
    scored_at: Mapped[datetime | None]
    corrects: Mapped[int | None] = mapped_column(ForeignKey("second_reviews.id"), unique=True)
