"""The question before a reader opens a study whose report they review for the second time, blind so far."""

from __future__ import annotations

import streamlit as st

from app.ui.session import Visit
from app.ui.views.frame import go_to, show_head
from app.ui.words import say

_ACCEPTED = "not_blind_accepted"


def has_accepted(study_uid: str) -> bool:
    """Tell whether this person has just accepted it for this study; asked once for each opening."""
    return bool(st.session_state.pop(_ACCEPTED, "") == study_uid)


def ask_first(visit: Visit, study_uid: str) -> None:
    """Say what opening does to the second review, and offer both ways."""
    show_head(visit, "review")
    st.warning(
        say(
            "You have taken the second review of this study and have not scored it. Here you would see who "
            "signed the report and what the AI had drafted: your review would count as not blind, for good."
        )
    )
    if st.button(say("Back to the second reviews"), type="primary", key="not_blind_back"):
        go_to("second_review")
    if st.button(say("Open it: my review counts as not blind"), key="not_blind_open"):
        st.session_state[_ACCEPTED] = study_uid
        st.rerun()
