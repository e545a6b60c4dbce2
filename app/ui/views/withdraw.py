"""Taking a signed report back: the reason, who will be told, the password again."""

from __future__ import annotations

import streamlit as st

from app.domain.access import Action, may
from app.domain.errors import AuthenticationFailed, DatabaseUnavailable, Rejected, StudyRestricted
from app.domain.report import WITHDRAWABLE, Report
from app.domain.review import Review
from app.services import reading, withdrawal
from app.ui.session import Visit, begin_visit
from app.ui.told import tell
from app.ui.views.credentials import ask_credentials, count_attempt, tell_refusal
from app.ui.views.plain import plain
from app.ui.words import say


def offer_withdrawal(visit: Visit, review: Review) -> None:
    """Show the button beside a report that this person may withdraw."""
    if can_withdraw(visit, review) and st.button(say("Withdraw this report ..."), key="withdraw"):
        withdraw_dialog(review.study.study_uid, review.report.report_id if review.report else 0)


def can_withdraw(visit: Visit, review: Review) -> bool:
    """Tell whether the shown report is final and this person's role may take it back."""
    is_final = review.report is not None and review.report.state in WITHDRAWABLE
    return is_final and may(visit.actor.role, Action.WITHDRAW_REPORT)


def withdraw_dialog(study_uid: str, report_id: int) -> None:
    """Say what a withdrawal does, ask for reason and password, and withdraw."""
    st.dialog(say("Withdraw the report"), width="large")(_ask_in_dialog)(study_uid, report_id)


def _ask_in_dialog(study_uid: str, report_id: int) -> None:
    visit = begin_visit()
    try:
        review = reading.refresh(visit.room.store, visit.actor, study_uid, now=visit.now)
    except StudyRestricted:
        st.rerun()  # the page says that the access has ended
    if review.report is None or review.report.report_id != report_id or not can_withdraw(visit, review):
        st.error(say("This report cannot be withdrawn by you at this moment."))
        return
    told = sorted({delivery.destination for delivery in review.deliveries})
    st.warning(
        say(
            "A withdrawn report must not be used any more. It stays on record as it was signed; "
            "this cannot be undone."
        )
    )
    names = ", ".join(told) if told else say("nobody, it was not sent")
    st.text(say("Will be told: {names}", names=names))
    st.caption(say("You act as {name}.", name=plain(visit.actor.printed_name)))
    _ask(visit, review.report)


def _ask(visit: Visit, report: Report) -> None:
    with st.form("withdraw_form", border=False):
        reason = st.text_input(say("Reason, as the receivers will read it (no patient data)"), max_chars=500)
        sure = st.checkbox(say("This report is wrong and must not be used"))
        password = ask_credentials(visit)
        wants = st.form_submit_button(say("Withdraw"), type="primary")
    if not wants:
        return
    if not sure:
        st.error(say("Confirm that the report must not be used."))
    elif _withdraw(visit, report, reason, password):
        st.rerun()


def _withdraw(visit: Visit, report: Report, reason: str, password: str) -> bool:
    try:
        count_attempt(visit)
        withdrawal.withdraw(
            visit.room.store,
            visit.actor,
            report.report_id,
            version=report.version,
            password=password,
            reason=reason,
            now=visit.now,
        )
    except AuthenticationFailed as error:
        tell_refusal(error, say("Nothing was withdrawn."))
    except (Rejected, DatabaseUnavailable) as error:
        st.error(say("Not withdrawn: {reason}.", reason=plain(tell(error))))
    else:
        return True
    return False
