"""What a person sets for themselves: language, filters, layout. Nothing here decides what they may do."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from app.domain.access import Action, Actor
from app.domain.errors import Rejected
from app.services.permission import permit
from app.store.engine import Store

MOST_BYTES = 16 * 1024
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


def read_preference(store: Store, actor: Actor, name: str, *, now: datetime) -> Any:
    """Return what this person has set under a name; None when nothing is, or for a process of ours.

    Raises
    ------
    NotAuthorised
        If the role has no account of its own.
    """
    if actor.user_id is None:
        return None
    permit(store, actor, Action.OWN_ACCOUNT, now=now)
    with store.begin() as tx:
        return tx.preferences.get(actor.user_id, name)


def save_preference(store: Store, actor: Actor, name: str, value: Any, *, now: datetime) -> None:
    """Keep what this person has set, for this account alone.

    Parameters
    ----------
    name
        Lower-case letters, digits and ``_``; at most 60.
    value
        Anything that JSON can say, in at most 16 KB.

    Raises
    ------
    NotAuthorised, Rejected
        Nothing was kept.
    """
    permit(store, actor, Action.OWN_ACCOUNT, now=now)
    if actor.user_id is None:
        raise Rejected("only a person has preferences: log in")
    if not _NAME.fullmatch(name):
        raise Rejected(f"{name[:60]!r} is no name of a preference: use lower-case letters, digits and _")
    size = len(json.dumps(value).encode())
    if size > MOST_BYTES:
        raise Rejected(f"the preference {name} takes {size} bytes, {MOST_BYTES} at most: keep less")
    with store.begin() as tx:
        tx.preferences.put(actor.user_id, name, value, now=now)
