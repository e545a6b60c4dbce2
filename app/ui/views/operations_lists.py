"""Deliveries that are not done, work that was given up, studies that do not go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from app.domain.access import Action, may
from app.domain.operations import StudyLine, WaitingDelivery
from app.domain.study import StudyState
from app.domain.work import DeadLetter
from app.services import delivery, operations, work
from app.ui.session import Visit
from app.ui.views.operations_page import PAGE_LINES, ago, attempt, offset_of, show_table, turn_page, utc
from app.ui.views.plain import plain

_RETRIABLE = frozenset({"FAILED", "DEAD"})
_EXPLAINED = {
    StudyState.UNDRAFTED: "Open to the readers without a draft, with the reason.",
    StudyState.RECEIVING: "Receiving for over 10 minutes: an association is open, or images keep coming.",
    StudyState.COMPLETE: "Complete, and waiting for the drafting process.",
}


def show_deliveries(visit: Visit) -> None:
    """Show what has not reached its destination, the oldest first."""
    page = operations.waiting_deliveries(
        visit.room.store, visit.actor, now=visit.now, limit=PAGE_LINES, offset=offset_of("deliveries")
    )
    if not page.lines:
        st.write("Everything that was signed has reached its destination.")
        return
    chosen = show_table("deliveries", [_delivery(line, visit.now) for line in page.lines])
    turn_page("deliveries", page)
    line = page.lines[chosen] if chosen is not None else None
    waits = line is None or line.state not in _RETRIABLE or not may(visit.actor.role, Action.RETRY_WORK)
    if st.button("Retry", key="delivery_retry", disabled=waits, help="Choose a failed delivery above"):
        assert line is not None
        attempt(
            lambda: delivery.retry_delivery(visit.room.store, visit.actor, line.delivery_id, now=visit.now)
        )


def show_dead_letters(visit: Visit, letters: Sequence[DeadLetter]) -> None:
    """Show work that was given up, with a Retry each; the oldest page first."""
    if not letters:
        st.write("No work was given up.")
        return
    if len(letters) > PAGE_LINES:
        st.caption(f"The oldest {PAGE_LINES} of {len(letters)}; `janus-med work retry --all` takes them all.")
    for letter in letters[:PAGE_LINES]:
        _letter(visit, letter)


def show_studies(visit: Visit, state: StudyState) -> None:
    """Show studies that stay in a state."""
    name = state.value.lower()
    page = operations.stuck_studies(
        visit.room.store,
        visit.actor,
        state,
        now=visit.now,
        limit=PAGE_LINES,
        offset=offset_of(name),
    )
    st.caption(_EXPLAINED[state])
    if not page.lines:
        st.write("None.")
        return
    show_table(name, [_study(line, visit.now) for line in page.lines])
    turn_page(name, page)


def _delivery(line: WaitingDelivery, now: datetime) -> dict[str, object]:
    due = line.next_attempt_at
    if due is None:
        following = "none" if line.state == "DEAD" else "-"
    else:
        following = "now" if due <= now else utc(due)
    return {
        "No": line.delivery_id,
        "Destination": line.destination,
        "Format": line.kind,
        "State": line.state,
        "Attempts": line.attempts,
        "Reason": line.reason,
        "Waits": ago(line.created_at, now),
        "Next attempt (UTC)": following,
        "Study": line.study_uid,
    }


def _study(line: StudyLine, now: datetime) -> dict[str, object]:
    return {
        "Accession": line.accession_number,
        "Modality": line.modality,
        "From": line.calling_ae,
        "Images": line.instances,
        "Last image": ago(line.since, now),
        "Reason": line.reason,
        "Study": line.study_uid,
    }


def _letter(visit: Visit, letter: DeadLetter) -> None:
    with st.container(border=True):
        text, act = st.columns((9, 1), vertical_alignment="center")
        died = letter.died_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        text.write(f"**{plain(letter.task)}**, {letter.attempts} attempts, given up {plain(died)}")
        text.text(letter.reason)
        text.caption(plain(f"study {letter.study_uid}, job {letter.job_id}"))
        allowed = may(visit.actor.role, Action.RETRY_WORK)
        if act.button("Retry", key=f"retry_{letter.dead_letter_id}", disabled=not allowed):
            attempt(
                lambda: work.retry_dead_letter(
                    visit.room.store, visit.actor, letter.dead_letter_id, now=visit.now
                )
            )
