"""Earlier studies of the patient beside the current one, with what their reports say."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.domain.prior import Prior, PriorState
from app.ui.views.frame import go_to
from app.ui.views.plain import plain

_STATES = {
    PriorState.WANTED: "on its way from the archive",
    PriorState.ATTACHED: "here",
    PriorState.FAILED: "could not be fetched",
}


def show_priors(priors: Sequence[Prior]) -> None:
    """Show what was found, folded away; a study without priors shows nothing."""
    if not priors:
        return
    with st.expander(f"Earlier studies ({len(priors)})"):
        for prior in priors:
            _show(prior)


def _show(prior: Prior) -> None:
    date = prior.study_date
    day = f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 else "date unknown"
    facts = " ".join(part for part in (day, prior.modality, prior.description) if part)
    text, act = st.columns((8, 2), vertical_alignment="center")
    text.write(plain(facts))
    text.caption(plain(f"{_STATES[prior.state]}{f': {prior.reason}' if prior.reason else ''}"))
    if prior.state is PriorState.ATTACHED and act.button("Open", key=f"prior_{prior.prior_uid}"):
        go_to("review", study=prior.prior_uid)
    if prior.report_text:
        st.text(prior.report_text)
