"""Storage commitment requests of deliveries."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.commitment import Commitment, CommitmentState, SentObjects
from app.domain.delivery import DeliveryState
from app.domain.errors import NotFound
from app.store.tables import DeliveryRow
from app.store.tables_commitment import CommitmentRow


class Commitments:
    """Requests as part of one unit of work; whoever changes one holds the row of its delivery."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self, delivery_id: int, transaction_uid: str, objects: SentObjects, *, now: datetime
    ) -> Commitment:
        """Store a request that has not been sent."""
        row = CommitmentRow(
            delivery_id=delivery_id,
            transaction_uid=transaction_uid,
            sop_class_uid=objects.sop_class_uid,
            objects=objects.count,
            state=CommitmentState.PENDING.value,
            reason="",
            made_at=now,
            asked_at=None,
            answered_at=None,
        )
        self._session.add(row)
        self._session.flush()
        return _as_commitment(row)

    def delivery_of(self, transaction_uid: str) -> int | None:
        """Return the delivery that a transaction is about, None when there is no such transaction."""
        wanted = select(CommitmentRow.delivery_id).where(CommitmentRow.transaction_uid == transaction_uid)
        return self._session.scalar(wanted)

    def of_delivery(self, delivery_id: int) -> tuple[Commitment, ...]:
        """Return the requests of a delivery as they stand now, oldest first."""
        wanted = (
            select(CommitmentRow)
            .where(CommitmentRow.delivery_id == delivery_id)
            .order_by(CommitmentRow.id)
            .execution_options(populate_existing=True)
        )
        return tuple(_as_commitment(row) for row in self._session.scalars(wanted))

    def in_state(self, delivery_id: int, states: Collection[CommitmentState]) -> tuple[Commitment, ...]:
        """Return the requests of a delivery in some states, oldest first."""
        return tuple(one for one in self.of_delivery(delivery_id) if one.state in states)

    def overdue(self, *, asked_before: datetime, limit: int) -> list[int]:
        """Return sent deliveries whose receiver has not answered a request from before a time."""
        wanted = (
            select(CommitmentRow.delivery_id)
            .join(DeliveryRow, DeliveryRow.id == CommitmentRow.delivery_id)
            .where(
                CommitmentRow.state == CommitmentState.ASKED.value,
                CommitmentRow.asked_at < asked_before,
                DeliveryRow.state == DeliveryState.SENT.value,
            )
            .distinct()
            .order_by(CommitmentRow.delivery_id)
            .limit(limit)
        )
        return list(self._session.scalars(wanted))

    def save(self, commitment: Commitment) -> None:
        """Write where the request stands."""
        row = self._session.get(CommitmentRow, commitment.commitment_id)
        if row is None:
            raise NotFound(f"there is no commitment request {commitment.commitment_id}")
        row.state, row.reason = commitment.state.value, commitment.reason
        row.asked_at, row.answered_at = commitment.asked_at, commitment.answered_at
        self._session.flush()


def _as_commitment(row: CommitmentRow) -> Commitment:
    return Commitment(
        commitment_id=row.id,
        delivery_id=row.delivery_id,
        transaction_uid=row.transaction_uid,
        objects=SentObjects(row.sop_class_uid, row.objects),
        state=CommitmentState(row.state),
        reason=row.reason,
        made_at=row.made_at,
        asked_at=row.asked_at,
        answered_at=row.answered_at,
    )
