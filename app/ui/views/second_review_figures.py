"""What second reviews have found, on the quality board: agreement with its interval, by AI draft or not."""

from __future__ import annotations

import streamlit as st

from app.domain.alert import AlertKind
from app.domain.second_review import SIGNIFICANT, Agreement, Score
from app.services import second_review
from app.services.alerts import open_alerts
from app.ui.session import Visit
from app.ui.told import retell
from app.ui.views.plain import plain
from app.ui.words import say


def show_agreement(visit: Visit, days: int | None) -> None:
    """Show the sums of second reviews; how to begin when there is none."""
    st.subheader(say("Second reviews"))
    found = second_review.agreement(visit.room.store, visit.actor, days=days, now=visit.now)
    for alert in open_alerts(visit.room.store):
        if alert.kind is AlertKind.SECOND_REVIEW:
            st.error(plain(f"{alert.subject}: {retell(alert.reason)}"))
    percent = visit.room.settings.second_review_percent
    if not any(one.reviews for one in found.values()):
        st.write(
            say("No second review was scored in this time.")
            if percent
            else say("No second reviews are drawn: the administrator sets JANUS_MED_SECOND_REVIEW_PERCENT.")
        )
        return
    names = {True: say("Began as an AI draft"), False: say("Written without a draft")}
    st.dataframe(
        [{say("Reports"): names[is_ai], **_line(one)} for is_ai, one in found.items()],
        hide_index=True,
        key="quality_second_reviews",
        width="content",
    )
    st.caption(
        say(
            "A random sample of signed reports, read by another attending who saw neither the signer nor the "
            "draft. Scores 1 to 3b as in RADPEER; significant: 2b and 3b. Not blind: the reviewer had opened "
            "the study before, or corrected the score later. Intervals: 95 %, Wilson."
        )
    )


def _line(one: Agreement) -> dict[str, object]:
    return {
        say("Reviews"): one.reviews,
        say("Agreement % (score 1)"): _share(one, Score.CONCUR),
        say("Significant % (2b, 3b)"): _share(one, *sorted(SIGNIFICANT)),
        **{score.value: one.scores.get(score, 0) for score in Score},
        say("Not blind"): one.not_blind,
    }


def _share(one: Agreement, *scores: Score) -> str:
    if not one.reviews:
        return "-"
    share, low, high = one.share(*scores)
    return f"{100 * share:.1f} ({100 * low:.1f} - {100 * high:.1f})"
