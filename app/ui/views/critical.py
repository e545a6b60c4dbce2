"""Critical results: the board of open loops, and the forms that open, close and cancel one."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from app.domain.access import Action, may
from app.domain.critical import Category, Communication, CriticalResult, Means
from app.domain.errors import AuthenticationFailed, DatabaseUnavailable, Rejected
from app.domain.review import Review
from app.services import critical
from app.ui.session import Visit, begin_visit
from app.ui.views.frame import go_to, show_head
from app.ui.views.operations_page import ago, attempt, utc
from app.ui.views.plain import plain

CATEGORIES = {
    Category.MINUTES: "1: within minutes",
    Category.HOURS: "2: within hours",
    Category.DAYS: "3: within days",
}
REFRESH_SECONDS = 10


def show(visit: Visit) -> None:
    """Show every loop that is not closed, the soonest due first, live."""
    show_head(visit, "critical")
    st.fragment(_board, run_every=REFRESH_SECONDS)()


def _board() -> None:
    try:
        visit = begin_visit(renew=False)
    except AuthenticationFailed:
        st.rerun()
    loops = critical.list_open_loops(visit.room.store, visit.actor, now=visit.now)
    if not loops:
        st.write("No critical result is open.")
        return
    late = sum(loop.result.due_at <= visit.now or loop.result.escalations > 0 for loop in loops)
    st.caption(f"{len(loops)} open, {late} past their time; the soonest due first.")
    for loop in loops:
        with st.container(border=True):
            text, act = st.columns((8, 2), vertical_alignment="center")
            show_loop(text, loop.result, visit.now)
            patient = loop.study.patient
            text.caption(
                plain(f"{patient.name}, {patient.patient_id}, accession {loop.study.accession_number}")
            )
            if act.button("Open the study", key=f"critical_open_{loop.result.critical_id}"):
                go_to("review", study=loop.study.study_uid)
            offer_ending(visit, loop.result, act)


def offer_loops(visit: Visit, review: Review) -> None:
    """Show the loops of a study beside its report, with the way to open another."""
    if not may(visit.actor.role, Action.HANDLE_CRITICAL):
        return
    uid = review.study.study_uid
    for loop in critical.loops_of_study(visit.room.store, visit.actor, uid, now=visit.now):
        if loop.is_unfinished:
            with st.container(border=True):
                text, act = st.columns((7, 3), vertical_alignment="center")
                show_loop(text, loop, visit.now)
                offer_ending(visit, loop, act)
        else:
            st.caption(plain(_ended(loop)))
    if st.button("Critical result ...", key="critical_new"):
        open_dialog(uid)


def show_loop(place: st.delta_generator.DeltaGenerator, loop: CriticalResult, now: datetime) -> None:
    """Show what is open, since when and until when."""
    remaining = loop.due_at - now
    due = f"due in {ago(now, loop.due_at)}" if remaining.total_seconds() > 0 else "its time has passed"
    since = f"category {CATEGORIES[loop.category]}, open for {ago(loop.opened_at, now)}, {due}"
    text = f"**{plain(loop.finding)}**, {since}"
    if loop.escalations:
        place.error(f"{text}; escalated {loop.escalations} times, and nobody is on record as told.")
    else:
        place.warning(f"{text}.")


def offer_ending(visit: Visit, loop: CriticalResult, place: st.delta_generator.DeltaGenerator) -> None:
    """Offer to close or to cancel a loop."""
    if place.button("Communicated ...", key=f"critical_close_{loop.critical_id}", type="primary"):
        close_dialog(loop)
    if place.button("Opened in error ...", key=f"critical_cancel_{loop.critical_id}"):
        cancel_dialog(loop)


@st.dialog("Critical result")
def open_dialog(study_uid: str) -> None:
    """Ask what is critical and how soon somebody must know."""
    visit = begin_visit()
    with st.form("critical_open", border=False):
        finding = st.text_input("Finding", max_chars=300, key="critical_finding")
        category = st.selectbox("Category", list(CATEGORIES), format_func=CATEGORIES.__getitem__)
        wants = st.form_submit_button("Open the loop", type="primary")
    if wants:
        waits = critical.waits_of(visit.room.settings.critical_minutes)
        attempt(
            lambda: critical.open_loop(
                visit.room.store, visit.actor, study_uid, finding, category, waits=waits, now=visit.now
            )
        )


@st.dialog("The critical result was communicated")
def close_dialog(loop: CriticalResult) -> None:
    """Ask who told whom, when and how; nothing of it may be missing."""
    visit = begin_visit()
    st.text(loop.finding)
    with st.form("critical_close", border=False):
        teller = st.text_input(
            "Who told", value=visit.actor.printed_name, max_chars=120, key="critical_teller"
        )
        receiver = st.text_input("Who was told", max_chars=120, key="critical_receiver")
        means = st.selectbox("How", list(Means), format_func=lambda way: way.value)
        told_at = st.text_input(
            "When (UTC)", value=visit.now.astimezone(UTC).strftime("%Y-%m-%d %H:%M"), key="critical_told_at"
        )
        wants = st.form_submit_button("Close the loop", type="primary")
    if not wants:
        return
    try:
        told = Communication(teller, receiver, read_time(told_at), means)
        critical.close_loop(visit.room.store, visit.actor, loop.critical_id, told, now=visit.now)
    except (Rejected, DatabaseUnavailable) as error:
        st.error(f"Not closed: {plain(str(error))}.")
    else:
        st.rerun()


@st.dialog("The critical result was opened in error")
def cancel_dialog(loop: CriticalResult) -> None:
    """Ask why nobody has to be told."""
    visit = begin_visit()
    st.text(loop.finding)
    with st.form("critical_cancel", border=False):
        reason = st.text_input("Why nobody has to be told", max_chars=300, key="critical_reason")
        wants = st.form_submit_button("Cancel the loop", type="primary")
    if wants:
        attempt(
            lambda: critical.cancel_loop(
                visit.room.store, visit.actor, loop.critical_id, reason, now=visit.now
            )
        )


def read_time(text: str) -> datetime:
    """Read a moment in UTC, ``2026-11-27 06:12``; `Rejected` when it is none."""
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise Rejected("the time reads like 2026-11-27 06:12, in UTC") from None


def _ended(loop: CriticalResult) -> str:
    if loop.communication is None:
        return f"Critical result {loop.finding}: opened in error, {loop.reason} ({loop.ended_by})"
    told = loop.communication
    return (
        f"Critical result {loop.finding}: {told.teller} told {told.receiver} {told.means.value}, "
        f"{utc(told.told_at)} UTC"
    )
