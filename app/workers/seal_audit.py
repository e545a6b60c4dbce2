"""Checkpoints of the audit log, and a line of each in the process log: a first place outside the database."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from app.domain.access import service_actor
from app.domain.audit import AuditEntry
from app.domain.checkpoint import Occasion
from app.domain.errors import DatabaseUnavailable
from app.services.checkpoints import checkpoint_now, checkpoint_when_due
from app.store.engine import Store

_ACTOR = service_actor("housekeeping")


def seal_when_due(store: Store, every: int) -> None:
    """Make a checkpoint after `every` entries, or after an hour with any."""
    _tell(checkpoint_when_due(store, _ACTOR, every=every, now=datetime.now(UTC)))


def seal_at_stop(store: Store) -> None:
    """Make a checkpoint over what happened since the last one, while the process ends."""
    try:
        _tell(checkpoint_now(store, _ACTOR, Occasion.STOP, now=datetime.now(UTC)))
    except DatabaseUnavailable:
        structlog.get_logger().warning("no checkpoint at stop", reason="the database does not answer")


def _tell(entry: AuditEntry | None) -> None:
    if entry is None:
        return
    detail = entry.detail
    structlog.get_logger().info(
        "audit checkpoint",
        number=detail["number"],
        seq=detail["seq"],
        digest=detail["digest"],
        key_id=detail["key_id"],
        seal=detail["seal"],
    )
