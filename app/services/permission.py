"""The gate in front of every use case: who may not act is turned away, and the attempt is recorded."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Action, Actor, require
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.domain.errors import NotAuthorised
from app.store.engine import Store


def permit(store: Store, actor: Actor, action: Action, *, now: datetime, study_uid: str = "") -> None:
    """Let the actor pass when the role allows the action.

    Raises
    ------
    NotAuthorised
        Otherwise; the attempt stands in the audit log, committed on its own.
    """
    try:
        require(actor, action)
    except NotAuthorised:
        record_denial(store, actor, action.value, now=now, study_uid=study_uid)
        raise


def record_denial(store: Store, actor: Actor, act: str, *, now: datetime, study_uid: str = "") -> None:
    """Record a refused act in a transaction of its own, so that it stays although the act failed."""
    with store.begin() as tx:
        tx.audit.append(
            AuditFact(
                event=AuditEvent.ACCESS_DENIED,
                actor=actor,
                at=now,
                outcome=Outcome.FAILURE,
                study_uid=study_uid,
                detail={"action": act},
            )
        )
