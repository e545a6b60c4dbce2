"""Somebody asks far more often than they may: one alert and one entry in the audit log, not one a request."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.alert import AlertKind
from app.services.alerts import raise_alert
from app.services.credentials import note_failure, unknown_person
from app.store.engine import Store

LOG_IN = "log-in"
ALERT_STANDS = timedelta(hours=1)


def record_burst(store: Store, what: str, *, source: str, now: datetime) -> None:
    """Raise the alert about a burst; refused log-ins stand in the audit log too.

    Parameters
    ----------
    what
        What is asked too often; there is one open alert about it.
    source
        Network address of who asks.
    """
    reason = f"from {source} at first; further requests were refused with 429"
    with store.begin() as tx:
        raise_alert(tx, AlertKind.TOO_MANY_REQUESTS, what, reason, now=now)
        if what == LOG_IN:
            note_failure(tx, unknown_person(source), "too many attempts", "log-in", now=now)


def end_bursts(store: Store, *, now: datetime) -> int:
    """Clear alerts about bursts that were raised an hour ago; one that goes on is raised again."""
    with store.begin() as tx:
        return tx.alerts.clear_older(AlertKind.TOO_MANY_REQUESTS, than=now - ALERT_STANDS, now=now)
