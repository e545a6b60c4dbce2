"""Critical results: the board of open loops, and the forms that open, close and cancel one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import streamlit as st

from app.domain.access import Action, may
from app.domain.critical import Communication, CriticalResult, Means
from app.domain.errors import AuthenticationFailed, Rejected
from app.domain.review import Review
from app.services import critical
from app.ui.present import patient_data
from app.ui.session import Visit, begin_visit
from app.ui.terms import CATEGORIES, term
from app.ui.views.frame import go_to, show_head
from app.ui.views.operations_page import ago, attempt, utc
from app.ui.views.plain import plain
from app.ui.words import say
from app.ui.zone import zone, zone_name

REFRESH_SECONDS = 10
_LOOKED_AT = "critical_looked_at"


def show(visit: Visit) -> None:
    """Show every loop that is not closed, the soonest due first, live."""
    show_head(visit, "critical")
    if not st.session_state.get(_LOOKED_AT):
        critical.list_open_loops(visit.room.store, visit.actor, now=visit.now)
        st.session_state[_LOOKED_AT] = True
    st.fragment(_board, run_every=REFRESH_SECONDS)()


def leave() -> None:
    """Let the next look at the board be recorded again."""
    st.session_state.pop(_LOOKED_AT, None)


def _board() -> None:
    try:
        visit = begin_visit(renew=False)
    except AuthenticationFailed:
        st.rerun()
    loops = critical.list_open_loops(visit.room.store, visit.actor, is_new=False, now=visit.now)
    if not loops:
        st.write(say("No critical result is open."))
        return
    late = sum(loop.result.due_at <= visit.now or loop.result.escalations > 0 for loop in loops)
    st.caption(
        say("{count} open, {late} past their time; the soonest due first.", count=len(loops), late=late)
    )
    for loop in loops:
        with st.container(border=True):
            text, act = st.columns((8, 2), vertical_alignment="center")
            show_loop(text, loop.result, visit.now)
            if loop.study is not None:
                who = patient_data(loop.study)
                text.caption(plain(f"{who['name']}, {who['id']}, {who['description']}, {who['accession']}"))
            if act.button(say("Open the study"), key=f"critical_open_{loop.result.critical_id}"):
                go_to("review", study=loop.result.study_uid)
            if loop.study is not None:
                offer_ending(visit, loop.result, act)


def offer_loops(visit: Visit, review: Review) -> None:
    """Show the loops of a study, the soonest due first; where there is no report yet, the way to open one."""
    if not may(visit.actor.role, Action.HANDLE_CRITICAL):
        return
    uid = review.study.study_uid
    loops = critical.loops_of_study(visit.room.store, visit.actor, uid, now=visit.now)
    for loop in sorted(loops, key=lambda one: (not one.is_unfinished, one.due_at)):
        if loop.is_unfinished:
            with st.container(border=True):
                text, act = st.columns((7, 3), vertical_alignment="center")
                show_loop(text, loop, visit.now)
                offer_ending(visit, loop, act)
        else:
            st.caption(plain(_ended(loop)))
    if review.report is None:
        with st.popover(say("Critical result ...")):
            _ask_what(visit, uid)


def critical_dialog(study_uid: str) -> None:
    """Open a loop from the report."""
    st.dialog(say("Critical result: somebody must be told"))(_ask_in_dialog)(study_uid)


def _ask_in_dialog(study_uid: str) -> None:
    _ask_what(begin_visit(), study_uid)


def show_loop(place: st.delta_generator.DeltaGenerator, loop: CriticalResult, now: datetime) -> None:
    """Show what is open, since when and until when."""
    is_late = loop.due_at <= now
    due = say("its time has passed") if is_late else say("due in {time}", time=ago(now, loop.due_at))
    since = say(
        "category {category}, open for {time}",
        category=say(CATEGORIES[loop.category]),
        time=ago(loop.opened_at, now),
    )
    name = f"**{plain(loop.finding)}**, {since}"
    if loop.escalations == 1:
        place.error(say("{result}; escalated once: nobody is on record as told.", result=name))
    elif loop.escalations:
        told = say(
            "{result}; escalated {count} times: nobody is on record as told.",
            result=name,
            count=loop.escalations,
        )
        place.error(told)
    else:
        place.warning(f"{name}, {due}.")


def offer_ending(visit: Visit, loop: CriticalResult, place: st.delta_generator.DeltaGenerator) -> None:
    """Offer to close or to cancel a loop."""
    with place.popover(say("Communicated ..."), type="primary"):
        _ask_who_was_told(visit, loop)
    with place.popover(say("Opened in error ...")):
        _ask_why(visit, loop)


def _ask_what(visit: Visit, study_uid: str) -> None:
    """Ask what is critical and how soon somebody must know."""
    with st.form("critical_open", border=False, clear_on_submit=True):
        finding = st.text_input(say("Finding"), max_chars=300, key="critical_finding")
        category = st.selectbox(
            say("Category"), list(CATEGORIES), format_func=lambda one: say(CATEGORIES[one])
        )
        wants = st.form_submit_button(say("Open the loop"), type="primary")
    if wants:
        waits = critical.waits_of(visit.room.settings.critical_minutes)
        attempt(
            lambda: critical.open_loop(
                visit.room.store, visit.actor, study_uid, finding, category, waits=waits, now=visit.now
            )
        )


def _ask_who_was_told(visit: Visit, loop: CriticalResult) -> None:
    """Ask who told whom, when and how; nothing of it may be missing."""
    number = loop.critical_id
    with st.form(f"critical_close_{number}", border=False):
        teller = st.text_input(
            say("Who told"), value=visit.actor.printed_name, max_chars=120, key=f"critical_teller_{number}"
        )
        receiver = st.text_input(say("Who was told"), max_chars=120, key=f"critical_receiver_{number}")
        means = st.radio(
            say("How"),
            list(Means),
            index=None,
            format_func=term,
            key=f"critical_means_{number}",
        )
        told_at = st.text_input(
            say("When (time zone {zone}; empty: now)", zone=zone_name()),
            placeholder=visit.now.astimezone(zone()).strftime("%H:%M"),
            key=f"critical_told_at_{number}",
        )
        wants = st.form_submit_button(say("Close the loop"), type="primary")
    if wants:
        attempt(
            lambda: critical.close_loop(
                visit.room.store,
                visit.actor,
                number,
                Communication(
                    teller, receiver, read_time(told_at, zone(), visit.now) or visit.now, _chosen(means)
                ),
                now=visit.now,
            )
        )


def _ask_why(visit: Visit, loop: CriticalResult) -> None:
    """Ask why nobody has to be told."""
    number = loop.critical_id
    with st.form(f"critical_cancel_{number}", border=False):
        reason = st.text_input(
            say("Why nobody has to be told"), max_chars=300, key=f"critical_reason_{number}"
        )
        wants = st.form_submit_button(say("Cancel the loop"), type="primary")
    if wants:
        attempt(lambda: critical.cancel_loop(visit.room.store, visit.actor, number, reason, now=visit.now))


def _chosen(means: Means | None) -> Means:
    if means is None:
        raise Rejected("a critical result is closed with how it was told: choose one")
    return means


def read_time(text: str, zone: tzinfo, now: datetime) -> datetime | None:
    """Read a moment that has passed, as a clock in `zone` shows it; None for an empty text.

    ``06:12`` is the last time that it was 06:12; ``2026-11-27 06:12`` names its day.

    Raises
    ------
    Rejected
        If it is neither.
    """
    if not text.strip():
        return None
    today = now.astimezone(zone)
    for form in ("%Y-%m-%d %H:%M", "%H:%M"):
        try:
            read = datetime.strptime(text.strip(), form)
        except ValueError:
            continue
        if form == "%H:%M":
            read = datetime.combine(today.date(), read.time())
            if read.replace(tzinfo=zone) > now:
                read -= timedelta(days=1)
        return read.replace(tzinfo=zone).astimezone(UTC)
    raise Rejected("the time reads like 06:12 or 2026-11-27 06:12")


def _ended(loop: CriticalResult) -> str:
    if loop.communication is None:
        return say(
            "Critical result {finding}: opened in error, {reason} ({user})",
            finding=loop.finding,
            reason=loop.reason,
            user=loop.ended_by,
        )
    told = loop.communication
    return say(
        "Critical result {finding}: {teller} told {receiver} {means}, {time} UTC",
        finding=loop.finding,
        teller=told.teller,
        receiver=told.receiver,
        means=term(told.means),
        time=utc(told.told_at),
    )
