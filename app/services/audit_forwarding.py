"""Telling the audit log to collectors elsewhere: the log is the spool, a number per collector the place.

A collector may be away for a day or a month: entries wait in the log, in order, and none is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.domain.audit import AuditEntry
from app.store.engine import Store

LEASE = timedelta(seconds=30)


def hold_collector(store: Store, collector: str, holder: str, *, now: datetime) -> int | None:
    """Take or renew the right to tell a collector, for half a minute.

    Returns
    -------
    int or None
        Number of the last entry that the collector surely has; None while another process tells it.
    """
    with store.begin() as tx:
        if not tx.forwarding.hold(collector, holder, until=now + LEASE, now=now):
            return None
        return tx.forwarding.position(collector)


def entries_after(store: Store, seq: int, *, limit: int) -> Sequence[AuditEntry]:
    """Return the next entries of the log, in order."""
    with store.begin() as tx:
        return tx.forwarding.entries_after(seq, limit=limit)


def record_told(store: Store, collector: str, seq: int) -> None:
    """Note that the collector has everything up to `seq`."""
    with store.begin() as tx:
        tx.forwarding.advance(collector, seq)


def audit_backlog(store: Store, collector: str) -> int:
    """Return how many entries the collector has not been told yet."""
    with store.begin() as tx:
        return tx.audit.head()[0] - tx.forwarding.position(collector)
