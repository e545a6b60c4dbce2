"""The review of one study: images, the draft with its evidence, the report as it becomes the reader's own."""

from __future__ import annotations

import streamlit as st

from app.domain.access import Action, may
from app.domain.errors import NotBlind, StudyRestricted
from app.domain.identifiers import require_uid
from app.domain.review import Review
from app.domain.study import StudyState
from app.services import reading
from app.ui.components.library import mount
from app.ui.present import editor_data, findings_data, viewer_data
from app.ui.present_order import context_data
from app.ui.present_writing import writing_data
from app.ui.session import Visit
from app.ui.terms import report_state
from app.ui.told import retell
from app.ui.views.amend import offer_amendments
from app.ui.views.amendments import show_chain, show_correction
from app.ui.views.critical import critical_dialog, offer_loops
from app.ui.views.documents import offer_signed_pdf
from app.ui.views.draft_record import offer_record, warn_of_stop
from app.ui.views.emergency import ask_for_reason, show_running
from app.ui.views.frame import go_to, show_head
from app.ui.views.locks import confirm_take_over
from app.ui.views.not_blind import ask_first, has_accepted
from app.ui.views.plain import plain
from app.ui.views.priors import show_context_panel
from app.ui.views.reading_list import HELD, OPENED, look_ahead, show_steps
from app.ui.views.sign import sign_dialog
from app.ui.views.withdraw import offer_withdrawal
from app.ui.words import say

_TRIGGERS = ("sign", "critical", "takeover", "reopen", "newest", "reload")


def show(visit: Visit) -> None:
    """Show the study that the address names."""
    try:
        review = open_or_refresh(visit)
    except StudyRestricted as refusal:
        leave(visit)
        ask_for_reason(visit, refusal.study_uid)
        return
    except NotBlind:
        leave(visit)
        ask_first(visit, require_uid(st.query_params.get("study", "")))
        return
    look_ahead(visit, review)
    st.session_state[HELD] = review.report.report_id if review.report and review.may_edit else None
    show_head(visit, "review", review.study)
    show_running(visit, review.emergency)
    images, text = st.columns((58, 42))
    with images:
        mount("viewer", viewer_data(review, csrf=visit.csrf), key="viewer")
    with text:
        show_steps(visit, review)
        _choose_report(review)
        _show_context(review)
        offer_loops(visit, review)
        warn_of_stop(review)
        show_correction(review.text)
        show_context_panel(visit, review)
        _edit(visit, review)
        show_chain(review.text)
        offer_amendments(visit, review)
        offer_signed_pdf(visit, review)
        offer_record(review)
        offer_withdrawal(visit, review)


def open_or_refresh(visit: Visit) -> Review:
    """Open the study on the first run, and look at it again on the next: only opening is recorded."""
    study_uid = require_uid(st.query_params.get("study", ""))
    chosen = st.query_params.get("report", "")
    report_id = int(chosen) if chosen.isascii() and chosen.isdigit() else None
    opening = (study_uid, report_id)
    if st.session_state.get(OPENED) == opening:
        return reading.refresh(visit.room.store, visit.actor, study_uid, now=visit.now)
    review = reading.open_study(
        visit.room.store,
        visit.actor,
        study_uid,
        now=visit.now,
        lease=visit.room.idle,
        report_id=report_id,
        not_blind=has_accepted(study_uid),
    )
    st.session_state[OPENED] = opening
    return review


def leave(visit: Visit) -> None:
    """Put the pen down when the reader goes elsewhere."""
    held = st.session_state.pop(HELD, None)
    _forget()
    if held is not None and may(visit.actor.role, Action.EDIT_REPORT):
        reading.release_lock(visit.room.store, visit.actor, held, now=visit.now)


def _forget() -> None:
    """Make the next run open the study anew."""
    st.session_state.pop(OPENED, None)


def _show_context(review: Review) -> None:
    """Show why the study was made, and warn when the draft was made without knowing it."""
    shown = context_data(review)
    for warning in shown["warnings"]:
        st.warning(plain(retell(warning)))
    if shown["lines"]:
        st.info("\n\n".join(f"**{say(name)}** {plain(text)}" for name, text in shown["lines"]))


def _edit(visit: Visit, review: Review) -> None:
    """Show the report, or why there is none yet."""
    if review.study.state is StudyState.EXCLUDED:
        st.info(say("A routing rule excludes this study: {reason}", reason=plain(review.study.reason)))
        return
    if review.report is None:
        st.info(
            say("This study waits for its draft. The report can be written as soon as drafting has ended.")
        )
        if st.button(say("Look again")):
            _forget()
            st.rerun()
        return
    data = {
        **editor_data(review, visit.actor, now=visit.now),
        "csrf": visit.csrf,
        "idleSeconds": visit.room.idle.total_seconds(),
        "findings": findings_data(review.draft),
        **writing_data(visit, may_edit=review.may_edit),
    }
    events = mount("editor", data, key="editor", triggers=_TRIGGERS)
    if events["sign"]:
        sign_dialog(review.study.study_uid)
    elif events["critical"]:
        critical_dialog(review.study.study_uid)
    elif events["takeover"] and review.lock is not None:
        confirm_take_over(review.report.report_id, review.lock)
    elif events["reopen"]:
        _forget()
        st.rerun()
    elif events["newest"]:
        _forget()
        go_to("review", study=review.study.study_uid)


def _choose_report(review: Review) -> None:
    """Offer the other reports of the study: a signed one stays visible after a late image."""
    if not review.others or review.report is None:
        return
    shown = review.report
    named = [(one.report_id, one.revision, one.state) for one in review.others]
    every = {
        number: say("revision {number}: {state}", number=revision, state=report_state(state))
        for number, revision, state in [(shown.report_id, shown.revision, shown.state), *named]
    }
    every[shown.report_id] += " " + say("(shown)")
    wanted = st.selectbox(say("Report"), list(every), format_func=every.__getitem__)
    if wanted != shown.report_id:
        go_to("review", study=review.study.study_uid, report=str(wanted))
