"""Macros as a reader uses them: the department's, and their own in their preferences."""

from __future__ import annotations

from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.errors import Rejected
from app.domain.macro import MOST_OWN, Macro, known_macros, own_macros, tidy_macro
from app.services.permission import permit
from app.services.preferences import read_preference, save_preference
from app.store.engine import Store

_PREFERENCE = "macros"


def macros_of(store: Store, actor: Actor, *, now: datetime) -> tuple[Macro, ...]:
    """Return the macros that work for this person; their own go before the department's.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.EDIT_REPORT, now=now)
    own = own_macros(read_preference(store, actor, _PREFERENCE, now=now))
    with store.begin() as tx:
        return known_macros(tx.templates.macros(), own)


def save_own_macro(store: Store, actor: Actor, name: str, text: str, *, now: datetime) -> None:
    """Keep a macro for this person alone.

    Raises
    ------
    NotAuthorised
    Rejected
        If it is none, or there are too many.
    """
    name, text = tidy_macro(name, text)
    kept = _own(store, actor, now)
    if name not in kept and len(kept) >= MOST_OWN:
        raise Rejected(f"{MOST_OWN} macros are the most: remove one")
    save_preference(store, actor, _PREFERENCE, {**kept, name: text}, now=now)


def remove_own_macro(store: Store, actor: Actor, name: str, *, now: datetime) -> None:
    """Forget a macro of one's own; one that is not there is forgotten already.

    Raises
    ------
    NotAuthorised
    """
    kept = _own(store, actor, now)
    kept.pop(name, None)
    save_preference(store, actor, _PREFERENCE, kept, now=now)


def _own(store: Store, actor: Actor, now: datetime) -> dict[str, str]:
    known = own_macros(read_preference(store, actor, _PREFERENCE, now=now))
    return {macro.name: macro.text for macro in known}
