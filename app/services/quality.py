"""The quality board: how AI text fares with its readers, by model version, and an alert when that changes."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.access import Action, Actor
from app.domain.alert import AlertKind
from app.domain.quality import ModelQuality, drift, judge_models
from app.services.alerts import clear_alert, raise_alert
from app.services.permission import permit
from app.store.engine import Store

BOARD_DAYS = 180


def quality_board(
    store: Store, actor: Actor, *, days: int = BOARD_DAYS, now: datetime
) -> tuple[ModelQuality, ...]:
    """Return every model version whose text was signed in the last days, by name.

    Raises
    ------
    NotAuthorised
        If the role may not look at it.
    """
    permit(store, actor, Action.VIEW_QUALITY, now=now)
    return _judge(store, days, now)


def watch_discordance(store: Store, *, now: datetime) -> tuple[str, ...]:
    """Raise an alert for each model version whose discordance has left its band, clear the others.

    Returns
    -------
    tuple of str
        The models that are outside.
    """
    outside = []
    for quality in _judge(store, BOARD_DAYS, now):
        reason = drift(quality.days)
        with store.begin() as tx:
            if reason:
                raise_alert(tx, AlertKind.DISCORDANCE, quality.model, reason, now=now)
                outside.append(quality.model)
            else:
                clear_alert(tx, AlertKind.DISCORDANCE, quality.model, now=now)
    return tuple(outside)


def _judge(store: Store, days: int, now: datetime) -> tuple[ModelQuality, ...]:
    with store.begin() as tx:
        return judge_models(tx.quality.signed(since=now - timedelta(days=days), until=now))
