"""The signature: the exact text once more, what stands in the way, the password again."""

from __future__ import annotations

import streamlit as st

from app.domain.attestation import Meaning, require_signable
from app.domain.errors import (
    AuthenticationFailed,
    DatabaseUnavailable,
    Rejected,
    ReportIncomplete,
    StudyRestricted,
)
from app.domain.report import Report, compose_report
from app.domain.study import Study
from app.services import reading, signing
from app.services.critical import waits_of
from app.services.destinations import choose_destinations
from app.ui.present import sign_as
from app.ui.session import Visit, begin_visit
from app.ui.views.credentials import ask_credentials, count_attempt, tell_refusal
from app.ui.views.plain import plain


@st.dialog("Sign the report", width="large")
def sign_dialog(study_uid: str) -> None:
    """Show what would be signed as it stands now, and sign it."""
    visit = begin_visit()
    try:
        review = reading.refresh(visit.room.store, visit.actor, study_uid, now=visit.now)
    except StudyRestricted:
        st.rerun()  # the page says that the access has ended
    report, signs = review.report, sign_as(visit.actor, review)
    if report is None or not signs:
        st.error("This report cannot be signed by you at this moment.")
        return
    _show_text(report)
    problem = hard_stop(report)
    if problem:
        st.error(f"Cannot be signed yet: {plain(problem)}.")
        return
    meaning = Meaning.FINAL if signs == "final" else Meaning.PRELIMINARY
    st.caption(f"You sign as {plain(visit.actor.printed_name)}. Meaning: {meaning.value}.")
    _ask_password(visit, review.study, report)


def hard_stop(report: Report) -> str:
    """Return what keeps the report from being signed; empty when nothing does."""
    try:
        require_signable(report.sentences)
    except ReportIncomplete as error:
        return str(error)
    return ""


def _show_text(report: Report) -> None:
    for section, text in compose_report(report.sentences).items():
        st.subheader(section.capitalize(), anchor=False)
        with st.container(border=True):
            st.text(text or "(empty)")


def _ask_password(visit: Visit, study: Study, report: Report) -> None:
    with st.form("sign", border=False, clear_on_submit=True):
        password = ask_credentials(visit)
        wants = st.form_submit_button("Sign", type="primary")
    if wants and _sign(visit, study, report, password):
        st.rerun()


def _sign(visit: Visit, study: Study, report: Report, password: str) -> bool:
    settings = visit.room.settings
    try:
        count_attempt(visit)
        signing.sign(
            visit.room.store,
            visit.actor,
            report.report_id,
            version=report.version,
            password=password,
            destinations=choose_destinations(study, settings.destinations),
            send_preliminary=settings.send_preliminary,
            waits=waits_of(settings.critical_minutes),
            now=visit.now,
        )
    except AuthenticationFailed as error:
        tell_refusal(error, "Nothing was signed.")
    except (Rejected, DatabaseUnavailable) as error:
        st.error(f"Not signed: {plain(str(error))}.")
    else:
        return True
    return False
