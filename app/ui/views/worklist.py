"""The worklist: what to read next, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from app.domain.access import Action, may
from app.domain.kept_query import as_json
from app.domain.worklist import SortKey, WorklistQuery
from app.services import reading
from app.services.preferences import read_preference, save_preference
from app.services.saved_filters import drop_unreadable, saved_filters
from app.ui.components.library import mount
from app.ui.present import page_data
from app.ui.session import Visit
from app.ui.views.emergency import show_masked
from app.ui.views.frame import go_to, show_head
from app.ui.views.plain import plain
from app.ui.views.reading_list import follow_list, list_left, look_ahead_from_list, open_next
from app.ui.views.saved_filters import manage_filters
from app.ui.views.worklist_filters import ask_filters, fill_filters
from app.ui.words import say
from app.ui.zone import zone_name

PAGE_ROWS = 50
HIDDEN_COLUMNS = "worklist_hidden_columns"
_ORDER = "worklist_order"
_BEGUN = "worklist_begun"
_APPLIED = "worklist_applied"
_DROPPED = "worklist_dropped"
_ASKED = "worklist_query"
_TRIGGERS = ("next", "open", "manage", "columns")


def show(visit: Visit) -> None:
    """Show one page of the worklist with its filters."""
    show_head(visit, "worklist")
    _tell_dropped(visit)
    kept = saved_filters(visit.room.store, visit.actor, now=visit.now)
    _begin([(one.name, one.query) for one in kept if one.is_default])
    query = _asked()
    look = reading.worklist if _is_new(query) else reading.refresh_worklist
    page = look(visit.room.store, visit.actor, query, now=visit.now)
    show_masked(visit, page)
    follow_list(query)
    if look is reading.worklist and may(visit.actor.role, Action.EDIT_REPORT):
        look_ahead_from_list(visit)
    events = mount(
        "worklist",
        {
            **page_data(page, query, visit.now),
            "query": as_json(query),
            "zone": zone_name(),
            "csrf": visit.csrf,
            "mayOpen": may(visit.actor.role, Action.OPEN_STUDY),
            "saved": [{"name": one.name, "isDefault": one.is_default} for one in kept],
            "applied": st.session_state.get(_APPLIED, ""),
            "filters": len(query.filters),
            "hidden": _hidden_columns(visit),
        },
        key="worklist",
        triggers=_TRIGGERS,
        on={"sort": _sort, "turn": _turn, "saved": partial(_choose, {one.name: one.query for one in kept})},
    )
    _follow(visit, events, query)


def _tell_dropped(visit: Visit) -> None:
    """Say, until the reader has seen it, which saved filters could not be read any more."""
    if _DROPPED not in st.session_state:
        st.session_state[_DROPPED] = drop_unreadable(visit.room.store, visit.actor, now=visit.now)
    if dropped := st.session_state[_DROPPED]:
        names = ", ".join(plain(name) or say("no name") for name in dropped)
        st.warning(say("Saved filters that this version cannot read were removed: {names}", names=names))
        if st.button(say("OK"), key="dropped_seen"):
            st.session_state[_DROPPED] = ()
            st.rerun()


def _begin(default: list[tuple[str, WorklistQuery]]) -> None:
    """Begin a log-in with the filter that the reader has chosen for it."""
    if _BEGUN not in st.session_state:
        st.session_state[_BEGUN] = True
        for name, query in default:
            _apply(name, query)
    elif "worklist_text" not in st.session_state and (left := list_left()) is not None:
        fill_filters(left)  # fields that were not shown for a while forget what was in them


def _apply(name: str, query: WorklistQuery) -> None:
    """Put a query into the fields; it counts from the next time that they are shown."""
    fill_filters(query)
    st.session_state[_ORDER] = {"sort": query.sort.value, "descending": query.descending}
    st.session_state[_APPLIED] = name


def _asked() -> WorklistQuery:
    """Show the filters and return the query that they and the head of the table make."""
    order = st.session_state.get(_ORDER, {})
    query = replace(
        ask_filters(),
        sort=SortKey(order.get("sort", SortKey.PRIORITY.value)),
        descending=bool(order.get("descending", True)),
        limit=PAGE_ROWS,
    )
    return _at_page(query)


def _at_page(query: WorklistQuery) -> WorklistQuery:
    """Return the query at the page that was turned to; another filter or order begins at the first."""
    turned_in, offset = st.session_state.get("worklist_page", (query, 0))
    return replace(query, offset=offset) if turned_in == query else query


def _is_new(query: WorklistQuery) -> bool:
    """Tell whether this is another question than in the run before: only a question is recorded."""
    before = st.session_state.get(_ASKED)
    st.session_state[_ASKED] = query
    return before != query


def _hidden_columns(visit: Visit) -> list[str]:
    if HIDDEN_COLUMNS not in st.session_state:
        kept = read_preference(visit.room.store, visit.actor, HIDDEN_COLUMNS, now=visit.now)
        st.session_state[HIDDEN_COLUMNS] = _columns(kept)
    hidden: list[str] = st.session_state[HIDDEN_COLUMNS]
    return hidden


def _columns(named: object) -> list[str]:
    known = {key.value for key in SortKey} - {SortKey.PATIENT.value}
    return [str(one) for one in named if one in known] if isinstance(named, list) else []


def _sort(wanted: Mapping[str, Any]) -> None:
    """Sort by the column whose head was clicked."""
    sort = SortKey(str(wanted["sort"])).value
    st.session_state[_ORDER] = {"sort": sort, "descending": bool(wanted["descending"])}


def _turn(offset: int) -> None:
    """Turn to another page of the list that is on the screen."""
    st.session_state["worklist_page"] = (replace(st.session_state[_ASKED], offset=0), max(0, int(offset)))


def _choose(kept: Mapping[str, WorklistQuery], name: str) -> None:
    """Apply a saved filter; without a name of one, the whole list."""
    _apply(name if name in kept else "", kept.get(name, WorklistQuery()))


def _follow(visit: Visit, events: Mapping[str, Any], query: WorklistQuery) -> None:
    """Do what was clicked in the table."""
    if events["open"]:
        go_to("review", study=str(events["open"]))
    if events["next"]:
        open_next(visit)
    if events["columns"] is not None:
        st.session_state[HIDDEN_COLUMNS] = _columns(list(events["columns"]["hidden"]))
        hidden = st.session_state[HIDDEN_COLUMNS]
        save_preference(visit.room.store, visit.actor, HIDDEN_COLUMNS, hidden, now=visit.now)
        st.rerun()
    if events["manage"]:
        manage_filters(query)
