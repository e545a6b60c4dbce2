"""The outbox: deliveries of signed reports."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.domain.attestation import Attestation
from app.domain.delivery import Delivery, DeliveryState
from app.domain.errors import NotFound
from app.domain.identifiers import derived_uid
from app.domain.report import Report
from app.store.tables import DeliveryRow


class Deliveries:
    """Deliveries as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self, report: Report, attestation: Attestation, *, destination: str, kind: str, now: datetime
    ) -> Delivery:
        """Put a signed report into the outbox; the object's UID follows from what was signed and to whom."""
        row = DeliveryRow(
            report_id=report.report_id,
            attestation_id=attestation.attestation_id,
            study_uid=report.study_uid,
            destination=destination,
            kind=kind,
            sop_uid=derived_uid(kind, attestation.sha256, destination),
            state=DeliveryState.PENDING.value,
            attempts=0,
            reason="",
            created_at=now,
            sent_at=None,
        )
        self._session.add(row)
        self._session.flush()
        return _as_delivery(row)

    def get(self, delivery_id: int) -> Delivery:
        """Return the delivery, or raise `NotFound`."""
        return self._one(select(DeliveryRow).where(DeliveryRow.id == delivery_id), delivery_id)

    def lock(self, delivery_id: int) -> Delivery:
        """Return the delivery and hold its row until the transaction ends, or raise `NotFound`."""
        wanted = select(DeliveryRow).where(DeliveryRow.id == delivery_id)
        held = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
        return self._one(held, delivery_id)

    def of_report(self, report_id: int) -> tuple[Delivery, ...]:
        """Return the deliveries of a report, oldest first."""
        wanted = select(DeliveryRow).where(DeliveryRow.report_id == report_id).order_by(DeliveryRow.id)
        return tuple(_as_delivery(row) for row in self._session.scalars(wanted))

    def save(self, delivery: Delivery) -> None:
        """Write where the delivery stands."""
        row = self._session.get(DeliveryRow, delivery.delivery_id)
        if row is None:
            raise NotFound(f"there is no delivery {delivery.delivery_id}")
        row.state, row.attempts, row.reason = delivery.state.value, delivery.attempts, delivery.reason
        row.sent_at = delivery.sent_at
        self._session.flush()

    def _one(self, wanted: Select[DeliveryRow], delivery_id: int) -> Delivery:
        row = self._session.scalars(wanted).one_or_none()
        if row is None:
            raise NotFound(f"there is no delivery {delivery_id}")
        return _as_delivery(row)


def _as_delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        delivery_id=row.id,
        report_id=row.report_id,
        attestation_id=row.attestation_id,
        study_uid=row.study_uid,
        destination=row.destination,
        kind=row.kind,
        sop_uid=row.sop_uid,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        reason=row.reason,
        created_at=row.created_at,
        sent_at=row.sent_at,
    )
