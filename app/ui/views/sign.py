"""The signature: the exact text once more, what stands in the way, the password again."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.domain.attestation import Meaning
from app.domain.checks import Check, Confirmation, confirm, stops_of, warnings_of
from app.domain.errors import (
    AuthenticationFailed,
    DatabaseUnavailable,
    Rejected,
    StudyRestricted,
    WarningsNotConfirmed,
)
from app.domain.report import Report, compose_report
from app.domain.study import Study
from app.services import reading, signing
from app.services.checks import check_open_report
from app.services.critical import waits_of
from app.services.destinations import choose_destinations
from app.ui.components.library import mount
from app.ui.present import sign_as
from app.ui.present_checks import told
from app.ui.session import Visit, begin_visit
from app.ui.views.credentials import ask_credentials, count_attempt, tell_refusal
from app.ui.views.plain import plain
from app.ui.words import say

_CONFIRMED = "confirmed_warnings"
CONFIRM_KEY = "w"


def sign_dialog(study_uid: str) -> None:
    """Show what would be signed as it stands now, and sign it."""
    st.dialog(say("Sign the report"), width="large")(_show)(study_uid)


def _show(study_uid: str) -> None:
    visit = begin_visit()
    try:
        review = reading.refresh(visit.room.store, visit.actor, study_uid, now=visit.now)
    except StudyRestricted:
        st.rerun()  # the page says that the access has ended
    signs = sign_as(visit.actor, review)
    if review.report is None or not signs:
        st.error(say("This report cannot be signed by you at this moment."))
        return
    checked = check_open_report(visit.room.store, visit.actor, review.report.report_id, now=visit.now)
    report = checked.report
    _show_text(report)
    if _tell_stops(checked.checks):
        return
    confirmation = ask_to_confirm(report, checked.checks)
    if confirmation is None:
        return
    meaning = Meaning.FINAL if signs == "final" else Meaning.PRELIMINARY
    name = plain(visit.actor.printed_name)
    st.caption(say("You sign as {name}. Meaning: {meaning}.", name=name, meaning=say(meaning.value)))
    _ask_password(visit, review.study, report, confirmation)


def ask_to_confirm(report: Report, checks: Sequence[Check]) -> Confirmation | None:
    """Show the warnings of a report; return the reader's word for all of them, None while there is none.

    What was confirmed holds for this version and these warnings: another one is asked about again.
    """
    warnings = warnings_of(checks)
    asked = confirm(report, checks)
    if not warnings:
        return asked
    for check in warnings:
        st.warning(plain(told(check)), icon=":material/warning:")
    if st.session_state.get(_CONFIRMED) == (report.report_id, asked):
        st.caption(say("You have confirmed these warnings."))
        return asked
    st.button(
        say("Confirm {count} warning(s) as intended", count=len(warnings)),
        key="confirm_warnings",
        type="primary",
        shortcut=CONFIRM_KEY,
        on_click=_remember,
        args=((report.report_id, asked),),
    )
    return None


def _remember(confirmed: tuple[int, Confirmation]) -> None:
    """Keep the reader's word for what was on the screen when the button was shown."""
    st.session_state[_CONFIRMED] = confirmed


def _tell_stops(checks: Sequence[Check]) -> bool:
    """Show what keeps the report from being signed, and tell whether anything does."""
    stops = stops_of(checks)
    if stops:
        st.error(say("Cannot be signed yet:"))
        for check in stops:
            st.error(plain(told(check)), icon=":material/block:")
        for check in warnings_of(checks):
            st.warning(plain(told(check)), icon=":material/warning:")
    return bool(stops)


def _show_text(report: Report) -> None:
    for section, text in compose_report(report.sentences).items():
        st.subheader(say(section.capitalize()), anchor=False)
        with st.container(border=True):
            st.text(text or say("(empty)"))


def _ask_password(visit: Visit, study: Study, report: Report, confirmation: Confirmation) -> None:
    with st.form("sign", border=False, clear_on_submit=True):
        password = ask_credentials(visit)
        wants = st.form_submit_button(say("Sign"), type="primary")
    mount("first_field", {}, key="sign_first_field")
    if wants and _sign(visit, study, report, confirmation, password):
        st.session_state.pop(_CONFIRMED, None)
        st.rerun()


def _sign(visit: Visit, study: Study, report: Report, confirmation: Confirmation, password: str) -> bool:
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
            confirmation=confirmation,
            send_preliminary=settings.send_preliminary,
            waits=waits_of(settings.critical_minutes),
            now=visit.now,
        )
    except AuthenticationFailed as error:
        tell_refusal(error, say("Nothing was signed."))
    except WarningsNotConfirmed as error:
        for check in error.checks:
            st.warning(plain(told(check)), icon=":material/warning:")
        st.error(say("Not signed: a warning has come up since. Close this and sign again."))
    except (Rejected, DatabaseUnavailable) as error:
        st.error(say("Not signed: {reason}.", reason=plain(str(error))))
    else:
        return True
    return False
