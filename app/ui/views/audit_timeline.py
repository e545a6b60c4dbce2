"""A page of the audit log as a story: day by day, who did what, from where, and how long after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta

import streamlit as st

from app.domain.audit import AuditEntry, Outcome
from app.domain.audit_timeline import Kind, Step, tell_story
from app.ui.terms import term
from app.ui.views.plain import plain
from app.ui.words import phrase, say

_ICONS: Mapping[Kind, str] = {
    Kind.LOOK: ":material/visibility:",
    Kind.WRITE: ":material/edit:",
    Kind.SIGN: ":material/draw:",
    Kind.SEND: ":material/send:",
    Kind.ACCESS: ":material/key:",
    Kind.SYSTEM: ":material/settings:",
    Kind.REFUSED: ":material/block:",
}


_WEEKDAYS = (
    phrase("Monday"),
    phrase("Tuesday"),
    phrase("Wednesday"),
    phrase("Thursday"),
    phrase("Friday"),
    phrase("Saturday"),
    phrase("Sunday"),
)


def show_timeline(entries: Sequence[AuditEntry]) -> None:
    """Show entries, oldest first."""
    days = tell_story(entries)
    if not days:
        st.write(say("Nothing is on record."))
    for day in days:
        st.subheader(f"{say(_WEEKDAYS[day.day.weekday()])}, {day.day:%Y-%m-%d}", anchor=False)
        for step in day.steps:
            _show(step)


def _show(step: Step) -> None:
    entry = step.entry
    at = entry.at.astimezone(UTC).strftime("%H:%M:%S")
    name = f"**{plain(entry.event)}**"
    if entry.outcome != Outcome.SUCCESS:
        name = f":red[{name} ({plain(entry.outcome)})]"
    who = plain(
        say(
            "{user} ({role}) from {address}", user=entry.username, role=term(entry.role), address=entry.source
        )
    )
    st.markdown(f"`{at}` {_ICONS[step.kind]} {name} {who}{_after(step.after)}")
    about = [
        say("entry {number}", number=entry.seq),
        *(f"{key} {value}" for key, value in entry.detail.items() if value != ""),
    ]
    if entry.study_uid:
        about.insert(1, say("study {uid}", uid=entry.study_uid))
    st.caption(plain(", ".join(about)[:400]))


def _after(after: timedelta | None) -> str:
    if after is None or after < timedelta(seconds=1):
        return ""
    seconds = int(after.total_seconds())
    for size, unit in ((86400, phrase("d")), (3600, phrase("h")), (60, phrase("min"))):
        if seconds >= size:
            return ", " + say("{time} later", time=f"{seconds / size:.1f} {say(unit)}")
    return ", " + say("{time} later", time=f"{seconds} s")
