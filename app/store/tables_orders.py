"""Tables of orders, of HL7 messages that had their effect, and of corrected patients."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.store.tables import Base


class OrderRow(Base):
    """An order of a RIS; a study finds it by accession number and patient."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("orders_accession", "accession_number"),
        Index("orders_placer", "source", "placer_number"),
        Index("orders_filler", "source", "filler_number"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    placer_number: Mapped[str]
    filler_number: Mapped[str]
    accession_number: Mapped[str]
    patient_id: Mapped[str]
    issuer: Mapped[str]
    patient_name: Mapped[str]
    birth_date: Mapped[str]
    sex: Mapped[str]
    procedure_code: Mapped[str]
    procedure: Mapped[str]
    scheduled_step: Mapped[str]
    indication: Mapped[str]
    priority: Mapped[str]
    requesting_physician: Mapped[str]
    pregnancy: Mapped[str]
    allergies: Mapped[str]
    state: Mapped[str]
    received_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Hl7MessageRow(Base):
    """A message whose effect is in the database: the same one again has none. Its content is not kept."""

    __tablename__ = "hl7_messages"
    __table_args__ = (UniqueConstraint("sender", "control_id", "sha256"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    sender: Mapped[str]
    control_id: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(index=True)


class PatientIdentityRow(Base):
    """What the hospital's records say of an identifier now: a corrected description, or who took it over."""

    __tablename__ = "patient_identities"
    __table_args__ = (UniqueConstraint("patient_id", "issuer"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[str]
    issuer: Mapped[str]
    patient_row_id: Mapped[int | None] = mapped_column(ForeignKey("patients.id"))
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("patient_identities.id"), index=True)
    updated_at: Mapped[datetime]


class StudyPatientRow(Base):
    """The patient of a study by the hospital's records, where that differs from what its images say."""

    __tablename__ = "study_patients"
    study_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_uid"), primary_key=True)
    patient_row_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    since: Mapped[datetime]
