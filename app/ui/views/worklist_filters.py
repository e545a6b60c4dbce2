"""The filters of the worklist: a search across columns, and one for each column."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from app.domain.delivery import DeliveryState
from app.domain.priority import AI_CRITICAL, ROUTINE, STAT
from app.domain.report import ReportState
from app.domain.study import StudyState
from app.domain.worklist import Dates, Span, WorklistQuery
from app.ui.terms import delivery_state, report_state, study_state
from app.ui.words import phrase, say
from app.ui.zone import zone

_STUDY_STATES = (
    StudyState.DRAFTED,
    StudyState.UNDRAFTED,
    StudyState.COMPLETE,
    StudyState.RECEIVING,
    StudyState.EXCLUDED,
)
_PRIORITIES = {STAT: phrase("STAT"), AI_CRITICAL: phrase("AI-critical"), ROUTINE: phrase("routine")}
_SPANS = {
    Span.ANY: phrase("any time"),
    Span.TODAY: phrase("today"),
    Span.DAY: phrase("last 24 hours"),
    Span.WEEK: phrase("last 7 days"),
    Span.BETWEEN: phrase("between"),
}
_LONGEST = 200
_MOST_IMAGES = 100_000
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2099, 12, 31)


def ask_filters() -> WorklistQuery:
    """Show the filters and return what they ask for."""
    take_filled()
    search, draft, report, more = st.columns((5, 3, 3, 2), vertical_alignment="bottom")
    text = search.text_input(
        say("Search"),
        placeholder=say("Name, ID, accession or description"),
        key="worklist_text",
        max_chars=_LONGEST,
    )
    drafts = draft.multiselect(
        say("Draft"), _STUDY_STATES, format_func=study_state, key="worklist_draft", placeholder=say("all")
    )
    reports = report.multiselect(
        say("Report"),
        list(ReportState),
        format_func=report_state,
        key="worklist_report",
        placeholder=say("all"),
    )
    with more.popover(say("More filters"), width="stretch"):
        columns = _ask_columns()
    return WorklistQuery(
        text=text.strip(), states=tuple(drafts), report_states=tuple(reports), zone=zone(), **columns
    )


def _ask_columns() -> dict[str, Any]:
    """Show the fields of the other columns; return them by their names in a query."""
    left, right = st.columns(2)
    with left:
        texts = {
            name: _text(label, name)
            for name, label in (
                ("patient", say("Patient")),
                ("patient_id", say("Patient ID")),
                ("accession", say("Accession number")),
                ("description", say("Study")),
                ("reader", say("Reader who has it open")),
            )
        }
        modality = st.text_input(say("Modality"), max_chars=16, key="worklist_modality").strip().upper()
    with right:
        priorities = st.multiselect(
            say("Priority"),
            list(_PRIORITIES),
            format_func=lambda rank: say(_PRIORITIES[rank]),
            key="worklist_priorities",
            placeholder=say("all"),
        )
        deliveries = st.multiselect(
            say("Delivery"),
            list(DeliveryState),
            format_func=delivery_state,
            key="worklist_deliveries",
            placeholder=say("all"),
        )
        fewest = _number(say("Images, at least"), "worklist_fewest")
        most = _number(say("Images, at most"), "worklist_most")
        received = _dates(say("Received"), "received")
        studied = _dates(say("Study date"), "studied")
    return {
        **texts,
        "modality": modality,
        "priorities": tuple(priorities),
        "delivery_states": tuple(deliveries),
        "fewest_images": fewest,
        "most_images": most,
        "received": received,
        "studied": studied,
    }


def fill_filters(query: WorklistQuery) -> None:
    """Put a query into the fields; only before they are shown in this run, or with a rerun after it.

    What a field cannot hold is left out by Streamlit: a filter may have been kept by another version.
    """
    values: dict[str, Any] = {
        "worklist_text": query.text,
        "worklist_draft": list(query.states),
        "worklist_report": list(query.report_states),
        "worklist_modality": query.modality,
        "worklist_priorities": [rank for rank in query.priorities if rank in _PRIORITIES],
        "worklist_deliveries": list(query.delivery_states),
        "worklist_fewest": query.fewest_images,
        "worklist_most": query.most_images,
    }
    for name in ("patient", "patient_id", "accession", "description", "reader"):
        values[f"worklist_{name}"] = getattr(query, name)
    for name, dates in (("received", query.received), ("studied", query.studied)):
        values[f"worklist_{name}"] = dates.span
        values[f"worklist_{name}_first"], values[f"worklist_{name}_last"] = dates.first, dates.last
    st.session_state["worklist_to_fill"] = values


def take_filled() -> None:
    """Move what `fill_filters` left into the fields: a field that is shown cannot be set any more."""
    st.session_state.update(st.session_state.pop("worklist_to_fill", {}))


def _text(label: str, name: str) -> str:
    return str(st.text_input(label, max_chars=_LONGEST, key=f"worklist_{name}")).strip()


def _number(label: str, key: str) -> int | None:
    given = st.number_input(label, min_value=0, max_value=_MOST_IMAGES, value=None, step=1, key=key)
    return None if given is None else int(given)


def _dates(label: str, name: str) -> Dates:
    key = f"worklist_{name}"
    span = st.selectbox(label, list(_SPANS), format_func=lambda one: say(_SPANS[one]), key=key)
    if span is not Span.BETWEEN:
        return Dates(span)
    first, last = st.columns(2)
    with first:
        since = _day(say("from"), f"{key}_first")
    with last:
        until = _day(say("to"), f"{key}_last")
    return Dates(Span.BETWEEN, since, until)


def _day(label: str, key: str) -> date | None:
    given = st.date_input(
        label, value=None, min_value=_FIRST_DAY, max_value=_LAST_DAY, key=key, format="YYYY-MM-DD"
    )
    return given if isinstance(given, date) else None
