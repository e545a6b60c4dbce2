"""The tables, as SQLAlchemy typed mappings; rows never leave `app.store`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

JSON = dict[str, Any]
JSONList = list[Any]


class Base(DeclarativeBase):
    """Root of the mappings: times are aware, JSON is JSONB."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own attribute
        datetime: DateTime(timezone=True),
        JSON: JSONB,
        JSONList: JSONB,
        str: Text,
        bytes: LargeBinary,
    }


class UserRow(Base):
    """An account: with a password here, or of a person whom an identity provider knows."""

    __tablename__ = "users"
    __table_args__ = (
        Index("users_identity", "issuer", "subject", unique=True, postgresql_where=sql("issuer <> ''")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(unique=True)
    printed_name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str]
    disabled: Mapped[bool] = mapped_column(default=False)
    failed_attempts: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    issuer: Mapped[str] = mapped_column(default="", server_default="")
    subject: Mapped[str] = mapped_column(default="", server_default="")


class SessionRow(Base):
    """A log-in; the cookie holds the token, we hold its SHA-256."""

    __tablename__ = "sessions"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    source: Mapped[str]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    provider_session: Mapped[str] = mapped_column(default="", server_default="", index=True)
    authenticated_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class PatientRow(Base):
    """A patient as the studies' images describe them, apart from everything else so that it can be erased.

    One row for each description: an empty or reused PatientID never lends one study the name of another.
    """

    __tablename__ = "patients"
    __table_args__ = (UniqueConstraint("patient_id", "issuer", "name", "birth_date", "sex"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[str]
    issuer: Mapped[str]
    name: Mapped[str]
    birth_date: Mapped[str]
    sex: Mapped[str]
    reference: Mapped[str] = mapped_column(String(32), index=True)


class StudyRow(Base):
    """A study and where it stands."""

    __tablename__ = "studies"
    __table_args__ = (
        Index("studies_worklist", "state", "priority", "received_at"),
        Index("studies_by_priority", sql("priority DESC"), "received_at", "study_uid"),
        Index("studies_by_arrival", "received_at", "study_uid"),
        Index("studies_accession", "accession_number"),
        Index("studies_study_id", "study_id"),
        Index("studies_study_date", "study_date"),
    )
    study_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    patient_row_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    accession_number: Mapped[str]
    study_id: Mapped[str] = mapped_column(default="", server_default="")
    study_date: Mapped[str]
    study_time: Mapped[str]
    description: Mapped[str]
    referring_physician: Mapped[str]
    modality: Mapped[str]
    body_part: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    revision: Mapped[int] = mapped_column(default=1)
    priority: Mapped[int] = mapped_column(default=0)
    priority_reason: Mapped[str] = mapped_column(default="routine")
    calling_ae: Mapped[str]
    called_ae: Mapped[str]
    received_at: Mapped[datetime]
    last_instance_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    expected_count: Mapped[int | None]  # Number of Study Related Instances, as the sender says
    routing: Mapped[JSON | None] = mapped_column(JSONB(none_as_null=True))  # undecided: not the JSON null


class InstanceRow(Base):
    """One SOP instance; its bytes lie in the spool under `sha256`."""

    __tablename__ = "instances"
    sop_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    study_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_uid"), index=True)
    series_uid: Mapped[str] = mapped_column(String(64))
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    modality: Mapped[str]
    series_number: Mapped[int | None]
    instance_number: Mapped[int | None]
    rows: Mapped[int | None]
    columns: Mapped[int | None]
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    revision: Mapped[int]
    received_at: Mapped[datetime]
    laterality: Mapped[str] = mapped_column(String(1), default="", server_default="")


class QuarantineRow(Base):
    """An acknowledged or refused instance that no study could take, with the reason."""

    __tablename__ = "quarantine"
    __table_args__ = (UniqueConstraint("sop_uid", "sha256"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    sop_uid: Mapped[str]
    study_uid: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str]
    calling_ae: Mapped[str]
    received_at: Mapped[datetime]


class DraftRow(Base):
    """What the model made of one study revision."""

    __tablename__ = "drafts"
    __table_args__ = (UniqueConstraint("study_uid", "revision", "status"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_uid"), index=True)
    revision: Mapped[int]
    status: Mapped[str]
    reason: Mapped[str]
    model: Mapped[JSON]
    findings: Mapped[JSONList]
    sentences: Mapped[JSONList]
    report: Mapped[JSON]
    issues: Mapped[JSONList]
    timings: Mapped[JSON]
    provenance: Mapped[JSON]
    created_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]


class ReportRow(Base):
    """The report of one study revision; its text is in `sentences`, what was signed in `attestations`."""

    __tablename__ = "reports"
    __table_args__ = (
        UniqueConstraint("study_uid", "revision"),
        Index("reports_later", "study_uid", "revision", postgresql_where=sql("revision > 1")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_uid"), index=True)
    revision: Mapped[int]
    draft_id: Mapped[int | None] = mapped_column(ForeignKey("drafts.id"))
    ai_model: Mapped[str]
    state: Mapped[str]
    version: Mapped[int]
    updated_at: Mapped[datetime]


class SentenceRow(Base):
    """One sentence of a report."""

    __tablename__ = "sentences"
    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    section: Mapped[str]
    position: Mapped[int]
    text: Mapped[str]
    ai_text: Mapped[str]
    origin: Mapped[str]
    decision: Mapped[str]
    findings: Mapped[JSONList]
    confidence: Mapped[float | None]
    region: Mapped[JSON | None]


class LockRow(Base):
    """Who is editing a report, and until when unless renewed."""

    __tablename__ = "report_locks"
    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    taken_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class DeliveryRow(Base):
    """The outbox: one signed report to one destination in one format."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("attestation_id", "destination", "kind"),
        Index("deliveries_by_study", "study_uid", "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id"), index=True)
    attestation_id: Mapped[int] = mapped_column(ForeignKey("attestations.id"))
    study_uid: Mapped[str] = mapped_column(String(64))
    destination: Mapped[str]
    kind: Mapped[str]
    sop_uid: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class DeadLetterRow(Base):
    """A job that failed for good, with the reason; retrying it marks it and makes a new job."""

    __tablename__ = "dead_letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    queue: Mapped[str]
    task: Mapped[str]
    arguments: Mapped[JSON]
    study_uid: Mapped[str]
    attempts: Mapped[int]
    reason: Mapped[str]
    died_at: Mapped[datetime]
    retried_at: Mapped[datetime | None]


class AuditRow(Base):
    """One entry of the hash chain; never changed, never deleted."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index(
            "audit_checkpoints",
            "event",
            "seq",
            postgresql_where=sql("event IN ('audit checkpoint', 'audit checkpoint stamped')"),
        ),
    )
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    event: Mapped[str]
    outcome: Mapped[str]
    username: Mapped[str] = mapped_column(index=True)
    role: Mapped[str]
    source: Mapped[str]
    patient_ref: Mapped[str] = mapped_column(index=True)
    study_uid: Mapped[str] = mapped_column(index=True)
    detail: Mapped[JSON]
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))


class AuditHeadRow(Base):
    """The one row that appenders lock in turn: number and digest of the last entry."""

    __tablename__ = "audit_head"
    id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))


class KeyCheckRow(Base):
    """Fingerprint of a key on disk, so that a machine with another key is refused."""

    __tablename__ = "key_checks"
    name: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
