"""The worklist: what to read next, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.domain.access import Action, may
from app.domain.report import ReportState
from app.domain.study import StudyState
from app.domain.worklist import SortKey, WorklistQuery
from app.services import reading
from app.ui.components.library import mount
from app.ui.present import row_data
from app.ui.session import Visit
from app.ui.views.emergency import show_masked
from app.ui.views.frame import go_to, show_head

PAGE_ROWS = 50
_STUDY_STATES = {
    "AI draft": StudyState.DRAFTED,
    "no AI draft": StudyState.UNDRAFTED,
    "drafting": StudyState.COMPLETE,
    "receiving": StudyState.RECEIVING,
    "excluded": StudyState.EXCLUDED,
}
_REPORT_STATES = {
    "not opened": ReportState.DRAFTED,
    "in review": ReportState.IN_REVIEW,
    "preliminary": ReportState.PRELIMINARY,
    "signed": ReportState.SIGNED,
    "withdrawn": ReportState.WITHDRAWN,
}
_ORDER = "worklist_order"


def show(visit: Visit) -> None:
    """Show one page of the worklist with its filters."""
    show_head(visit, "worklist")
    query = _asked()
    look = reading.worklist if _is_new(query) else reading.refresh_worklist
    page = look(visit.room.store, visit.actor, query, now=visit.now)
    show_masked(visit, page)
    events = mount(
        "worklist",
        {
            "rows": [row_data(row) for row in page.rows],
            "total": page.total,
            "offset": query.offset,
            "limit": query.limit,
            "sort": query.sort.value,
            "descending": query.descending,
            "mayOpen": may(visit.actor.role, Action.OPEN_STUDY),
            "at": visit.now.isoformat(),
        },
        key="worklist",
        triggers=("open", "sort", "turn", "refresh"),
    )
    _follow(events)


def _asked() -> WorklistQuery:
    """Show the filters and return the query that they and the head of the table make."""
    text, draft, report, modality = st.columns((4, 3, 3, 2))
    wanted = text.text_input("Search", placeholder="Name, ID, accession or description", key="worklist_text")
    drafts = draft.multiselect("Draft", list(_STUDY_STATES), key="worklist_draft", placeholder="all")
    reports = report.multiselect("Report", list(_REPORT_STATES), key="worklist_report", placeholder="all")
    of = modality.text_input("Modality", placeholder="all", max_chars=16, key="worklist_modality")
    order = st.session_state.get(_ORDER, {})
    query = WorklistQuery(
        text=wanted.strip(),
        states=tuple(_STUDY_STATES[name] for name in drafts),
        report_states=tuple(_REPORT_STATES[name] for name in reports),
        modality=of.strip().upper(),
        sort=SortKey(order.get("sort", SortKey.PRIORITY.value)),
        descending=bool(order.get("descending", True)),
        limit=PAGE_ROWS,
    )
    return _at_page(query)


def _at_page(query: WorklistQuery) -> WorklistQuery:
    """Return the query at the page that was turned to; another filter or order begins at the first."""
    from dataclasses import replace

    turned_in, offset = st.session_state.get("worklist_page", (query, 0))
    return replace(query, offset=offset) if turned_in == query else query


def _is_new(query: WorklistQuery) -> bool:
    """Tell whether this is another question than in the run before: only a question is recorded."""
    before = st.session_state.get("worklist_query")
    st.session_state["worklist_query"] = query
    return before != query


def _follow(events: Mapping[str, Any]) -> None:
    """Do what was clicked in the table."""
    if events["open"]:
        go_to("review", study=str(events["open"]))
    if events["sort"]:
        wanted = events["sort"]
        sort = SortKey(str(wanted["sort"])).value
        st.session_state[_ORDER] = {"sort": sort, "descending": bool(wanted["descending"])}
        st.rerun()
    if events["turn"] is not None:
        from dataclasses import replace

        query = replace(st.session_state["worklist_query"], offset=0)
        st.session_state["worklist_page"] = (query, max(0, int(events["turn"])))
        st.rerun()
