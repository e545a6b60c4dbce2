"""A page of the audit log as a story: day by day, who did what, from where, and how long after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta

import streamlit as st

from app.domain.audit import AuditEntry, Outcome
from app.domain.audit_timeline import Kind, Step, tell_story
from app.ui.views.plain import plain

_ICONS: Mapping[Kind, str] = {
    Kind.LOOK: ":material/visibility:",
    Kind.WRITE: ":material/edit:",
    Kind.SIGN: ":material/draw:",
    Kind.SEND: ":material/send:",
    Kind.ACCESS: ":material/key:",
    Kind.SYSTEM: ":material/settings:",
    Kind.REFUSED: ":material/block:",
}


def show_timeline(entries: Sequence[AuditEntry]) -> None:
    """Show entries, oldest first."""
    days = tell_story(entries)
    if not days:
        st.write("Nothing is on record.")
    for day in days:
        st.subheader(day.day.strftime("%A, %Y-%m-%d"), anchor=False)
        for step in day.steps:
            _show(step)


def _show(step: Step) -> None:
    entry = step.entry
    at = entry.at.astimezone(UTC).strftime("%H:%M:%S")
    name = f"**{plain(entry.event)}**"
    if entry.outcome != Outcome.SUCCESS:
        name = f":red[{name} ({plain(entry.outcome)})]"
    who = plain(f"{entry.username} ({entry.role}) from {entry.source}")
    st.markdown(f"`{at}` {_ICONS[step.kind]} {name} {who}{_after(step.after)}")
    about = [f"entry {entry.seq}", *(f"{key} {value}" for key, value in entry.detail.items() if value != "")]
    if entry.study_uid:
        about.insert(1, f"study {entry.study_uid}")
    st.caption(plain(", ".join(about)[:400]))


def _after(after: timedelta | None) -> str:
    if after is None or after < timedelta(seconds=1):
        return ""
    seconds = int(after.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f", {seconds / size:.1f} {unit} later"
    return f", {seconds} s later"
