"""Instances in quarantine: seen, downloaded, handed to intake again, or discarded with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from app.domain.access import Action, Actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.operations import Page, QuarantineDecision, QuarantineEntry
from app.services.permission import permit
from app.services.retention import require_reason
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

_AT_ONCE = 500
_EVENTS = {
    QuarantineDecision.RELEASE: AuditEvent.QUARANTINE_RELEASED,
    QuarantineDecision.DISCARD: AuditEvent.QUARANTINE_DISCARDED,
}


def list_quarantine(
    store: Store,
    actor: Actor,
    *,
    now: datetime,
    undecided_only: bool = True,
    limit: int = 20,
    offset: int = 0,
) -> Page[QuarantineEntry]:
    """Return instances in quarantine, newest first.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.VIEW_OPERATIONS, now=now)
    with store.begin() as tx:
        return tx.stuck.quarantine(undecided_only=undecided_only, limit=limit, offset=offset)


def every_entry(store: Store) -> Iterator[QuarantineEntry]:
    """Yield every instance in quarantine, newest first, for our own processes."""
    offset = 0
    while True:
        with store.begin() as tx:
            lines = tx.stuck.quarantine(undecided_only=False, limit=_AT_ONCE, offset=offset).lines
        yield from lines
        if len(lines) < _AT_ONCE:
            return
        offset += len(lines)


def decide_quarantine(
    store: Store,
    actor: Actor,
    quarantine_id: int,
    decision: QuarantineDecision,
    reason: str,
    *,
    now: datetime,
) -> None:
    """Decide about an instance: handed to intake again (its cause was mended), or discarded.

    The bytes of either stay until the retention policy gives them up.

    Raises
    ------
    NotAuthorised, NotFound
    Rejected
        Without a reason.
    Conflict
        If it was decided before.
    """
    permit(store, actor, Action.MANAGE_QUARANTINE, now=now)
    reason = require_reason(reason)
    with store.begin() as tx:
        entry = tx.stuck.quarantine_entry(quarantine_id)
        tx.stuck.decide(quarantine_id, decision, reason=reason, username=actor.username, now=now)
        _record(tx, actor, entry, _EVENTS[decision], now)


def inspect_quarantined(store: Store, actor: Actor, quarantine_id: int, *, now: datetime) -> QuarantineEntry:
    """Return an instance whose bytes a person takes away to look at; that stands in the audit log.

    Raises
    ------
    NotAuthorised, NotFound
    """
    permit(store, actor, Action.MANAGE_QUARANTINE, now=now)
    with store.begin() as tx:
        entry = tx.stuck.quarantine_entry(quarantine_id)
        _record(tx, actor, entry, AuditEvent.QUARANTINE_INSPECTED, now)
        return entry


def open_releases(store: Store) -> tuple[QuarantineEntry, ...]:
    """Return what people released and intake has not been asked about yet."""
    with store.begin() as tx:
        return tx.stuck.releases()


def record_release(store: Store, quarantine_id: int, outcome: str, *, now: datetime) -> None:
    """Note what a release came to: ``taken``, or ``refused: reason``, which leaves it undecided."""
    with store.begin() as tx:
        tx.stuck.note_release(quarantine_id, outcome[:500], now=now)


def _record(
    tx: UnitOfWork, actor: Actor, entry: QuarantineEntry, event: AuditEvent, now: datetime, **detail: Any
) -> None:
    tx.audit.append(
        AuditFact(
            event=event,
            actor=actor,
            at=now,
            study_uid=entry.study_uid,
            detail={"sop_uid": entry.sop_uid, "sha256": entry.sha256, **detail},
        )
    )
