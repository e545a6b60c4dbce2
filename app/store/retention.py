"""What retention asks of the database and writes into it: standings, purged instances, holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.errors import NotFound
from app.domain.report import ReportState
from app.domain.retention import SELF_TEST_TITLE, PurgedInstance, StudyStanding
from app.domain.study import StudyState
from app.store.tables import InstanceRow
from app.store.tables_operations import HoldRow, PurgedInstanceRow

_STANDINGS = text("""
    WITH held AS (
        SELECT patients.id, min(hold.reason) AS reason FROM patient_holds AS hold
          CROSS JOIN LATERAL janus_identifiers(hold.patient_id, hold.issuer) AS person
          JOIN patients ON patients.patient_id = person.patient_id AND patients.issuer = person.issuer
         GROUP BY patients.id
    )
    SELECT study.study_uid, study.state, study.revision, newest.state AS report_state,
           newest.revision AS report_revision,
           (SELECT count(*) FROM reports WHERE reports.study_uid = study.study_uid
               AND reports.state IN ('IN_REVIEW', 'PRELIMINARY', 'DRAFTED')) AS open_reports,
           (SELECT array_agg(DISTINCT deliveries.state) FROM deliveries
             WHERE deliveries.study_uid = study.study_uid) AS delivery_states,
           (SELECT count(*) FROM procrastinate_jobs AS job
             WHERE job.status IN ('todo', 'doing')
               AND (job.args ->> 'study_uid' = study.study_uid
                    OR job.args ->> 'delivery_id' IN
                       (SELECT id::text FROM deliveries WHERE deliveries.study_uid = study.study_uid))
           ) AS jobs,
           here.instances, here.size,
           greatest(study.last_instance_at,
                    (SELECT max(signed_at) FROM attestations JOIN reports ON reports.id = report_id
                      WHERE reports.study_uid = study.study_uid),
                    (SELECT max(sent_at) FROM deliveries WHERE deliveries.study_uid = study.study_uid),
                    (SELECT max(restored_at) FROM purged_instances
                      WHERE purged_instances.study_uid = study.study_uid),
                    here.last_received_at) AS last_act_at,
           coalesce(hold.reason, of_patient.reason, '') AS held_for
      FROM studies AS study
      JOIN LATERAL (SELECT count(*) AS instances, coalesce(sum(size), 0) AS size,
                           max(instance.received_at) AS last_received_at
                      FROM instances AS instance
                     WHERE instance.study_uid = study.study_uid
                       AND NOT EXISTS (SELECT 1 FROM purged_instances AS purged
                                        WHERE purged.sop_uid = instance.sop_uid
                                          AND purged.restored_at IS NULL)) AS here ON here.instances > 0
      LEFT JOIN LATERAL (SELECT state, revision FROM reports WHERE reports.study_uid = study.study_uid
                          ORDER BY revision DESC LIMIT 1) AS newest ON true
      LEFT JOIN holds AS hold ON hold.study_uid = study.study_uid
      LEFT JOIN study_patients AS corrected ON corrected.study_uid = study.study_uid
      LEFT JOIN LATERAL (
          SELECT reason FROM held WHERE held.id IN (study.patient_row_id, corrected.patient_row_id) LIMIT 1
      ) AS of_patient ON true
     WHERE study.calling_ae <> :self_test AND study.study_uid > :after
     ORDER BY study.study_uid
     LIMIT :limit
""")
_ONE = text(_STANDINGS.text.replace("study.study_uid > :after", "study.study_uid = :after"))
_PURGE = text("""
    INSERT INTO purged_instances (sop_uid, study_uid, sha256, size, purged_at)
    SELECT sop_uid, study_uid, sha256, size, :now FROM instances WHERE study_uid = :study_uid
        ON CONFLICT (sop_uid) DO UPDATE SET purged_at = :now, removed_at = NULL, restored_at = NULL
                 WHERE purged_instances.restored_at IS NOT NULL
    RETURNING size
""")
_FORGET_SELF_TEST = text("SELECT janus_forget_self_test(:study_uid)")
_FORGET_JOBS = text("SELECT janus_forget_jobs(:before)")
_SELF_TESTS = text("SELECT study_uid FROM studies WHERE calling_ae = :title AND received_at < :before")


class Retention:
    """Retention as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def standings(self, *, after: str = "", limit: int = 500) -> tuple[StudyStanding, ...]:
        """Return the studies that have bytes here, by UID, after this one."""
        values = {"after": after, "limit": limit, "self_test": SELF_TEST_TITLE}
        return tuple(_as_standing(row) for row in self._session.execute(_STANDINGS, values))

    def standing(self, study_uid: str) -> StudyStanding | None:
        """Return one study as it stands now; None when nothing of it is here."""
        values = {"after": study_uid, "limit": 1, "self_test": SELF_TEST_TITLE}
        row = self._session.execute(_ONE, values).one_or_none()
        return None if row is None else _as_standing(row)

    def purge(self, study_uid: str, *, now: datetime) -> tuple[int, int]:
        """Mark every instance of a study as purged; return how many, and their bytes."""
        sizes = self._session.scalars(_PURGE, {"study_uid": study_uid, "now": now}).all()
        return len(sizes), sum(sizes)

    def to_remove(self, *, limit: int = 500) -> tuple[PurgedInstance, ...]:
        """Return purged instances whose bytes may still lie in the spool, oldest first."""
        wanted = select(PurgedInstanceRow).where(
            PurgedInstanceRow.removed_at.is_(None), PurgedInstanceRow.restored_at.is_(None)
        )
        rows = self._session.scalars(
            wanted.order_by(PurgedInstanceRow.purged_at, PurgedInstanceRow.sop_uid).limit(limit)
        )
        return tuple(
            PurgedInstance(row.sop_uid, row.study_uid, row.sha256, row.size, row.purged_at) for row in rows
        )

    def note_removed(self, sop_uid: str, *, now: datetime) -> None:
        """Note that the bytes are gone from the spool."""
        gone = update(PurgedInstanceRow).where(PurgedInstanceRow.sop_uid == sop_uid)
        self._session.execute(gone.values(removed_at=now))

    def restore(self, sop_uids: Sequence[str], *, now: datetime) -> int:
        """Note that instances are here again; return how many of them had been purged."""
        back = update(PurgedInstanceRow).where(
            PurgedInstanceRow.sop_uid.in_(sop_uids), PurgedInstanceRow.restored_at.is_(None)
        )
        noted = back.values(restored_at=now).returning(PurgedInstanceRow.sop_uid)
        return len(self._session.scalars(noted).all())

    def is_known(self, sop_uid: str) -> bool:
        """Tell whether an instance still is one of a study; those of an erased patient are not."""
        return self._session.get(InstanceRow, sop_uid) is not None

    def renew(self, sop_uid: str, *, now: datetime) -> None:
        """Give an instance up anew."""
        again = update(PurgedInstanceRow).where(PurgedInstanceRow.sop_uid == sop_uid)
        self._session.execute(again.values(purged_at=now))

    def hold(self, study_uid: str, *, reason: str, username: str, now: datetime) -> None:
        """Keep a study whatever the policy says; a second hold replaces the first."""
        values: dict[str, Any] = {"reason": reason, "username": username, "held_at": now}
        held = insert(HoldRow).values(study_uid=study_uid, **values)
        self._session.execute(held.on_conflict_do_update(index_elements=[HoldRow.study_uid], set_=values))

    def release(self, study_uid: str) -> None:
        """End a hold, or raise `NotFound`."""
        ended = delete(HoldRow).where(HoldRow.study_uid == study_uid).returning(HoldRow.study_uid)
        if self._session.scalar(ended) is None:
            raise NotFound("there is no hold on this study")

    def self_tests(self, *, before: datetime) -> tuple[str, ...]:
        """Return the UIDs of self-test studies that were received before this time."""
        return tuple(self._session.scalars(_SELF_TESTS, {"title": SELF_TEST_TITLE, "before": before}))

    def forget_self_test(self, study_uid: str) -> bool:
        """Delete a study of the self-test; False when it is none."""
        return bool(self._session.scalar(_FORGET_SELF_TEST, {"study_uid": study_uid}))

    def forget_jobs(self, *, before: datetime) -> int:
        """Delete jobs that ended before this time and wait for nobody; return how many."""
        return int(self._session.scalar(_FORGET_JOBS, {"before": before}) or 0)


def _as_standing(row: Any) -> StudyStanding:
    return StudyStanding(
        study_uid=row.study_uid,
        state=StudyState(row.state),
        revision=row.revision,
        report_state=ReportState(row.report_state) if row.report_state else None,
        report_revision=row.report_revision,
        open_reports=row.open_reports,
        delivery_states=frozenset(row.delivery_states or ()),
        jobs=row.jobs,
        instances=row.instances,
        size=int(row.size),
        last_act_at=row.last_act_at,
        held_for=row.held_for,
    )
