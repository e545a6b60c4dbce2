"""What the lists of operations share: pages, times, and a sentence when there is nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import streamlit as st

from app.domain.operations import Page
from app.ui.words import phrase, say

PAGE_LINES = 20
Line = TypeVar("Line")


def utc(time: datetime | None) -> str:
    """Return a time for the screen, in UTC; a dash for none."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if time is not None else "-"


def ago(time: datetime | None, now: datetime) -> str:
    """Return how long ago a time was, in the largest unit that fits."""
    if time is None:
        return say("never")
    seconds = (now - time).total_seconds()
    for unit, length in ((phrase("d"), 86400), (phrase("h"), 3600), (phrase("min"), 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {say(unit)}"
    return f"{max(0.0, seconds):.0f} s"


def offset_of(name: str) -> int:
    """Return how many lines come before the page that is shown."""
    return int(st.session_state.get(f"operations_{name}", 0)) * PAGE_LINES


def show_table(name: str, lines: Sequence[Mapping[str, object]]) -> int | None:
    """Show lines of which one can be chosen; return its place."""
    shown = st.dataframe(
        [dict(line) for line in lines],
        hide_index=True,
        key=f"operations_{name}_table",
        on_select="rerun",
        selection_mode="single-row",
        height="content",
    )
    chosen = shown.selection.rows
    return chosen[0] if chosen and chosen[0] < len(lines) else None


def turn_page(name: str, page: Page[Line]) -> None:
    """Show where the page lies in its list, with the way to the others; nothing when it is all."""
    if page.total <= PAGE_LINES:
        return
    before, after, place = st.columns((1, 1, 8), vertical_alignment="center")
    offset, number = offset_of(name), int(st.session_state.get(f"operations_{name}", 0))
    if before.button(say("Previous"), key=f"operations_{name}_before", disabled=not number):
        _go(name, number - 1)
    last = offset + len(page.lines) >= page.total
    if after.button(say("Next"), key=f"operations_{name}_after", disabled=last):
        _go(name, number + 1)
    place.caption(
        say("{first} to {last} of {total}", first=offset + 1, last=offset + len(page.lines), total=page.total)
    )


def attempt(act: Callable[[], object]) -> None:
    """Do what a button asks for, and show the page anew; a refusal is shown instead."""
    from app.domain.errors import Rejected
    from app.ui.told import tell
    from app.ui.views.plain import plain

    try:
        act()
    except Rejected as error:
        st.error(plain(tell(error)))
    else:
        st.rerun()


def _go(name: str, number: int) -> None:
    st.session_state[f"operations_{name}"] = number
    st.rerun()
