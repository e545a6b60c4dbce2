"""The quality board: what readers made of AI text, by model version and by finding."""

from __future__ import annotations

import streamlit as st

from app.domain.quality import ModelQuality, Tally, drift
from app.services import quality
from app.ui.session import Visit
from app.ui.views.frame import show_head
from app.ui.views.plain import plain

SPANS = {30: "30 days", 90: "90 days", 180: "180 days"}


def show(visit: Visit) -> None:
    """Show every model version, then one of them by finding and by day."""
    show_head(visit, "quality")
    span = st.segmented_control("Signed in the last", list(SPANS), format_func=SPANS.__getitem__, default=90)
    judged = quality.quality_board(visit.room.store, visit.actor, days=span or 90, now=visit.now)
    if not judged:
        st.write("No report that began as an AI draft was signed in this time.")
        return
    for one in judged:
        if moved := drift(one.days):
            st.error(plain(f"{one.model}: {moved}."))
    st.dataframe([_model(one) for one in judged], hide_index=True, key="quality_models")
    st.caption(
        "Discordant: refused, or more than half of its characters rewritten. Changed: mean share of "
        "characters that differ. Seconds to sign: from the signer's first opening, median."
    )
    chosen = st.selectbox("Model", [one.model for one in judged])
    _show_model(next(one for one in judged if one.model == chosen))


def _show_model(one: ModelQuality) -> None:
    st.subheader("By finding")
    st.dataframe(
        [{"Finding": name, **_shares(counts)} for name, counts in one.findings.items()],
        hide_index=True,
        key="quality_findings",
    )
    st.subheader("Discordant sentences by day")
    st.bar_chart(
        {
            "day": [day.day for day in one.days],
            "discordant %": [round(100 * day.discordant / day.sentences, 1) for day in one.days],
        },
        x="day",
        y="discordant %",
    )


def _model(one: ModelQuality) -> dict[str, object]:
    seconds = None if one.seconds_to_sign is None else round(one.seconds_to_sign)
    return {"Model": one.model, "Reports": one.reports, **_shares(one.total), "Seconds to sign": seconds}


def _shares(counts: Tally) -> dict[str, object]:
    return {
        "AI sentences": counts.sentences,
        "Accepted %": round(100 * counts.acceptance, 1),
        "Edited": counts.edited,
        "Refused": counts.rejected,
        "Changed %": round(100 * counts.changed, 1),
        "Discordant %": round(100 * counts.discordance, 1),
    }
