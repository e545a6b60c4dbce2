"""Patients as the hospital's records describe them: corrections, merges, and the studies they touch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.domain.study import Patient
from app.store.study_rows import CorrectedPatient, as_patient
from app.store.tables import PatientRow, StudyRow
from app.store.tables_orders import PatientIdentityRow, StudyPatientRow

Reference = Callable[[str, str], str]


class Patients:
    """Descriptions and identities as part of one unit of work.

    Parameters
    ----------
    reference
        Makes the keyed hash of PatientID and issuer for the audit log.
    """

    def __init__(self, session: Session, reference: Reference) -> None:
        self._session = session
        self._reference = reference

    def correct_identity(self, patient: Patient, *, now: datetime) -> None:
        """Keep what the records say of an identifier now; a former one stays merged into its successor."""
        identity = self._identity(patient.patient_id, patient.issuer, now)
        identity.patient_row_id, identity.updated_at = self._described(patient), now
        self._session.flush()

    def merge_identity(
        self, former_id: str, former_issuer: str, surviving: Patient, *, now: datetime
    ) -> None:
        """Let one identifier, and all that were merged into it, stand for another from now on."""
        self.correct_identity(surviving, now=now)
        target = self._identity(surviving.patient_id, surviving.issuer, now)
        former = self._identity(former_id, former_issuer, now)
        target.merged_into_id = None
        followers = update(PatientIdentityRow).where(PatientIdentityRow.merged_into_id == former.id)
        self._session.execute(followers.values(merged_into_id=target.id))
        former.merged_into_id, former.updated_at = target.id, now
        self._session.flush()

    def recorded(self, patient_id: str, issuer: str) -> Patient | None:
        """Return whom the records name for an identifier now; None when they never spoke of it.

        An identifier without an authority that stands for several people is not resolved.
        """
        if not patient_id:
            return None
        same = [PatientIdentityRow.patient_id == patient_id, *_issuers(PatientIdentityRow.issuer, issuer)]
        found = self._session.scalars(select(PatientIdentityRow).where(*same)).all()
        exact = [row for row in found if row.issuer == issuer] or found
        if len(exact) != 1:
            return None
        row: PatientIdentityRow | None = exact[0]
        if row is not None and row.merged_into_id is not None:
            row = self._session.get(PatientIdentityRow, row.merged_into_id)
        described = self._session.get(PatientRow, row.patient_row_id) if row and row.patient_row_id else None
        return as_patient(described) if described is not None else None

    def studies_of(self, patient_id: str, issuer: str) -> tuple[str, ...]:
        """Return the UIDs of the studies whose images or records name this identifier, in order."""
        wanted = (
            select(StudyRow.study_uid)
            .join(PatientRow, PatientRow.id == StudyRow.patient_row_id)
            .outerjoin(StudyPatientRow, StudyPatientRow.study_uid == StudyRow.study_uid)
            .outerjoin(CorrectedPatient, CorrectedPatient.id == StudyPatientRow.patient_row_id)
            .where(
                or_(
                    (PatientRow.patient_id == patient_id) & _shared(PatientRow.issuer, issuer),
                    (CorrectedPatient.patient_id == patient_id) & _shared(CorrectedPatient.issuer, issuer),
                )
            )
        )
        return tuple(self._session.scalars(wanted.order_by(StudyRow.study_uid)))

    def set_of_study(self, study_uid: str, patient: Patient, *, now: datetime) -> None:
        """Name the patient of a study by the records; the images' own description stays beside it."""
        values = {"patient_row_id": self._described(patient), "since": now}
        named = insert(StudyPatientRow).values(study_uid=study_uid, **values)
        self._session.execute(named.on_conflict_do_update(index_elements=["study_uid"], set_=values))

    def clear_of_study(self, study_uid: str) -> None:
        """Let a study have the patient that its images name."""
        self._session.execute(delete(StudyPatientRow).where(StudyPatientRow.study_uid == study_uid))

    def _identity(self, patient_id: str, issuer: str, now: datetime) -> PatientIdentityRow:
        key = {"patient_id": patient_id, "issuer": issuer}
        added = insert(PatientIdentityRow).values(**key, updated_at=now)
        self._session.execute(added.on_conflict_do_nothing())
        held = select(PatientIdentityRow).filter_by(**key).with_for_update()
        return self._session.scalars(held.execution_options(populate_existing=True)).one()

    def _described(self, patient: Patient) -> int:
        return patient_row(self._session, patient, self._reference(patient.patient_id, patient.issuer))


def patient_row(session: Session, patient: Patient, reference: str) -> int:
    """Return the number of the row that describes a patient exactly so, made when there is none."""
    described = dict(vars(patient))
    known = select(PatientRow.id).filter_by(**described)
    row_id = session.scalars(known).one_or_none()
    if row_id is None:
        added = insert(PatientRow).values(**described, reference=reference)
        session.execute(added.on_conflict_do_nothing())
        row_id = session.scalars(known).one()
    return row_id


def _issuers(column: InstrumentedAttribute[str], issuer: str) -> list[ColumnElement[bool]]:
    return [_shared(column, issuer)] if issuer else []


def _shared(column: InstrumentedAttribute[str], issuer: str) -> ColumnElement[bool]:
    """Return that an authority can be the same: one that is not named can be any."""
    return or_(column == issuer, column == "") if issuer else column.is_not(None)
