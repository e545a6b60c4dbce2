"""What the audit log says of backups and restores, and how far a restored log reaches."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Actor
from app.domain.audit import AuditEvent, AuditFact, AuditFilter, verify_chain
from app.domain.errors import AuditBroken
from app.store.engine import Store


def note_backup(store: Store, actor: Actor, *, with_keys: bool, now: datetime) -> tuple[int, str]:
    """Record that everything is taken away in a backup; return the head of the log, which the backup has."""
    with store.begin() as tx:
        entry = tx.audit.append(
            AuditFact(AuditEvent.BACKUP_MADE, actor, now, detail={"with_keys": with_keys})
        )
        return entry.seq, entry.digest


def note_restored(store: Store, actor: Actor, head: tuple[int, str], *, now: datetime) -> int:
    """Verify a restored audit log, and record the restore in it; return how many entries it had.

    Parameters
    ----------
    head
        Number and digest of an entry that the log must have, from the backup's manifest.

    Raises
    ------
    AuditBroken
        If the chain does not verify, or does not reach the manifest's head.
    """
    with store.begin(snapshot=True) as tx:
        entries = list(tx.audit.stream(AuditFilter(), up_to_seq=head[0]))
        count, _ = verify_chain(tx.audit.stream(AuditFilter()), head=tx.audit.head())
    if (entries[-1].seq, entries[-1].digest) != head if entries else head[0] > 0:
        raise AuditBroken(f"the restored log does not have entry {head[0]} of the backup's manifest")
    with store.begin() as tx:
        tx.audit.append(AuditFact(AuditEvent.BACKUP_RESTORED, actor, now, detail={"entries": count}))
    return count
