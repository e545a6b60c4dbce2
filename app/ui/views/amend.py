"""Adding to a signed report, or correcting it: the text, who will be told, the password again."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.domain.access import may
from app.domain.amendment import ACTION_OF_KIND, MEANING_OF_KIND, Amendment, AmendmentKind
from app.domain.checks import Confirmation
from app.domain.errors import (
    AuthenticationFailed,
    DatabaseUnavailable,
    Rejected,
    StudyRestricted,
    WarningsNotConfirmed,
)
from app.domain.report import AMENDABLE, Report, Section
from app.domain.review import Review
from app.services import amending, reading
from app.services.destinations import choose_destinations
from app.ui.present_checks import told
from app.ui.session import Visit, begin_visit
from app.ui.terms import section_title, term
from app.ui.told import tell
from app.ui.views.credentials import ask_credentials, count_attempt, tell_refusal
from app.ui.views.plain import plain
from app.ui.words import say

_LONGEST = 10_000
_CONFIRMED = "confirmed_amendment_warnings"


def offer_amendments(visit: Visit, review: Review) -> None:
    """Show the buttons beside a report that this person may add to or correct."""
    report_id = review.report.report_id if review.report else 0
    if can_amend(visit, review, AmendmentKind.ADDENDUM) and st.button(say("Addendum ..."), key="addendum"):
        addendum_dialog(review.study.study_uid, report_id)
    if can_amend(visit, review, AmendmentKind.CORRECTION) and st.button(
        say("Correction ..."), key="correction"
    ):
        correction_dialog(review.study.study_uid, report_id)


def can_amend(visit: Visit, review: Review, kind: AmendmentKind) -> bool:
    """Tell whether the shown report is final and this person's role may do this to it."""
    is_final = review.report is not None and review.report.state in AMENDABLE and review.text is not None
    return is_final and may(visit.actor.role, ACTION_OF_KIND[kind])


def addendum_dialog(study_uid: str, report_id: int) -> None:
    """Ask for the text of an addendum and the password, and sign it."""
    st.dialog(say("Addendum to the report"), width="large")(_ask_addendum)(study_uid, report_id)


def correction_dialog(study_uid: str, report_id: int) -> None:
    """Ask for the corrected text, the reason and the password, and sign it."""
    st.dialog(say("Correct the report"), width="large")(_ask_correction)(study_uid, report_id)


def _ask_addendum(study_uid: str, report_id: int) -> None:
    visit, review = _begin(study_uid, report_id, AmendmentKind.ADDENDUM)
    if review is None or review.report is None:
        return
    report = review.report
    st.caption(say("The report stays as it was signed; the addendum stands below it under its own number."))
    _tell(visit, review, AmendmentKind.ADDENDUM)
    with st.form(f"addendum_{report_id}", border=False):
        text = st.text_area(say("Addendum"), key=f"addendum_text_{report_id}", max_chars=_LONGEST, height=200)
        password = ask_credentials(visit)
        wants = st.form_submit_button(say("Sign the addendum"), type="primary")
    if wants and _signed(
        visit,
        report,
        lambda confirmation: amending.add_addendum(
            visit.room.store,
            visit.actor,
            report_id,
            version=report.version,
            password=password,
            text=text,
            destinations=choose_destinations(review.study, visit.room.settings.destinations),
            confirmation=confirmation,
            now=visit.now,
        ),
    ):
        st.rerun()


def _ask_correction(study_uid: str, report_id: int) -> None:
    visit, review = _begin(study_uid, report_id, AmendmentKind.CORRECTION)
    if review is None or review.report is None:
        return
    report = review.report
    st.warning(
        say("The corrected text replaces the earlier one, which stays on record. The receivers are told why.")
    )
    _tell(visit, review, AmendmentKind.CORRECTION)
    with st.form(f"correction_{report_id}", border=False):
        sections = _ask_sections(review, report)
        reason = st.text_input(
            say("Reason, as the receivers will read it (no patient data)"),
            key=f"correction_reason_{report_id}",
            max_chars=500,
        )
        password = ask_credentials(visit)
        wants = st.form_submit_button(say("Sign the correction"), type="primary")
    if wants and _signed(
        visit,
        report,
        lambda confirmation: amending.correct_report(
            visit.room.store,
            visit.actor,
            report_id,
            version=report.version,
            password=password,
            sections=sections,
            reason=reason,
            destinations=choose_destinations(review.study, visit.room.settings.destinations),
            confirmation=confirmation,
            now=visit.now,
        ),
    ):
        st.rerun()


def _begin(study_uid: str, report_id: int, kind: AmendmentKind) -> tuple[Visit, Review | None]:
    """Return the visit and the report as it stands now; None, in words, when it cannot be amended."""
    visit = begin_visit()
    try:
        review = reading.refresh(visit.room.store, visit.actor, study_uid, now=visit.now)
    except StudyRestricted:
        st.rerun()  # the page says that the access has ended
    is_shown = review.report is not None and review.report.report_id == report_id
    if is_shown and can_amend(visit, review, kind):
        return visit, review
    st.error(_refused(kind))
    return visit, None


def _tell(visit: Visit, review: Review, kind: AmendmentKind) -> None:
    """Say who will be told, and what the signature means."""
    configured = choose_destinations(review.study, visit.room.settings.destinations)
    receivers = sorted(
        {name for name, _ in configured} | {delivery.destination for delivery in review.deliveries}
    )
    names = ", ".join(receivers) if receivers else say("nobody, there is no destination")
    st.text(say("Will be told: {names}", names=names))
    meaning = term(MEANING_OF_KIND[kind])
    st.caption(
        say("You sign as {name}. Meaning: {meaning}.", name=plain(visit.actor.printed_name), meaning=meaning)
    )


def _ask_sections(review: Review, report: Report) -> dict[str, str]:
    """Show the text in force for editing; what was typed belongs to the version that was on the screen."""
    assert review.text is not None
    in_force = review.text.sections
    return {
        section.value: st.text_area(
            section_title(section.value),
            value=in_force.get(section.value, ""),
            key=f"correction_{section.value}_{report.report_id}_{report.version}",
            max_chars=_LONGEST,
            height=150,
        )
        for section in Section
    }


def _signed(visit: Visit, report: Report, act: Callable[[Confirmation | None], Amendment]) -> bool:
    """Sign; warnings are shown once, and signing the same again confirms exactly those."""
    try:
        count_attempt(visit)
        act(st.session_state.get(_CONFIRMED))
    except AuthenticationFailed as error:
        tell_refusal(error, say("Nothing was signed."))
    except WarningsNotConfirmed as error:
        marks = frozenset(check.mark for check in error.checks)
        st.session_state[_CONFIRMED] = Confirmation(report.version, marks)
        for check in error.checks:
            st.warning(plain(told(check)), icon=":material/warning:")
        st.info(say("Not signed yet. Change the text, or sign again to confirm these warnings as intended."))
    except (Rejected, DatabaseUnavailable) as error:
        st.error(say("Not signed: {reason}.", reason=plain(tell(error))))
    else:
        st.session_state.pop(_CONFIRMED, None)
        return True
    return False


def _refused(kind: AmendmentKind) -> str:
    if kind is AmendmentKind.ADDENDUM:
        return say("This report cannot get an addendum by you at this moment.")
    return say("This report cannot get a correction by you at this moment.")
