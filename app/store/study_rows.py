"""How rows of studies and instances become domain objects."""

from __future__ import annotations

from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Select, func, select

from app.domain.routing import routing_of
from app.domain.study import Instance, Patient, Study, StudyState
from app.store.tables import InstanceRow, PatientRow, StudyRow

Columns = TypeVarTuple("Columns")


def count_instances() -> ColumnElement[int]:
    """Return the column that counts a study's instances."""
    counted = select(func.count()).where(InstanceRow.study_uid == StudyRow.study_uid)
    return counted.correlate(StudyRow).scalar_subquery()


def select_study() -> Select[StudyRow, PatientRow, int]:
    """Return the query whose rows `as_study` takes."""
    return select(StudyRow, PatientRow, count_instances()).join(
        PatientRow, PatientRow.id == StudyRow.patient_row_id
    )


def locked(wanted: Select[*Columns]) -> Select[*Columns]:
    """Return the query as one that holds the study rows, and sees what the last holder wrote.

    ``FOR NO KEY UPDATE``: rows that refer to the study may be added elsewhere meanwhile.
    """
    held = wanted.with_for_update(of=StudyRow, key_share=True)
    return held.execution_options(populate_existing=True)


def as_study(row: StudyRow, patient: PatientRow, instance_count: int) -> Study:
    """Return the study that the rows describe."""
    return Study(
        study_uid=row.study_uid,
        patient=Patient(
            patient_id=patient.patient_id,
            issuer=patient.issuer,
            name=patient.name,
            birth_date=patient.birth_date,
            sex=patient.sex,
        ),
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
        routing=None if row.routing is None else routing_of(row.routing),
    )


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
