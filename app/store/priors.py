"""Earlier studies beside the current ones, and what the database itself has of a patient."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.prior import FoundStudy, Prior, PriorState
from app.domain.study import Patient
from app.store.tables import InstanceRow, PatientRow, StudyRow
from app.store.tables_priors import PriorRow


class Priors:
    """Priors as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_study(self, study_uid: str) -> tuple[Prior, ...]:
        """Return the priors of a study, the most relevant first."""
        wanted = select(PriorRow).where(PriorRow.study_uid == study_uid)
        rows = self._session.scalars(wanted.order_by(PriorRow.rank, PriorRow.prior_uid))
        return tuple(_as_prior(row) for row in rows)

    def save(self, prior: Prior) -> None:
        """Write a prior, new or known."""
        values = vars(prior) | {"state": prior.state.value}
        changed = {name: value for name, value in values.items() if name not in {"study_uid", "prior_uid"}}
        added = insert(PriorRow).values(**values)
        self._session.execute(
            added.on_conflict_do_update(index_elements=["study_uid", "prior_uid"], set_=changed)
        )

    def is_wanted_as_prior(self, study_uid: str) -> bool:
        """Tell whether a study was asked for as the prior of another."""
        wanted = select(PriorRow.study_uid).where(PriorRow.prior_uid == study_uid).limit(1)
        return self._session.scalar(wanted) is not None

    def known_of(self, patient: Patient) -> tuple[FoundStudy, ...]:
        """Return the studies that we have of a patient; none without a PatientID."""
        if not patient.patient_id:
            return ()
        count = select(func.count()).where(InstanceRow.study_uid == StudyRow.study_uid).scalar_subquery()
        wanted = (
            select(StudyRow, count)
            .join(PatientRow, PatientRow.id == StudyRow.patient_row_id)
            .where(PatientRow.patient_id == patient.patient_id)
        )
        if patient.issuer:
            wanted = wanted.where(PatientRow.issuer.in_(("", patient.issuer)))
        return tuple(_as_found(study, number) for study, number in self._session.execute(wanted))


def _as_found(row: StudyRow, instances: int) -> FoundStudy:
    return FoundStudy(
        study_uid=row.study_uid,
        study_date=row.study_date,
        study_time=row.study_time,
        description=row.description,
        modalities=(row.modality,),
        instances=instances,
        body_part=row.body_part,
    )


def _as_prior(row: PriorRow) -> Prior:
    return Prior(
        study_uid=row.study_uid,
        prior_uid=row.prior_uid,
        rank=row.rank,
        study_date=row.study_date,
        modality=row.modality,
        description=row.description,
        state=PriorState(row.state),
        reason=row.reason,
        report_text=row.report_text,
        attached_at=row.attached_at,
    )
