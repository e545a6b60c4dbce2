"""How another reader gets the pen: by asking, with a confirmation that is recorded."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from app.domain.errors import LockedByOther
from app.domain.review import LockInfo, PenActivity
from app.services import reading
from app.ui.session import begin_visit
from app.ui.told import tell
from app.ui.views.plain import plain
from app.ui.words import say

_PRESENT = timedelta(minutes=1)


def confirm_take_over(report_id: int, lock: LockInfo) -> None:
    """Ask once more before the pen changes hands."""
    st.dialog(say("Take over this report?"))(_ask)(report_id, lock)


def _ask(report_id: int, shown: LockInfo) -> None:
    visit = begin_visit()  # which says too in what language
    store, actor, lease = visit.room.store, visit.actor, visit.room.idle
    activity = reading.activity_of_pen(store, actor, report_id, lease=lease, now=visit.now)
    st.markdown("\n\n".join(_told(activity, visit.now)))
    if not st.button(say("Take over"), type="primary", key="confirm_take_over"):
        return
    try:
        # the owner that was confirmed: another one by now needs a confirmation of its own
        reading.take_over(store, actor, report_id, from_user=shown.username, lease=lease, now=visit.now)
    except LockedByOther as error:
        st.error(plain(tell(error)))
        return
    st.rerun()


def _told(activity: PenActivity, now: datetime) -> list[str]:
    """Return what a takeover would interrupt, a line each."""
    if activity.lock is None or activity.seen_at is None:
        return [say("Nobody is editing this report any more.")]
    name, since = plain(activity.lock.printed_name), f"{activity.lock.taken_at:%H\\:%M}"
    is_there = now - activity.seen_at < _PRESENT
    return [
        say("{name} has been editing since {time} UTC.", name=name, time=since),
        say("At the screen now.")
        if is_there
        else say("Last at the screen {minutes} min ago.", minutes=_minutes(now - activity.seen_at)),
        say("Nothing was saved.")
        if activity.saved_at is None
        else say("Last saved {minutes} min ago.", minutes=_minutes(now - activity.saved_at)),
        say("Sentences that are changed and not signed: {count}. They stay.", count=activity.unsigned),
        say(
            "What is being typed there and is not saved stays on that screen, to be copied. "
            "The takeover is recorded, and the other reader is told at once."
        ),
    ]


def _minutes(time: timedelta) -> int:
    return max(0, int(time.total_seconds() // 60))
