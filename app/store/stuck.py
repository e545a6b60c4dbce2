"""The lists of operations: what is in quarantine, not delivered, not drafted, not complete; page by page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.errors import Conflict, NotFound
from app.domain.operations import Page, QuarantineDecision, QuarantineEntry, StudyLine, WaitingDelivery
from app.domain.patient_data import ERASED
from app.domain.retention import SELF_TEST_TITLE
from app.domain.study import StudyState
from app.store.study_rows import count_instances
from app.store.tables import DeliveryRow, QuarantineRow, StudyRow
from app.store.tables_operations import AlertAcknowledgementRow, QuarantineDecisionRow

_UNDONE = ("PENDING", "FAILED", "DEAD")


class Stuck:
    """What does not go on by itself, as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def quarantine(self, *, undecided_only: bool, limit: int, offset: int) -> Page[QuarantineEntry]:
        """Return instances in quarantine, newest first."""
        wanted = _quarantine()
        if undecided_only:
            wanted = wanted.where(_is_undecided())
        rows = self._page(wanted.order_by(QuarantineRow.id.desc()), limit, offset)
        return Page(tuple(_as_entry(row) for row in rows), self._count(wanted))

    def undecided(self) -> int:
        """Return how many instances in quarantine wait for a decision."""
        return self._count(_quarantine().where(_is_undecided()))

    def quarantine_entry(self, quarantine_id: int) -> QuarantineEntry:
        """Return one instance in quarantine, or raise `NotFound`."""
        row = self._session.execute(_quarantine().where(QuarantineRow.id == quarantine_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no quarantined instance {quarantine_id}")
        return _as_entry(row)

    def decide(
        self,
        quarantine_id: int,
        decision: QuarantineDecision,
        *,
        reason: str,
        username: str,
        now: datetime,
    ) -> None:
        """Note what a person decided.

        Raises
        ------
        Conflict
            If somebody decided already, and that stands.
        """
        values: dict[str, Any] = {
            "decision": decision.value,
            "reason": reason,
            "username": username,
            "decided_at": now,
            "done_at": None,
            "outcome": "",
        }
        added = insert(QuarantineDecisionRow).values(quarantine_id=quarantine_id, **values)
        # a release that came to nothing leaves the instance to a new decision
        again = QuarantineDecisionRow.outcome.startswith("refused")
        keys = [QuarantineDecisionRow.quarantine_id]
        noted = added.on_conflict_do_update(index_elements=keys, set_=values, where=again)
        if self._session.scalar(noted.returning(QuarantineDecisionRow.quarantine_id)) is None:
            raise Conflict("somebody has decided about this instance already")

    def releases(self, *, limit: int = 50) -> tuple[QuarantineEntry, ...]:
        """Return what is to be handed to intake again, oldest decision first."""
        wanted = _quarantine().where(
            QuarantineDecisionRow.decision == QuarantineDecision.RELEASE.value,
            QuarantineDecisionRow.done_at.is_(None),
        )
        rows = self._session.execute(wanted.order_by(QuarantineDecisionRow.decided_at).limit(limit))
        return tuple(_as_entry(row) for row in rows)

    def note_release(self, quarantine_id: int, outcome: str, *, now: datetime) -> None:
        """Note what a release came to."""
        row = self._session.get_one(QuarantineDecisionRow, quarantine_id, with_for_update=True)
        row.done_at, row.outcome = now, outcome
        self._session.flush()

    def quarantine_to_remove(self, *, decided_before: datetime | None) -> tuple[QuarantineEntry, ...]:
        """Return decided instances whose bytes go now: by the policy's time, and those of erased patients."""
        is_over = (QuarantineDecisionRow.decision == QuarantineDecision.DISCARD.value) | (
            QuarantineDecisionRow.outcome.startswith("taken")
        )
        is_due = QuarantineDecisionRow.reason == ERASED
        if decided_before is not None:
            is_due |= is_over & (QuarantineDecisionRow.decided_at < decided_before)
        wanted = _quarantine().where(is_due, QuarantineDecisionRow.removed_at.is_(None))
        return tuple(_as_entry(row) for row in self._session.execute(wanted.limit(200)))

    def note_quarantine_removed(self, quarantine_id: int, *, now: datetime) -> None:
        """Note that the retention policy gave up the bytes."""
        self._session.get_one(QuarantineDecisionRow, quarantine_id).removed_at = now
        self._session.flush()

    def deliveries(self, *, limit: int, offset: int) -> Page[WaitingDelivery]:
        """Return deliveries that are not done, the oldest first."""
        wanted = select(DeliveryRow).where(DeliveryRow.state.in_(_UNDONE))
        rows = self._session.scalars(wanted.order_by(DeliveryRow.id).limit(limit).offset(offset)).all()
        next_attempts = self._next_attempts([row.id for row in rows])
        lines = tuple(
            WaitingDelivery(
                row.id,
                row.study_uid,
                row.destination,
                row.kind,
                row.state,
                row.attempts,
                row.reason,
                row.created_at,
                next_attempts.get(row.id),
            )
            for row in rows
        )
        return Page(lines, self._count(wanted))

    def studies(self, state: StudyState, *, before: datetime, limit: int, offset: int) -> Page[StudyLine]:
        """Return studies that have been in a state since before a time, the oldest first."""
        since = StudyRow.last_instance_at
        wanted = select(StudyRow, count_instances().label("instances")).where(
            StudyRow.state == state.value, since < before, StudyRow.calling_ae != SELF_TEST_TITLE
        )
        rows = self._page(wanted.order_by(since, StudyRow.study_uid), limit, offset)
        return Page(tuple(_as_line(row) for row in rows), self._count(wanted))

    def acknowledge(self, alert_id: int, *, username: str, now: datetime) -> bool:
        """Note who has seen an alert; False when somebody had before."""
        seen = insert(AlertAcknowledgementRow).values(
            alert_id=alert_id, username=username, acknowledged_at=now
        )
        noted = seen.on_conflict_do_nothing().returning(AlertAcknowledgementRow.alert_id)
        return self._session.scalar(noted) is not None

    def acknowledged(self) -> dict[int, str]:
        """Return who has seen which alert."""
        return {row.alert_id: row.username for row in self._session.scalars(select(AlertAcknowledgementRow))}

    def _next_attempts(self, delivery_ids: list[int]) -> dict[int, datetime]:
        wanted = text("""
            SELECT (args ->> 'delivery_id')::int, min(coalesce(scheduled_at, now()))
              FROM procrastinate_jobs
             WHERE status IN ('todo', 'doing') AND args ->> 'delivery_id' = ANY(:ids)
             GROUP BY 1
        """)
        rows = self._session.execute(wanted, {"ids": [str(number) for number in delivery_ids]})
        return {row[0]: row[1] for row in rows}

    def _page(self, wanted: Select[*tuple[Any, ...]], limit: int, offset: int) -> list[Any]:
        return list(self._session.execute(wanted.limit(limit).offset(offset)).all())

    def _count(self, wanted: Select[*tuple[Any, ...]]) -> int:
        return self._session.scalars(select(func.count()).select_from(wanted.order_by(None).subquery())).one()


def _is_undecided() -> ColumnElement[bool]:
    none = QuarantineDecisionRow.quarantine_id.is_(None)
    return none | QuarantineDecisionRow.outcome.startswith("refused")


def _quarantine() -> Select[*tuple[Any, ...]]:
    return select(
        QuarantineRow.id.label("quarantine_id"),
        QuarantineRow.sop_uid,
        QuarantineRow.study_uid,
        QuarantineRow.sha256,
        QuarantineRow.reason,
        QuarantineRow.calling_ae,
        QuarantineRow.received_at,
        func.coalesce(QuarantineDecisionRow.decision, "").label("decision"),
        func.coalesce(QuarantineDecisionRow.username, "").label("decided_by"),
        func.coalesce(QuarantineDecisionRow.outcome, "").label("outcome"),
    ).outerjoin(QuarantineDecisionRow, QuarantineDecisionRow.quarantine_id == QuarantineRow.id)


def _as_entry(row: Any) -> QuarantineEntry:
    return QuarantineEntry(**row._asdict())


def _as_line(row: Any) -> StudyLine:
    study: StudyRow = row.StudyRow
    return StudyLine(
        study.study_uid,
        study.accession_number,
        study.modality,
        study.calling_ae,
        study.reason,
        study.last_instance_at,
        row.instances,
    )
