"""Who holds the pen, and how another reader gets it: by asking, with a confirmation that is recorded."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.domain.access import Action, may
from app.domain.errors import LockedByOther
from app.domain.review import LockInfo, Review
from app.services import reading
from app.ui.session import Visit, begin_visit
from app.ui.views.plain import plain


def offer_pen(visit: Visit, review: Review, *, reopen: Callable[[], None]) -> None:
    """Offer the pen to a reader who may write and does not hold it.

    Parameters
    ----------
    reopen
        Makes the next run open the study anew, which takes a free pen.
    """
    report = review.report
    if report is None or not report.is_editable or review.may_edit:
        return
    if not may(visit.actor.role, Action.EDIT_REPORT):
        return
    lock = review.lock
    if lock is None or not lock.is_held(now=visit.now) or lock.is_held_by(visit.actor.user_id, now=visit.now):
        if st.button("Edit this report", key="take_pen"):
            reopen()
            st.rerun()
        return
    if may(visit.actor.role, Action.TAKE_OVER) and st.button(
        f"Take over from {plain(lock.printed_name)}", key="take_over"
    ):
        confirm_take_over(report.report_id, lock)


@st.dialog("Take over this report?")
def confirm_take_over(report_id: int, lock: LockInfo) -> None:
    """Ask once more before the pen changes hands."""
    st.write(
        f"{plain(lock.printed_name)} has been editing since {lock.taken_at:%H\\:%M} UTC. "
        "What is saved stays; what is being typed there can no longer be saved. The takeover is recorded."
    )
    if not st.button("Take over", type="primary", key="confirm_take_over"):
        return
    visit = begin_visit()
    try:
        reading.take_over(
            visit.room.store,
            visit.actor,
            report_id,
            from_user=lock.username,
            lease=visit.room.idle,
            now=visit.now,
        )
    except LockedByOther as error:
        st.error(plain(str(error)))
        return
    st.rerun()
