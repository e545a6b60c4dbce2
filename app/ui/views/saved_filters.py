"""Saved filters: keep what is on the screen under a name, rename, delete, choose the one of the log-in."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.worklist import NAMES_A_PATIENT, WorklistQuery
from app.services import saved_filters as filters
from app.ui.session import begin_visit
from app.ui.told import tell
from app.ui.views.plain import plain
from app.ui.words import say


def manage_filters(query: WorklistQuery) -> None:
    """Offer to keep `query`, and to change what was kept before."""
    st.dialog(say("Saved filters"))(_show)(query)


def _show(query: WorklistQuery) -> None:
    visit = begin_visit()
    store, actor, now = visit.room.store, visit.actor, visit.now
    kept = filters.saved_filters(store, actor, now=now)
    if any(getattr(query, name) for name in NAMES_A_PATIENT):
        st.info(say("Text that is searched for is not saved: it may be a patient's name or number."))
    with st.form("save_filter", border=False):
        name = st.text_input(say("Name"), max_chars=filters.LONGEST_NAME, key="filter_name")
        if st.form_submit_button(say("Save what is shown"), type="primary"):
            _do(lambda: filters.save_filter(store, actor, name, query, now=now))
    if not kept:
        return
    names = [one.name for one in kept]
    standing = next((number for number, one in enumerate(kept) if one.is_default), None)
    with st.form("change_filter", border=False):
        chosen = st.selectbox(say("Saved filter"), names, key="filter_chosen")
        new_name = st.text_input(say("New name"), max_chars=filters.LONGEST_NAME, key="filter_new_name")
        rename, delete = st.columns(2)
        if rename.form_submit_button(say("Rename")):
            _do(lambda: filters.rename_filter(store, actor, chosen, new_name, now=now))
        if delete.form_submit_button(say("Delete")):
            _do(lambda: filters.delete_filter(store, actor, chosen, now=now))
    with st.form("default_filter", border=False):
        default = st.selectbox(
            say("Shown at log-in"), names, index=standing, placeholder=say("none"), key="filter_default"
        )
        if st.form_submit_button(say("Keep")):
            _do(lambda: filters.choose_default(store, actor, default or "", now=now))


def _do(act: Callable[[], None]) -> None:
    try:
        act()
    except (Conflict, NotFound, Rejected) as error:
        st.error(plain(tell(error)))
    else:
        st.rerun()
