"""The quarantine: what lies there and why, and what a person decides about it."""

from __future__ import annotations

import streamlit as st

from app.domain.access import Action, may
from app.domain.operations import QuarantineDecision, QuarantineEntry
from app.services import quarantine
from app.ui.session import Visit
from app.ui.terms import term
from app.ui.told import retell
from app.ui.views.operations_page import PAGE_LINES, attempt, offset_of, show_table, turn_page, utc
from app.ui.views.plain import plain
from app.ui.words import say


def show_quarantine(visit: Visit) -> None:
    """Show instances in quarantine, newest first, and the decision about the chosen one."""
    decided = st.toggle(say("Show decided ones too"), key="quarantine_decided")
    page = quarantine.list_quarantine(
        visit.room.store,
        visit.actor,
        now=visit.now,
        undecided_only=not decided,
        limit=PAGE_LINES,
        offset=offset_of("quarantine"),
    )
    if not page.lines:
        st.write(say("Nothing waits for a decision."))
        return
    chosen = show_table("quarantine", [_line(entry) for entry in page.lines])
    turn_page("quarantine", page)
    if not may(visit.actor.role, Action.MANAGE_QUARANTINE):
        return
    if chosen is None:
        st.caption(say("Choose an instance to decide about it."))
    else:
        _decide(visit, page.lines[chosen])


def _line(entry: QuarantineEntry) -> dict[str, object]:
    return {
        say("Number"): entry.quarantine_id,
        say("When (UTC)"): utc(entry.received_at),
        say("Sent by"): entry.calling_ae,
        say("Reason"): retell(entry.reason),
        say("Decision"): " ".join(filter(None, (term(entry.decision), entry.outcome))),
        say("By"): entry.decided_by,
        say("SOP Instance UID"): entry.sop_uid,
        say("Study"): entry.study_uid,
    }


def _decide(visit: Visit, entry: QuarantineEntry) -> None:
    with st.container(border=True):
        name = say("Instance {number}", number=entry.quarantine_id)
        st.write(f"**{name}**, {plain(retell(entry.reason))}")
        st.link_button(
            say("Download"), f"/api/quarantine/{entry.quarantine_id}", help=say("Stands in the audit log")
        )
        if entry.decision and not entry.outcome.startswith("refused"):
            told = say("{decision} by {user}", decision=term(entry.decision), user=entry.decided_by)
            st.caption(plain(told))
            return
        reason = st.text_input(say("Why"), key=f"quarantine_why_{entry.quarantine_id}", max_chars=200)
        release, discard, note = st.columns((2, 2, 8), vertical_alignment="center")
        for column, decision, title in (
            (release, QuarantineDecision.RELEASE, say("Release to intake")),
            (discard, QuarantineDecision.DISCARD, say("Discard")),
        ):
            if column.button(
                title, key=f"quarantine_{decision.value}_{entry.quarantine_id}", width="stretch"
            ):
                _act(visit, entry, decision, reason)
        note.caption(
            say(
                "Release after the cause was mended: intake takes it or says why not. "
                "The bytes stay either way until the retention policy gives them up."
            )
        )


def _act(visit: Visit, entry: QuarantineEntry, decision: QuarantineDecision, reason: str) -> None:
    attempt(
        lambda: quarantine.decide_quarantine(
            visit.room.store, visit.actor, entry.quarantine_id, decision, reason, now=visit.now
        )
    )
