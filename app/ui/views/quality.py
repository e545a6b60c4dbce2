"""The quality board: what readers made of AI text, by model version, finding, modality, day and month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.domain.access import Action, may
from app.domain.quality import Cause, ModelQuality, Tally
from app.domain.quality_band import drift
from app.services import quality
from app.ui.session import Visit
from app.ui.views.frame import show_head
from app.ui.views.plain import plain
from app.ui.views.quality_plots import show_days, show_findings, show_months
from app.ui.views.quality_sections import show_sections
from app.ui.views.second_review_figures import show_agreement
from app.ui.words import say

_DEFAULT_DAYS = 90


def show(visit: Visit) -> None:
    """Show every model version, then one of them; beside it the second reviews, and one's own figures."""
    show_head(visit, "quality")
    days = _asked_days()
    judged = quality.quality_board(visit.room.store, visit.actor, days=days, now=visit.now)
    if judged:
        _show_models(visit, judged, days)
    else:
        st.write(say("No report that began as an AI draft was signed in this time."))
    show_sections(visit, days)
    show_agreement(visit, days)
    if may(visit.actor.role, Action.SIGN_FINAL):
        _show_own(visit, days)


def _asked_days() -> int | None:
    spans = {"30": say("30 days"), "90": say("90 days"), "180": say("180 days"), "all": say("everything")}
    asked = st.segmented_control(
        say("Signed in the last"),
        list(spans),
        format_func=spans.__getitem__,
        default="90",
        key="quality_days",
    )
    return None if asked == "all" else int(asked or _DEFAULT_DAYS)


def _show_models(visit: Visit, judged: Sequence[ModelQuality], days: int | None) -> None:
    watched = quality.watched_days(visit.room.store, visit.actor, now=visit.now)
    for model, own in watched.items():
        if moved := drift(own):
            st.error(plain(f"{model}: {moved}."))
    st.dataframe([_model(one) for one in judged], hide_index=True, key="quality_models")
    _say_what_counts()
    st.link_button(say("Export CSV"), "/quality/board.csv" + (f"?days={days}" if days else ""))
    chosen = st.selectbox(say("Model"), [one.model for one in judged], key="quality_model")
    one = next(one for one in judged if one.model == chosen)
    st.subheader(say("Discordant sentences by day, last {days} days", days=quality.BOARD_DAYS))
    show_days(watched.get(one.model, ()), key="quality_by_day")
    _show_model(one)


def _show_model(one: ModelQuality) -> None:
    st.subheader(say("By finding"))
    if one.findings:
        show_findings(one.findings, key="quality_findings_plot")
    st.dataframe(_by_name(say("Finding"), one.findings), hide_index=True, key="quality_findings")
    left, right = st.columns(2)
    with left:
        st.subheader(say("By modality"))
        st.dataframe(_by_name(say("Modality"), one.modalities), hide_index=True, key="quality_modalities")
    with right:
        st.subheader(say("Time to sign by month"))
        if one.months:
            show_months(one.months, key="quality_months_plot")
            st.dataframe(
                [
                    {
                        say("Month"): f"{month:%Y-%m}",
                        say("Reports"): times.reports,
                        say("Median s"): round(times.median),
                        say("90th percentile s"): round(times.p90),
                    }
                    for month, times in one.months.items()
                ],
                hide_index=True,
                key="quality_months",
            )


def _show_own(visit: Visit, days: int | None) -> None:
    """Show the reader's own figures: to them alone."""
    with st.expander(say("My own reports (nobody else sees this)")):
        own = quality.own_quality(visit.room.store, visit.actor, days=days, now=visit.now)
        if not own:
            st.write(say("You have signed no report that began as an AI draft in this time."))
            return
        st.dataframe([_model(one) for one in own], hide_index=True, key="quality_own")


def _say_what_counts() -> None:
    st.caption(
        say(
            "Discordant: refused; or edited so that a negation or the side turns (by rules over English "
            "words); or more than half of the characters rewritten, whatever they mean. A slip of the pen is "
            "not. Intervals: 95 %, Wilson. Changed: mean share of characters that differ. Words: changed in "
            "an edited sentence, mean. Seconds: from the signer's first opening to the signature. No figure "
            "here is about one reader."
        )
    )


def _by_name(title: str, tallies: Mapping[str, Tally]) -> list[dict[str, object]]:
    return [{title: name, **_shares(counts)} for name, counts in tallies.items()]


def _model(one: ModelQuality) -> dict[str, object]:
    times = one.times
    return {
        say("Model"): one.model,
        say("Reports"): one.reports,
        **_shares(one.total),
        say("Median s"): None if times is None else round(times.median),
        say("90th percentile s"): None if times is None else round(times.p90),
    }


def _shares(counts: Tally) -> dict[str, object]:
    low, high = counts.discordance_interval
    causes = counts.causes
    return {
        say("AI sentences"): counts.sentences,
        say("Accepted %"): round(100 * counts.acceptance, 1),
        say("Edited"): counts.edited,
        say("Refused"): counts.rejected,
        say("Changed %"): round(100 * counts.changed, 1),
        say("Words"): round(counts.words, 1),
        say("Discordant %"): round(100 * counts.discordance, 1),
        say("95 % interval"): f"{100 * low:.1f} - {100 * high:.1f}",
        say("Negation turned"): causes.get(Cause.NEGATION, 0),
        say("Side turned"): causes.get(Cause.SIDE, 0),
        say("Rewritten"): causes.get(Cause.REWRITTEN, 0),
    }
