"""Orders and the messages that brought them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.domain.machine import advance
from app.domain.order import ORDER_TRANSITIONS, Order, OrderContent, OrderState, OrderUpdate
from app.domain.study import Patient
from app.store.tables_orders import Hl7MessageRow, OrderRow

_PATIENT_COLUMNS = {"patient_id": "patient_id", "issuer": "issuer", "name": "patient_name"}


class Orders:
    """Orders as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take_turn(self, source: str) -> None:
        """Let the messages of one source have their effects one after the other: held until the end."""
        self._session.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(f"orders {source}", 0)))
        )

    def note_message(self, *, sender: str, control_id: str, sha256: str, now: datetime) -> bool:
        """Note that a message has its effect in this transaction; False when it had it before."""
        noted = insert(Hl7MessageRow).values(
            sender=sender, control_id=control_id, sha256=sha256, received_at=now
        )
        returned = self._session.execute(noted.on_conflict_do_nothing().returning(Hl7MessageRow.id))
        return returned.first() is not None

    def forget_messages(self, *, before: datetime) -> int:
        """Forget which messages had their effect before this time; return how many."""
        gone = delete(Hl7MessageRow).where(Hl7MessageRow.received_at < before).returning(Hl7MessageRow.id)
        return len(self._session.execute(gone).all())

    def put(self, source: str, update: OrderUpdate, *, now: datetime) -> Order:
        """Add an order, or change the one that bears the same number; the caller has taken its turn."""
        row = self._session.scalars(_same_order(source, update.content).limit(1)).one_or_none()
        if row is None:
            state = advance(ORDER_TRANSITIONS, OrderState.REQUESTED, update.command)
            row = OrderRow(source=source, received_at=now)
            order = Order(0, source, update.content, state, now, now)
        else:
            order = _as_order(row).update(update, now=now)
        _write(row, order)
        self._session.add(row)
        self._session.flush()
        return _as_order(row)

    def of_accession(self, accession_number: str) -> tuple[Order, ...]:
        """Return the orders that bear an accession number, the newest first; none for an empty number."""
        if not accession_number:
            return ()
        wanted = select(OrderRow).where(OrderRow.accession_number == accession_number)
        rows = self._session.scalars(
            wanted.order_by(OrderRow.updated_at.desc(), OrderRow.id.desc()).limit(50)
        )
        return tuple(_as_order(row) for row in rows)


def _same_order(source: str, content: OrderContent) -> Select[OrderRow]:
    same: list[ColumnElement[bool]] = []
    if content.filler_number:
        same.append(OrderRow.filler_number == content.filler_number)
    if content.placer_number:
        either = or_(OrderRow.filler_number == "", OrderRow.filler_number == content.filler_number)
        known = either if content.filler_number else OrderRow.placer_number != ""
        same.append(and_(OrderRow.placer_number == content.placer_number, known))
    if not same:
        same.append(
            and_(
                OrderRow.accession_number == content.accession_number,
                OrderRow.placer_number == "",
                OrderRow.filler_number == "",
            )
        )
    wanted = select(OrderRow).where(OrderRow.source == source, or_(*same))
    return wanted.order_by(OrderRow.id)


def _write(row: OrderRow, order: Order) -> None:
    content = order.content
    for name in vars(content):
        if name != "patient":
            setattr(row, name, getattr(content, name))
    for name, value in vars(content.patient).items():
        setattr(row, _PATIENT_COLUMNS.get(name, name), value)
    row.state, row.updated_at = order.state.value, order.updated_at


def _as_order(row: OrderRow) -> Order:
    return Order(
        order_id=row.id,
        source=row.source,
        content=OrderContent(
            placer_number=row.placer_number,
            filler_number=row.filler_number,
            accession_number=row.accession_number,
            patient=Patient(row.patient_id, row.issuer, row.patient_name, row.birth_date, row.sex),
            procedure_code=row.procedure_code,
            procedure=row.procedure,
            scheduled_step=row.scheduled_step,
            indication=row.indication,
            priority=row.priority,
            requesting_physician=row.requesting_physician,
            pregnancy=row.pregnancy,
            allergies=row.allergies,
        ),
        state=OrderState(row.state),
        received_at=row.received_at,
        updated_at=row.updated_at,
    )
