"""Studies, their patients and instances, and what was put into quarantine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.audit import AuditEvent
from app.domain.errors import Conflict, NotFound
from app.domain.identifiers import is_uid
from app.domain.intake import ReceivedInstance
from app.domain.report import ReportState
from app.domain.study import Instance, Study, StudyState
from app.domain.study_access import Reader
from app.domain.worklist import WorklistPage, WorklistQuery
from app.store.patients import patient_row
from app.store.study_access import unrouted_prior
from app.store.study_rows import StudySelect, as_instance, as_study, locked, select_study
from app.store.tables import AuditRow, InstanceRow, QuarantineRow, StudyRow
from app.store.worklist import select_candidates, select_page


class Studies:
    """Studies as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, study_uid: str) -> Study:
        """Return the study, or raise `NotFound`."""
        return self._one(select_study().where(StudyRow.study_uid == study_uid), study_uid)

    def lock(self, study_uid: str) -> Study:
        """Return the study and hold its row until the transaction ends, or raise `NotFound`."""
        return self._one(locked(select_study().where(StudyRow.study_uid == study_uid)), study_uid)

    def lock_existing(self, study_uids: Sequence[str]) -> dict[str, Study]:
        """Return those of the studies that exist, by UID, and hold their rows.

        Always in the order of the UIDs, so that two batches never wait for each other in a circle.
        """
        wanted = select_study().where(StudyRow.study_uid.in_(study_uids)).order_by(StudyRow.study_uid)
        rows = self._session.execute(locked(wanted)).all()
        return {row[0].study_uid: as_study(*row) for row in rows}

    def of_accession(self, accession_number: str) -> tuple[str, ...]:
        """Return the UIDs of the studies that bear an accession number, in order."""
        wanted = select(StudyRow.study_uid).where(StudyRow.accession_number == accession_number)
        return tuple(self._session.scalars(wanted.order_by(StudyRow.study_uid)))

    def receiving(self) -> tuple[Study, ...]:
        """Return the studies that images still arrive for, the one that waits longest first."""
        wanted = select_study().where(StudyRow.state == StudyState.RECEIVING.value)
        rows = self._session.execute(wanted.order_by(StudyRow.last_instance_at, StudyRow.study_uid))
        return tuple(as_study(*row) for row in rows)

    def unrouted_priors(self) -> tuple[Study, ...]:
        """Return fetched priors that no routing rule was asked about."""
        rows = self._session.execute(select_study().where(unrouted_prior()).order_by(StudyRow.study_uid))
        return tuple(as_study(*row) for row in rows)

    def waiting_for_draft(self, *, completed_before: datetime) -> tuple[str, ...]:
        """Return the UIDs of complete studies without a draft, completed before this time."""
        wanted = select(StudyRow.study_uid).where(
            StudyRow.state == StudyState.COMPLETE.value, StudyRow.completed_at < completed_before
        )
        return tuple(self._session.scalars(wanted.order_by(StudyRow.completed_at)))

    def undrafted_because(self, reason: str) -> tuple[Study, ...]:
        """Return the studies that have no draft for exactly this reason, the most urgent first."""
        wanted = select_study().where(StudyRow.state == StudyState.UNDRAFTED.value, StudyRow.reason == reason)
        rows = self._session.execute(wanted.order_by(StudyRow.priority.desc(), StudyRow.completed_at))
        return tuple(as_study(*row) for row in rows)

    def add(self, received: ReceivedInstance, *, reference: str, now: datetime) -> bool:
        """Add the study that the instance belongs to, without the instance.

        Parameters
        ----------
        reference
            The patient's keyed hash for the audit log.

        Returns
        -------
        bool
            False when another transaction added the study in the meantime.
        """
        added = insert(StudyRow).values(
            study_uid=received.study_uid,
            patient_row_id=patient_row(self._session, received.patient, reference),
            accession_number=received.accession_number,
            study_id=received.study_id,
            study_date=received.study_date,
            study_time=received.study_time,
            description=received.description,
            referring_physician=received.referring_physician,
            modality=received.modality,
            body_part=received.body_part,
            state=StudyState.RECEIVING.value,
            reason="",
            revision=1,
            priority=received.priority.rank,
            priority_reason=received.priority.reason,
            calling_ae=received.calling_ae,
            called_ae=received.called_ae,
            received_at=received.received_at,
            last_instance_at=now,
        )
        returned = self._session.execute(added.on_conflict_do_nothing().returning(StudyRow.study_uid))
        return returned.first() is not None

    def save(self, study: Study) -> None:
        """Write what changes in the life of a study: state, revision, priority, modality, counts, times."""
        row = self._session.get(StudyRow, study.study_uid)
        if row is None:
            raise NotFound(f"there is no study {study.study_uid}")
        row.state, row.reason, row.revision = study.state.value, study.reason, study.revision
        row.priority, row.priority_reason = study.priority, study.priority_reason
        row.modality, row.body_part = study.modality, study.body_part
        row.routing = None if study.routing is None else study.routing.to_json()
        row.expected_count = study.expected_count
        row.last_instance_at, row.completed_at = study.last_instance_at, study.completed_at
        self._session.flush()

    def known_digests(self, sop_uids: Sequence[str]) -> dict[str, str]:
        """Return the SHA-256 of those instances that are known, by SOP Instance UID."""
        wanted = select(InstanceRow.sop_uid, InstanceRow.sha256).where(InstanceRow.sop_uid.in_(sop_uids))
        return {row.sop_uid: row.sha256 for row in self._session.execute(wanted)}

    def add_instances(self, received: Sequence[tuple[ReceivedInstance, int]]) -> None:
        """Add instances to the revisions of their studies, all in one statement.

        Raises
        ------
        Conflict
            If another transaction has added one of them since the digests were read: roll back.
        """
        if not received:
            return
        added = insert(InstanceRow).on_conflict_do_nothing().returning(InstanceRow.sop_uid)
        rows = [_instance_values(instance, revision) for instance, revision in received]
        if len(self._session.execute(added, rows).all()) < len(rows):
            raise Conflict("an instance of the batch was added by another process at the same moment")

    def instances(self, study_uid: str, *, up_to_revision: int) -> tuple[Instance, ...]:
        """Return the instances that a revision is made of, by series and instance number."""
        wanted = select(InstanceRow).where(
            InstanceRow.study_uid == study_uid, InstanceRow.revision <= up_to_revision
        )
        ordered = wanted.order_by(InstanceRow.series_uid, InstanceRow.instance_number, InstanceRow.sop_uid)
        return tuple(as_instance(row) for row in self._session.scalars(ordered))

    def sides_of_images(self, study_uid: str) -> frozenset[str]:
        """Return what the images of a study name as their side, as `named_side` has it.

        Empty for an image that names none, or that came before the side was kept.
        """
        wanted = select(InstanceRow.laterality).where(
            InstanceRow.study_uid == study_uid, InstanceRow.rows > 0, InstanceRow.columns > 0
        )
        return frozenset(self._session.scalars(wanted.distinct()))

    def instance(self, sop_uid: str) -> Instance:
        """Return the instance, or raise `NotFound`."""
        row = self._session.get(InstanceRow, sop_uid) if is_uid(sop_uid) else None
        if row is None:
            raise NotFound(f"there is no instance {sop_uid[:64]!r}")
        return as_instance(row)

    def quarantine(
        self, *, sop_uid: str, study_uid: str, sha256: str, reason: str, calling_ae: str, now: datetime
    ) -> bool:
        """Note an instance that no study could take; False when the same bytes were noted before."""
        added = insert(QuarantineRow).values(
            sop_uid=sop_uid,
            study_uid=study_uid,
            sha256=sha256,
            reason=reason,
            calling_ae=calling_ae,
            received_at=now,
        )
        returned = self._session.execute(added.on_conflict_do_nothing().returning(QuarantineRow.id))
        return returned.first() is not None

    def worklist(self, query: WorklistQuery, *, reader: Reader | None, now: datetime) -> WorklistPage:
        """Return one page of the worklist: what the reader may open, or everything without one."""
        return select_page(self._session, query, reader=reader, now=now)

    def candidates(
        self,
        query: WorklistQuery,
        *,
        reader: Reader | None,
        states: Collection[ReportState],
        passed: Collection[str],
        after: str,
        limit: int,
        now: datetime,
    ) -> tuple[str, ...]:
        """Return the next studies of a list that wait for a reader; see `select_candidates`."""
        return select_candidates(
            self._session,
            query,
            reader=reader,
            states=states,
            passed=passed,
            after=after,
            limit=limit,
            now=now,
        )

    def was_listed(self, username: str, *, since: datetime) -> bool:
        """Tell whether the worklist was shown to this person, on record, since this time."""
        shown = select(AuditRow.seq).where(
            AuditRow.event == AuditEvent.LIST_STUDIES.value,
            AuditRow.username == username,
            AuditRow.at >= since,
        )
        return self._session.scalars(shown.limit(1)).one_or_none() is not None

    def _one(self, wanted: StudySelect, study_uid: str) -> Study:
        row = self._session.execute(wanted).one_or_none() if is_uid(study_uid) else None
        if row is None:
            raise NotFound(f"there is no study {study_uid[:64]!r}")
        return as_study(*row)


def _instance_values(received: ReceivedInstance, revision: int) -> dict[str, Any]:
    return {
        "sop_uid": received.sop_uid,
        "study_uid": received.study_uid,
        "series_uid": received.series_uid,
        "sop_class_uid": received.sop_class_uid,
        "transfer_syntax_uid": received.transfer_syntax_uid,
        "modality": received.modality,
        "series_number": received.series_number,
        "instance_number": received.instance_number,
        "rows": received.rows,
        "columns": received.columns,
        "sha256": received.sha256,
        "size": received.size,
        "revision": revision,
        "received_at": received.received_at,
        "laterality": received.laterality,
    }
