"""The tables of groups, restricted studies and emergency accesses."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class StudyGroupRow(Base):
    """A group that studies can be restricted to."""

    __tablename__ = "study_groups"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class StudyGroupMemberRow(Base):
    """An account in a group."""

    __tablename__ = "study_group_members"
    group_id: Mapped[int] = mapped_column(ForeignKey("study_groups.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)


class StudyAccessRow(Base):
    """The last decision about who may open a study; without a row nobody has decided anything."""

    __tablename__ = "study_access"
    study_uid: Mapped[str] = mapped_column(
        String(64), ForeignKey("studies.study_uid", ondelete="CASCADE"), primary_key=True
    )
    by_hand: Mapped[bool]
    reason: Mapped[str]
    username: Mapped[str]
    decided_at: Mapped[datetime]


class StudyAccessGroupRow(Base):
    """A group whose members may open a restricted study."""

    __tablename__ = "study_access_groups"
    __table_args__ = (Index("ix_study_access_groups_group_id", "group_id"),)
    study_uid: Mapped[str] = mapped_column(
        String(64), ForeignKey("study_access.study_uid", ondelete="CASCADE"), primary_key=True
    )
    group_id: Mapped[int] = mapped_column(ForeignKey("study_groups.id"), primary_key=True)


class EmergencyRow(Base):
    """One emergency access of one reader to one study; never deleted."""

    __tablename__ = "emergency_accesses"
    __table_args__ = (
        Index(
            "emergency_running",
            "study_uid",
            "user_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_uid: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str]
    state: Mapped[str]
    started_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str] = mapped_column(default="")
