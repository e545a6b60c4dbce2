"""Emergency access in the reading room: the warning and the reason before it, the time left while it runs."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from app.domain.access import Action, may
from app.domain.emergency import EmergencyAccess
from app.domain.errors import AuthenticationFailed
from app.domain.reason import LONGEST_REASON
from app.domain.worklist import WorklistPage
from app.services import emergency
from app.ui.present import readable_date
from app.ui.session import Visit, begin_visit
from app.ui.views.frame import go_to, show_head
from app.ui.views.operations_page import attempt, utc
from app.ui.views.plain import plain
from app.ui.words import say

REFRESH_SECONDS = 5


def ask_for_reason(visit: Visit, study_uid: str) -> None:
    """Say that the study is restricted, and offer emergency access to who may have it."""
    show_head(visit, "review")
    st.warning(
        say("This study is restricted to a group that you are not in, or your emergency access has ended.")
    )
    if not may(visit.actor.role, Action.EMERGENCY_ACCESS):
        return
    minutes = visit.room.settings.emergency_minutes
    st.write(
        say(
            "In an emergency you can open it for {minutes} minutes. Reason, begin and end go on record, "
            "all that you do meanwhile as well, and the people who answer for access are told at once.",
            minutes=minutes,
        )
    )
    with st.form("emergency_start", border=False):
        reason = st.text_input(say("Reason"), max_chars=LONGEST_REASON, key="emergency_reason")
        wants = st.form_submit_button(say("Open in an emergency"), type="primary")
    if wants:
        attempt(
            lambda: emergency.start_emergency(
                visit.room.store,
                visit.actor,
                study_uid,
                reason,
                lasting=timedelta(minutes=minutes),
                now=visit.now,
            )
        )


def show_running(visit: Visit, running: EmergencyAccess | None) -> None:
    """Show how long an emergency access lasts, with the button that ends it; nothing without one."""
    if running is None:
        return
    left, act = st.columns((8, 2), vertical_alignment="center")
    with left:
        st.fragment(_time_left, run_every=REFRESH_SECONDS)(running)
    if act.button(say("End emergency access"), key="emergency_end"):
        emergency.end_emergency(visit.room.store, visit.actor, running.emergency_id, now=visit.now)
        go_to("worklist")


def show_masked(visit: Visit, page: WorklistPage) -> None:
    """Show restricted studies that were searched for by their whole number, without their patient."""
    for study in page.masked:
        text, act = st.columns((8, 2), vertical_alignment="center")
        what = " ".join(part for part in (readable_date(study.study_date), study.modality) if part)
        what = what or say("no date")
        text.warning(plain(say("Restricted study, {what}: you are in none of its groups.", what=what)))
        may_open = may(visit.actor.role, Action.EMERGENCY_ACCESS)
        if may_open and act.button(say("Emergency access ..."), key=f"masked_{study.study_uid}"):
            go_to("review", study=study.study_uid)


def _time_left(running: EmergencyAccess) -> None:
    """Count down; when the time is over the page runs anew and is refused."""
    try:
        visit = begin_visit(renew=False)
    except AuthenticationFailed:
        st.rerun()
    if not running.opens(now=visit.now):
        st.rerun()
    seconds = (running.ends_at - visit.now).total_seconds()
    until = utc(running.ends_at)[11:16].replace(":", "\\:")
    left = max(1, round(seconds / 60))
    st.error(say("Emergency access until {time} UTC, {minutes} minutes left.", time=until, minutes=left))
