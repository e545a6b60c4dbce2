"""What is recorded about messages themselves: refused senders, and which messages need not be remembered."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.access import Actor
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.store.engine import Store

REMEMBERED = timedelta(days=90)


def record_refused_message(store: Store, actor: Actor, *, source: str, reason: str, now: datetime) -> None:
    """Note that somebody who may not send HL7 was turned away, or that a message cannot be taken."""
    with store.begin() as tx:
        tx.audit.append(
            AuditFact(
                event=AuditEvent.MESSAGE_REFUSED,
                actor=replace(actor, source=source),
                at=now,
                outcome=Outcome.FAILURE,
                detail={"reason": reason},
            )
        )


def forget_messages(store: Store, *, now: datetime) -> int:
    """Forget which messages had their effect long ago: a sender that repeats does so within hours."""
    with store.begin() as tx:
        return tx.orders.forget_messages(before=now - REMEMBERED)
