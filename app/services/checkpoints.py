"""Checkpoints of the audit log: made when they are due, when the system stops, and at each export."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Actor
from app.domain.audit import AuditEntry, AuditEvent, AuditFact
from app.domain.checkpoint import Occasion, is_due
from app.domain.errors import AuditBroken
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


def newest_unstamped(store: Store, *, since: datetime) -> AuditEntry | None:
    """Return the newest checkpoint's entry when neither it nor anything since a time has a stamp."""
    with store.begin() as tx:
        last = tx.audit.last_checkpoint()
        stamped = tx.audit.last_stamp()
        if last is None or (stamped is not None and stamped.at > since):
            return None
        if stamped is not None and stamped.detail["number"] == last.number:
            return None
        return tx.audit.get(last.seq + 1)


def record_stamp(store: Store, actor: Actor, checkpoint: AuditEntry, token: str, *, now: datetime) -> None:
    """Keep a time stamp over a checkpoint's digest (RFC 3161, base64 of DER) as an entry of the log."""
    detail = {
        "number": checkpoint.detail["number"],
        "seq": checkpoint.seq,
        "digest": checkpoint.digest,
        "token": token,
    }
    with store.begin() as tx:
        tx.audit.append(AuditFact(AuditEvent.AUDIT_STAMPED, actor, now, detail=detail))


def stamps(store: Store) -> tuple[AuditEntry, ...]:
    """Return the entries of every stamp, oldest first, whose digest is that of the entry which they stamp."""
    with store.begin() as tx:
        found = tuple(tx.audit.stamps())
        for stamp in found:
            if tx.audit.get(int(stamp.detail["seq"])).digest != stamp.detail["digest"]:
                raise AuditBroken(f"the time stamp in entry {stamp.seq} is of another log")
    return found
