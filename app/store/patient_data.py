"""Everything that the database has of one patient: found, held, exported, erased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from app.domain.errors import Conflict, NotFound
from app.domain.patient_data import PatientHold, PatientKey, StudyOfPatient
from app.domain.study import StudyState
from app.store.rows_of_patient import ROWS_OF_PATIENT, rows_of_patient
from app.store.tables_operations import PatientHoldRow

_IDENTIFIERS = text("SELECT patient_id, issuer FROM janus_identifiers(:patient_id, :issuer)")
_KNOWN = text("""
    SELECT issuer FROM patients WHERE patient_id = :patient_id
    UNION SELECT issuer FROM patient_identities WHERE patient_id = :patient_id
    UNION SELECT issuer FROM orders WHERE patient_id = :patient_id ORDER BY issuer
""")
_STUDIES = text("""
    SELECT study.study_uid, study.state, named.of_another, coalesce(hold.reason, '') AS held_for,
           (SELECT count(*) FROM procrastinate_jobs AS job WHERE job.status IN ('todo', 'doing')
               AND (job.args ->> 'study_uid' = study.study_uid OR job.args ->> 'delivery_id' IN
                   (SELECT id::text FROM deliveries WHERE deliveries.study_uid = study.study_uid
                       AND NOT (deliveries.state = 'CANCELLED' AND job.status = 'todo')))) AS jobs,
           (SELECT count(*) FROM report_locks AS lock JOIN reports ON reports.id = lock.report_id
             WHERE reports.study_uid = study.study_uid AND lock.expires_at > :now) AS editors,
           (SELECT array_agg(DISTINCT deliveries.state) FROM deliveries
             WHERE deliveries.study_uid = study.study_uid) AS delivery_states,
           (SELECT count(*) FROM instances WHERE instances.study_uid = study.study_uid) AS instances,
           EXISTS (SELECT 1 FROM attestations JOIN reports ON reports.id = report_id
                    WHERE reports.study_uid = study.study_uid) AS is_signed
      FROM janus_studies_of(:patient_id, :issuer) AS named
      JOIN studies AS study ON study.study_uid = named.study_uid
      LEFT JOIN holds AS hold ON hold.study_uid = study.study_uid
     ORDER BY study.study_uid
""")
_HOLDS = text("""
    SELECT held.* FROM patient_holds AS held
      JOIN janus_identifiers(:patient_id, :issuer) AS person USING (patient_id, issuer)
""")
_ERASED_REPORTS = text("""
    SELECT reports.id FROM reports JOIN erasures ON reports.study_uid = ANY (erasures.study_uids)
     WHERE EXISTS (SELECT 1 FROM audit_log WHERE audit_log.event = 'patient erased'
                      AND audit_log.patient_ref = erasures.patient_ref)
""")
_ERASE = text(
    "SELECT janus_erase_patient(:patient_id, :issuer, :reference, :quarantined, :username, :reason, :now)"
)


class PatientData:
    """One patient's data as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def identifiers(self, patient: PatientKey) -> tuple[PatientKey, ...]:
        """Return the identifier, and those that the records have merged with it, in order."""
        rows = self._session.execute(_IDENTIFIERS, _key(patient))
        return tuple(sorted((PatientKey(*row) for row in rows), key=lambda key: (key.issuer, key.patient_id)))

    def issuers_of(self, patient_id: str) -> tuple[str, ...]:
        """Return the authorities under which images, records or orders know a PatientID."""
        return tuple(self._session.scalars(_KNOWN, {"patient_id": patient_id}))

    def studies(self, patient: PatientKey, *, now: datetime) -> tuple[StudyOfPatient, ...]:
        """Return the studies whose images or records name the patient, by UID."""
        rows = self._session.execute(_STUDIES, {**_key(patient), "now": now}).mappings()
        return tuple(_as_study(dict(row)) for row in rows)

    def holds(self, patient: PatientKey) -> tuple[PatientHold, ...]:
        """Return the holds on any identifier of the patient."""
        return tuple(_as_hold(row) for row in self._session.execute(_HOLDS, _key(patient)))

    def every_hold(self) -> tuple[PatientHold, ...]:
        """Return all holds on patients, oldest first."""
        rows = self._session.scalars(select(PatientHoldRow).order_by(PatientHoldRow.held_at))
        return tuple(_as_hold(row) for row in rows)

    def hold(self, patient: PatientKey, *, reason: str, username: str, now: datetime) -> None:
        """Hold a patient, or raise `Conflict` when this identifier is held already."""
        if any(hold.patient == patient for hold in self.holds(patient)):
            raise Conflict("this patient is held already: end that hold first")
        values = {"reason": reason, "username": username, "held_at": now}
        self._session.execute(insert(PatientHoldRow).values(**_key(patient), **values))

    def release(self, patient: PatientKey) -> None:
        """End a hold, or raise `NotFound`."""
        ended = delete(PatientHoldRow).filter_by(**_key(patient)).returning(PatientHoldRow.patient_id)
        if self._session.scalar(ended) is None:
            raise NotFound("there is no hold on this patient")

    def erased_reports(self) -> frozenset[int]:
        """Return the reports whose patient was erased, with an entry of the audit log that says so."""
        return frozenset(self._session.scalars(_ERASED_REPORTS))

    def rows(self, patient: PatientKey, references: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
        """Yield the rows of every table that are of the patient, as JSON values.

        Parameters
        ----------
        references
            Keyed hashes under which the patient stands in the audit log.
        """
        for table in ROWS_OF_PATIENT:
            values = _key(patient) | ({"references": list(references)} if table == "audit_log" else {})
            yield table, list(self._session.scalars(rows_of_patient(table), values))

    def erase(
        self,
        patient: PatientKey,
        *,
        reference: str,
        quarantined: Sequence[int],
        username: str,
        reason: str,
        now: datetime,
    ) -> int:
        """Erase the patient and return the number of the erasure; its audit entry was appended before.

        Raises
        ------
        Conflict
            If the database refuses: no audit entry, a hold, a study of another patient.
        """
        values = {"reference": reference, "quarantined": list(quarantined), "username": username}
        try:
            found = self._session.scalar(_ERASE, {**_key(patient), **values, "reason": reason, "now": now})
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", "") != "42501":
                raise
            raise Conflict("the database refused to erase the patient: something changed meanwhile") from None
        return int(found or 0)


def _key(patient: PatientKey) -> dict[str, Any]:
    return {"patient_id": patient.patient_id, "issuer": patient.issuer}


def _as_study(values: dict[str, Any]) -> StudyOfPatient:
    states = frozenset(values.pop("delivery_states") or ())
    return StudyOfPatient(**values | {"state": StudyState(values["state"]), "delivery_states": states})


def _as_hold(row: Any) -> PatientHold:
    return PatientHold(PatientKey(row.patient_id, row.issuer), row.reason, row.username, row.held_at)
