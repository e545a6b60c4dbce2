"""The tables of templates, of the department's macros and words, and of the time spent at each section."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import JSON, Base


class TemplateRow(Base):
    """A version of a template; the highest of its id is in force, and none is ever changed."""

    __tablename__ = "report_templates"
    template_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    language: Mapped[str]
    modality: Mapped[str]
    body_part: Mapped[str]
    sections: Mapped[JSON]
    is_active: Mapped[bool]
    username: Mapped[str]
    at: Mapped[datetime]


class MacroRow(Base):
    """A version of a macro of the department; an empty text removed it."""

    __tablename__ = "department_macros"
    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]
    username: Mapped[str]
    at: Mapped[datetime]


class DepartmentWordsRow(Base):
    """A version of the department's own words for the checks; the highest is in force."""

    __tablename__ = "department_words"
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[JSON]
    username: Mapped[str]
    at: Mapped[datetime]


class ReadingTimeRow(Base):
    """Active seconds and edits of one reader at one section since the row before."""

    __tablename__ = "reading_times"
    __table_args__ = (
        CheckConstraint("seconds >= 0 AND seconds <= 3600 AND edits >= 0", name="reading_times_are_bounded"),
        Index("ix_reading_times_at", "at"),
        Index("ix_reading_times_report_id", "report_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    section: Mapped[str] = mapped_column(String(20))
    seconds: Mapped[float]
    edits: Mapped[int]
    at: Mapped[datetime]
