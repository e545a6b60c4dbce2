"""How another reader gets the pen: by asking, with a confirmation that is recorded."""

from __future__ import annotations

import streamlit as st

from app.domain.errors import LockedByOther
from app.domain.review import LockInfo
from app.services import reading
from app.ui.session import begin_visit
from app.ui.told import tell
from app.ui.views.plain import plain
from app.ui.words import say


def confirm_take_over(report_id: int, lock: LockInfo) -> None:
    """Ask once more before the pen changes hands."""
    st.dialog(say("Take over this report?"))(_ask)(report_id, lock)


def _ask(report_id: int, lock: LockInfo) -> None:
    visit = begin_visit()  # which says too in what language
    st.write(
        say(
            "{name} has been editing since {time} UTC. "
            "What is saved stays; what is being typed there can no longer be saved. "
            "The takeover is recorded.",
            name=plain(lock.printed_name),
            time=f"{lock.taken_at:%H\\:%M}",
        )
    )
    if not st.button(say("Take over"), type="primary", key="confirm_take_over"):
        return
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
        st.error(plain(tell(error)))
        return
    st.rerun()
