"""How well the audit log is proved now: what verified it, sealed it, stamped it, and took it away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.audit import AuditEntry, AuditEvent
from app.services.permission import permit
from app.store.engine import Store


@dataclass(frozen=True)
class ProofState:
    """The newest entry of each kind of proof, None where there was none.

    Attributes
    ----------
    head
        Number of the log's last entry.
    exported
        Of an export: what it took away shows later whether the log goes on from it.
    """

    head: int
    verified: AuditEntry | None
    sealed: AuditEntry | None
    stamped: AuditEntry | None
    exported: AuditEntry | None

    def since(self, entry: AuditEntry | None) -> int:
        """Return how many entries came after one; all of them for None."""
        return self.head - (entry.seq if entry is not None else 0)


def proof_state(store: Store, actor: Actor, *, now: datetime) -> ProofState:
    """Return how well the log is proved.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.VIEW_AUDIT, now=now)
    with store.begin() as tx:
        return ProofState(
            head=tx.audit.head()[0],
            verified=tx.audit.newest(AuditEvent.AUDIT_VERIFIED),
            sealed=tx.audit.newest(AuditEvent.AUDIT_CHECKPOINT),
            stamped=tx.audit.newest(AuditEvent.AUDIT_STAMPED),
            exported=tx.audit.newest(AuditEvent.AUDIT_EXPORTED),
        )
