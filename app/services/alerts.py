"""Alerts: raised with what is wrong, in one transaction, and told to the people who can mend it.

Raising is durable: an alert that could not be told stays, is tried again a bounded number of times
(`app.domain.alert.TELL_WAITS`), and can be seen in the operations view whether it was told or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from app.domain.alert import Alert, AlertKind
from app.domain.intake import clean_value
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

Tell = Callable[[Sequence[Alert]], bool]
_AT_ONCE = 50


def raise_alert(tx: UnitOfWork, kind: AlertKind, subject: str, reason: str, *, now: datetime) -> bool:
    """Raise an alert with the caller's transaction; False when one about the same is open already."""
    return tx.alerts.add(kind, subject, clean_value(reason)[:500], now=now)


def clear_alert(tx: UnitOfWork, kind: AlertKind, subject: str, *, now: datetime) -> bool:
    """Note with the caller's transaction that the cause has gone away; False when there was no alert."""
    return tx.alerts.clear(kind, subject, now=now)


def open_alerts(store: Store) -> tuple[Alert, ...]:
    """Return the alerts whose cause stands, oldest first."""
    with store.begin() as tx:
        return tx.alerts.open()


def tell_alerts(store: Store, tell: Tell, *, now: datetime) -> int:
    """Tell what nobody was told yet, in one message; return how many alerts that were.

    Parameters
    ----------
    tell
        Tries the channels of the settings; true when one of them took the message. It runs outside of any
        transaction: a channel may be slow.
    """
    with store.begin() as tx:
        due = tx.alerts.claim_untold(now=now, limit=_AT_ONCE)
    if not due or not tell(due):
        return 0
    with store.begin() as tx:
        tx.alerts.mark_told([alert.alert_id for alert in due], now=now)
    return len(due)
