"""How rows of studies and instances become domain objects."""

from __future__ import annotations

from typing import Any, TypeVarTuple

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import aliased

from app.domain.routing import routing_of
from app.domain.study import Instance, Patient, Study, StudyState
from app.store.tables import InstanceRow, PatientRow, StudyRow
from app.store.tables_orders import StudyPatientRow

Columns = TypeVarTuple("Columns")
StudySelect = Select[StudyRow, PatientRow, int, PatientRow]
# the patient by the hospital's records, beside the one that the images name
CorrectedPatient = aliased(PatientRow, name="corrected_patient")


def count_instances() -> ColumnElement[int]:
    """Return the column that counts a study's instances."""
    counted = select(func.count()).where(InstanceRow.study_uid == StudyRow.study_uid)
    return counted.correlate(StudyRow).scalar_subquery()


def select_study() -> StudySelect:
    """Return the query whose rows `as_study` takes."""
    return with_patients(select(StudyRow, PatientRow, count_instances(), CorrectedPatient))


def with_patients(wanted: Any) -> Any:
    """Join `PatientRow` (by the images) and `CorrectedPatient` (by the records, or NULL) to the studies."""
    return (
        wanted.join(PatientRow, PatientRow.id == StudyRow.patient_row_id)
        .outerjoin(StudyPatientRow, StudyPatientRow.study_uid == StudyRow.study_uid)
        .outerjoin(CorrectedPatient, CorrectedPatient.id == StudyPatientRow.patient_row_id)
    )


def locked(wanted: Select[*Columns]) -> Select[*Columns]:
    """Return the query as one that holds the study rows, and sees what the last holder wrote.

    ``FOR NO KEY UPDATE``: rows that refer to the study may be added elsewhere meanwhile.
    """
    held = wanted.with_for_update(of=StudyRow, key_share=True)
    return held.execution_options(populate_existing=True)


def as_study(
    row: StudyRow, patient: PatientRow, instance_count: int, corrected: PatientRow | None = None
) -> Study:
    """Return the study that the rows describe."""
    return Study(
        study_uid=row.study_uid,
        patient=as_patient(patient),
        corrected=None if corrected is None else as_patient(corrected),
        accession_number=row.accession_number,
        study_date=row.study_date,
        study_time=row.study_time,
        description=row.description,
        referring_physician=row.referring_physician,
        modality=row.modality,
        body_part=row.body_part,
        state=StudyState(row.state),
        reason=row.reason,
        revision=row.revision,
        priority=row.priority,
        priority_reason=row.priority_reason,
        calling_ae=row.calling_ae,
        called_ae=row.called_ae,
        received_at=row.received_at,
        last_instance_at=row.last_instance_at,
        completed_at=row.completed_at,
        instance_count=instance_count,
        expected_count=row.expected_count,
        routing=None if row.routing is None else routing_of(row.routing),
    )


def as_patient(row: PatientRow) -> Patient:
    """Return the person that the row describes."""
    return Patient(row.patient_id, row.issuer, row.name, row.birth_date, row.sex)


def as_instance(row: InstanceRow) -> Instance:
    """Return the instance that the row describes."""
    return Instance(
        sop_uid=row.sop_uid,
        study_uid=row.study_uid,
        series_uid=row.series_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        modality=row.modality,
        instance_number=row.instance_number,
        rows=row.rows,
        columns=row.columns,
        sha256=row.sha256,
        size=row.size,
        revision=row.revision,
        received_at=row.received_at,
    )
