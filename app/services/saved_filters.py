"""Filters of the worklist that a reader keeps under a name of their own; one may stand there at log-in.

What is searched for is not kept: it may be a patient's name or number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.access import Actor
from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.intake import clean_value
from app.domain.kept_query import query_of, to_keep
from app.domain.worklist import WorklistQuery
from app.services.preferences import read_preference, save_preference
from app.store.engine import Store

PREFERENCE = "worklist_filters"
MOST = 9  # one for each key
LONGEST_NAME = 40


@dataclass(frozen=True)
class SavedFilter:
    """A filter with its order, by name."""

    name: str
    query: WorklistQuery
    is_default: bool = False


def saved_filters(store: Store, actor: Actor, *, now: datetime) -> tuple[SavedFilter, ...]:
    """Return the reader's filters in their order; one that this release cannot read is left out."""
    return _read(store, actor, now)[0]


def drop_unreadable(store: Store, actor: Actor, *, now: datetime) -> tuple[str, ...]:
    """Forget the filters that this release cannot read, and return their names, empty for one without."""
    readable, lost = _read(store, actor, now)
    if lost:
        _keep(store, actor, readable, now=now)
    return lost


def _read(store: Store, actor: Actor, now: datetime) -> tuple[tuple[SavedFilter, ...], tuple[str, ...]]:
    """Return the filters that can be read, and the names of the others."""
    kept = read_preference(store, actor, PREFERENCE, now=now)
    if kept is None:
        return (), ()
    found, lost = [], []
    for one in kept if isinstance(kept, list) else [kept]:
        try:
            found.append(SavedFilter(_named(one["name"]), query_of(one["query"]), bool(one["default"])))
        except (Rejected, KeyError, TypeError, AttributeError):
            name = one.get("name", "") if isinstance(one, dict) else ""
            lost.append(clean_value(str(name))[:LONGEST_NAME])
    return tuple(found), tuple(lost)


def save_filter(store: Store, actor: Actor, name: str, query: WorklistQuery, *, now: datetime) -> None:
    """Keep a query under a name, in place of what had it.

    Raises
    ------
    Rejected
        Without a name, with too long a one, or past the ninth filter.
    """
    name = _named(name)
    before = saved_filters(store, actor, now=now)
    new = SavedFilter(name, query)
    if any(one.name == name for one in before):
        after = [replace(one, query=query) if one.name == name else one for one in before]
    elif len(before) >= MOST:
        raise Rejected(f"{MOST} filters can be saved: delete one first")
    else:
        after = [*before, new]
    _keep(store, actor, after, now=now)


def rename_filter(store: Store, actor: Actor, name: str, new_name: str, *, now: datetime) -> None:
    """Give a filter another name.

    Raises
    ------
    NotFound, Conflict, Rejected
        Nothing was changed.
    """
    new_name = _named(new_name)
    before = _with(saved_filters(store, actor, now=now), name)
    if new_name != name and any(one.name == new_name for one in before):
        raise Conflict(f"there is a filter {new_name} already")
    _keep(store, actor, [replace(one, name=new_name) if one.name == name else one for one in before], now=now)


def delete_filter(store: Store, actor: Actor, name: str, *, now: datetime) -> None:
    """Forget a filter; raises `NotFound` when there is none of this name."""
    before = _with(saved_filters(store, actor, now=now), name)
    _keep(store, actor, [one for one in before if one.name != name], now=now)


def choose_default(store: Store, actor: Actor, name: str, *, now: datetime) -> None:
    """Let a filter stand there at log-in, or none when `name` is empty; raises `NotFound`."""
    before = saved_filters(store, actor, now=now)
    if name:
        _with(before, name)
    _keep(store, actor, [replace(one, is_default=one.name == name) for one in before], now=now)


def _keep(store: Store, actor: Actor, filters: Sequence[SavedFilter], *, now: datetime) -> None:
    kept = [{"name": one.name, "query": to_keep(one.query), "default": one.is_default} for one in filters]
    save_preference(store, actor, PREFERENCE, kept, now=now)


def _named(name: str) -> str:
    name = clean_value(name)
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Rejected(f"a filter has a name of 1 to {LONGEST_NAME} characters")
    return name


def _with(filters: Sequence[SavedFilter], name: str) -> Sequence[SavedFilter]:
    if not any(one.name == name for one in filters):
        raise NotFound(f"there is no filter {name[:LONGEST_NAME]}")
    return filters
