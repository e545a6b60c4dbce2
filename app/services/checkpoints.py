"""Checkpoints of the audit log: made when they are due, when the system stops, and at each export."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Actor
from app.domain.audit import AuditEntry
from app.domain.checkpoint import Occasion, is_due
from app.store.engine import Store


def checkpoint_when_due(store: Store, actor: Actor, *, every: int, now: datetime) -> AuditEntry | None:
    """Make a checkpoint after so many entries, or after an hour with any; None when none is due.

    Parameters
    ----------
    every
        Entries after which one is due, whatever the time.
    """
    with store.begin() as tx:
        occasion = is_due(tx.audit.last_checkpoint(), tx.audit.head()[0], every=every, now=now)
        return None if occasion is None else tx.audit.seal_head(occasion, actor, now=now)


def checkpoint_now(store: Store, actor: Actor, occasion: Occasion, *, now: datetime) -> AuditEntry | None:
    """Make a checkpoint unless nothing has happened since the last one."""
    with store.begin() as tx:
        last, head = tx.audit.last_checkpoint(), tx.audit.head()[0]
        if head == 0 or (last is not None and head == last.seq + 1):
            return None
        return tx.audit.seal_head(occasion, actor, now=now)
