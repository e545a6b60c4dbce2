"""The tables of operations: counters, signs of life, sources, purged instances, holds, decisions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.store import tables_alerts  # noqa: F401 - a foreign key refers to its table
from app.store.tables import JSON, Base


class CounterRow(Base):
    """One number that only grows; labels as canonical JSON."""

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]


class HeartbeatRow(Base):
    """One process of ours, when it last said that it lives, and what it holds right now."""

    __tablename__ = "heartbeats"
    process: Mapped[str] = mapped_column(primary_key=True)
    instance: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    gauges: Mapped[JSON]


class SourceRow(Base):
    """A calling AE title and when it was last heard."""

    __tablename__ = "sources"
    ae_title: Mapped[str] = mapped_column(primary_key=True)
    watched_since: Mapped[datetime]
    last_association_at: Mapped[datetime | None]
    last_instance_at: Mapped[datetime | None]


class PurgedInstanceRow(Base):
    """An instance whose bytes were given up by the retention policy, until it comes again."""

    __tablename__ = "purged_instances"
    __table_args__ = (
        Index(
            "purged_not_removed",
            "purged_at",
            postgresql_where=text("removed_at IS NULL AND restored_at IS NULL"),
        ),
    )
    sop_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    study_uid: Mapped[str] = mapped_column(String(64), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    purged_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    restored_at: Mapped[datetime | None]


class HoldRow(Base):
    """A study that is never purged while this stands, and why."""

    __tablename__ = "holds"
    study_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str]
    username: Mapped[str]
    held_at: Mapped[datetime]


class PatientHoldRow(Base):
    """A patient of whom nothing is purged or erased while this stands, and why."""

    __tablename__ = "patient_holds"
    patient_id: Mapped[str] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    username: Mapped[str]
    held_at: Mapped[datetime]


class ErasureRow(Base):
    """A patient who was erased: whose reference in the audit log, which studies, by whom and why."""

    __tablename__ = "erasures"
    id: Mapped[int] = mapped_column(primary_key=True)
    # number of the database's transaction: what it alone may blank
    transaction: Mapped[int] = mapped_column(BigInteger, index=True)
    patient_ref: Mapped[str] = mapped_column(String(32))
    study_uids: Mapped[list[str]] = mapped_column(ARRAY(Text))
    username: Mapped[str]
    reason: Mapped[str]
    erased_at: Mapped[datetime]


class QuarantineDecisionRow(Base):
    """What a person decided about an instance in quarantine, and what became of it."""

    __tablename__ = "quarantine_decisions"
    quarantine_id: Mapped[int] = mapped_column(ForeignKey("quarantine.id"), primary_key=True)
    decision: Mapped[str]
    reason: Mapped[str]
    username: Mapped[str]
    decided_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(default="")
    removed_at: Mapped[datetime | None]


class AlertAcknowledgementRow(Base):
    """Who has seen an alert."""

    __tablename__ = "alert_acknowledgements"
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"), primary_key=True)
    username: Mapped[str]
    acknowledged_at: Mapped[datetime]
