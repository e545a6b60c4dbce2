"""Deliveries that are not done, work that was given up, studies that do not go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app.domain.access import Action, may
from app.domain.operations import StudyLine, WaitingDelivery
from app.domain.study import StudyState
from app.domain.work import DeadLetter
from app.services import delivery, operations, work
from app.ui.session import Visit
from app.ui.terms import delivery_state
from app.ui.told import retell
from app.ui.views.operations_page import PAGE_LINES, ago, attempt, offset_of, show_table, turn_page, utc
from app.ui.views.plain import plain
from app.ui.words import phrase, say

_RETRIABLE = frozenset({"FAILED", "DEAD"})
_EXPLAINED = {
    StudyState.UNDRAFTED: phrase("Open to the readers without a draft, with the reason."),
    StudyState.RECEIVING: phrase(
        "Receiving for over 10 minutes: an association is open, or images keep coming."
    ),
    StudyState.COMPLETE: phrase("Complete, and waiting for the drafting process."),
}


def show_deliveries(visit: Visit) -> None:
    """Show what has not reached its destination, the oldest first."""
    page = operations.waiting_deliveries(
        visit.room.store, visit.actor, now=visit.now, limit=PAGE_LINES, offset=offset_of("deliveries")
    )
    if not page.lines:
        st.write(say("Everything that was signed has reached its destination."))
        return
    chosen = show_table("deliveries", [_delivery(line, visit.now) for line in page.lines])
    turn_page("deliveries", page)
    line = page.lines[chosen] if chosen is not None else None
    waits = line is None or line.state not in _RETRIABLE or not may(visit.actor.role, Action.RETRY_WORK)
    if st.button(
        say("Retry"), key="delivery_retry", disabled=waits, help=say("Choose a failed delivery above")
    ):
        assert line is not None
        attempt(
            lambda: delivery.retry_delivery(visit.room.store, visit.actor, line.delivery_id, now=visit.now)
        )


def show_dead_letters(visit: Visit, letters: Sequence[DeadLetter]) -> None:
    """Show work that was given up, with a Retry each; the oldest page first."""
    if not letters:
        st.write(say("No work was given up."))
        return
    if len(letters) > PAGE_LINES:
        st.caption(
            say(
                "The oldest {count} of {total}; `janus-med work retry --all` takes them all.",
                count=PAGE_LINES,
                total=len(letters),
            )
        )
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
    st.caption(say(_EXPLAINED[state]))
    if not page.lines:
        st.write(say("None."))
        return
    show_table(name, [_study(line, visit.now) for line in page.lines])
    turn_page(name, page)


def _delivery(line: WaitingDelivery, now: datetime) -> dict[str, object]:
    due = line.next_attempt_at
    if due is None:
        following = say("none") if line.state == "DEAD" else "-"
    else:
        following = say("now") if due <= now else utc(due)
    return {
        say("Number"): line.delivery_id,
        say("Destination"): line.destination,
        say("Format"): line.kind,
        say("State"): delivery_state(line.state),
        say("Attempts"): line.attempts,
        say("Reason"): retell(line.reason),
        say("Waits"): ago(line.created_at, now),
        say("Next attempt (UTC)"): following,
        say("Study"): line.study_uid,
    }


def _study(line: StudyLine, now: datetime) -> dict[str, object]:
    return {
        say("Accession"): line.accession_number,
        say("Modality"): line.modality,
        say("Sent by"): line.calling_ae,
        say("Images"): line.instances,
        say("Last image"): ago(line.since, now),
        say("Reason"): retell(line.reason),
        say("Study"): line.study_uid,
    }


def _letter(visit: Visit, letter: DeadLetter) -> None:
    with st.container(border=True):
        text, act = st.columns((9, 1), vertical_alignment="center")
        text.write(
            say(
                "{task}, {count} attempts, given up {time} UTC",
                task=f"**{plain(letter.task)}**",
                count=letter.attempts,
                time=plain(utc(letter.died_at)),
            )
        )
        text.text(retell(letter.reason))
        text.caption(plain(say("study {uid}, job {number}", uid=letter.study_uid, number=letter.job_id)))
        allowed = may(visit.actor.role, Action.RETRY_WORK)
        if act.button(say("Retry"), key=f"retry_{letter.dead_letter_id}", disabled=not allowed):
            attempt(
                lambda: work.retry_dead_letter(
                    visit.room.store, visit.actor, letter.dead_letter_id, now=visit.now
                )
            )
