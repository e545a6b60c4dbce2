"""Second reviews: what waits for this reader, one case with its images, remarks on own reports."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app.domain.errors import Conflict, InvalidTransition, NotAuthorised, NotFound, Rejected
from app.domain.second_review import BlindCase, Score, SecondReview
from app.services import second_review
from app.services.priors import as_current
from app.ui.components.library import mount
from app.ui.present import viewer_data
from app.ui.present_context import prior_data
from app.ui.present_order import context_data
from app.ui.session import Visit
from app.ui.told import tell
from app.ui.views.frame import go_to, show_head
from app.ui.views.operations_page import attempt, utc
from app.ui.views.plain import plain
from app.ui.words import say

_TAKEN, _PROBLEM, _DONE = "second_review_taken", "second_review_problem", "second_review_done"


def show(visit: Visit) -> None:
    """Show the case that was taken, or the list."""
    if _TAKEN in st.session_state:
        _show_case(visit, int(st.session_state[_TAKEN]))
        return
    show_head(visit, "second_review")
    if done := st.session_state.pop(_DONE, ""):
        st.success(done)
    _show_waiting(visit)
    _show_remarks(visit)
    _show_scored(visit)


def leave() -> None:
    """Forget on the page which case was open; it stays this reader's for a day."""
    st.session_state.pop(_TAKEN, None)
    st.session_state.pop(_PROBLEM, None)


def _show_waiting(visit: Visit) -> None:
    st.subheader(say("Waiting for a second review"))
    waiting = second_review.waiting_reviews(visit.room.store, visit.actor, now=visit.now)
    st.caption(
        say(
            "Signed reports, drawn at random by the week. You see neither who signed nor what the model "
            "wrote until you have scored. Your own reports and studies that are closed to you are not in it."
        )
    )
    if not waiting:
        st.write(say("Nothing waits for you."))
        return
    if st.button(say("Next second review"), key="second_review_next", shortcut="n"):
        _take(waiting[0])
    st.table([_waiting_line(review, visit) for review in waiting[:50]])
    if len(waiting) > 50:
        st.caption(say("{count} more", count=len(waiting) - 50))


def _take(review: SecondReview) -> None:
    st.session_state[_TAKEN] = review.review_id
    st.rerun()


def _waiting_line(review: SecondReview, visit: Visit) -> dict[str, object]:
    is_mine = review.reviewer_id == visit.actor.user_id
    return {
        say("Number"): review.review_id,
        say("Week of the signature"): review.week.isoformat(),
        say("State"): say("begun by you") if is_mine else say("open"),
    }


def _show_case(visit: Visit, review_id: int) -> None:
    try:
        case = second_review.open_second_review(visit.room.store, visit.actor, review_id, now=visit.now)
    except (Conflict, NotAuthorised, NotFound) as error:
        leave()
        show_head(visit, "second_review")
        st.error(plain(tell(error)))
        return
    show_head(visit, "second_review", case.review.study)
    images, text = st.columns((58, 42))
    with images:
        viewer = viewer_data(case.review, csrf=visit.csrf, prior_at=_prior_at(case))
        mount("viewer", viewer, key="second_review_viewer")
    with text:
        for _, line in context_data(case.review)["lines"]:
            st.info(plain(line))
        events = mount(
            "second_review", _case_data(case, visit.csrf), key="second_review", triggers=("score", "back")
        )
    if isinstance(events["score"], Mapping):
        _score(visit, events["score"])
    elif events["back"] == review_id:
        second_review.give_back(visit.room.store, visit.actor, review_id, now=visit.now)
        leave()
        st.rerun()


def _score(visit: Visit, sent: Mapping[str, object]) -> None:
    """Keep the score and go back to the list; what is missing is said beside the form."""
    try:
        scored = second_review.score_second_review(
            visit.room.store,
            visit.actor,
            int(str(sent.get("review"))),
            Score(str(sent.get("score"))),
            str(sent.get("comment", "")),
            now=visit.now,
        )
    except (Rejected, InvalidTransition) as error:
        st.session_state[_PROBLEM] = tell(error)
    else:
        leave()
        st.session_state[_DONE] = say("Second review {number} is scored.", number=scored.review_id)
    st.rerun()


def _case_data(case: BlindCase, csrf: str) -> dict[str, object]:
    current, at = as_current(case.review.study), _prior_at(case)
    priors = [{**prior_data(prior, current), "open": at} for prior in case.review.priors]
    return {
        "review": case.second_review.review_id,
        "sections": [{"name": _section_name(name), "text": text} for name, text in case.sections.items()],
        "scores": [{"value": score.value, "meaning": meaning} for score, meaning in _meanings().items()],
        "prior": priors[0] if priors else None,
        "csrf": csrf,
        "problem": st.session_state.pop(_PROBLEM, ""),
    }


def _prior_at(case: BlindCase) -> str:
    return f"/api/second-reviews/{case.second_review.review_id}/prior/open"


def _section_name(name: str) -> str:
    names = {"findings": say("Findings"), "impression": say("Impression")}
    return names.get(name, name.title())


def _meanings() -> Mapping[Score, str]:
    return {
        Score.CONCUR: say("I concur"),
        Score.HARD_UNLIKELY: say("Discrepancy, hard to see; unlikely to matter to the patient"),
        Score.HARD_LIKELY: say("Discrepancy, hard to see; likely to matter to the patient"),
        Score.MISSED_UNLIKELY: say("Should be seen most of the time; unlikely to matter to the patient"),
        Score.MISSED_LIKELY: say("Should be seen most of the time; likely to matter to the patient"),
    }


def _show_remarks(visit: Visit) -> None:
    """Show what second readers said of this person's own reports: to them alone, without names."""
    remarks = second_review.remarks_for_me(visit.room.store, visit.actor, now=visit.now)
    if not remarks:
        return
    st.subheader(say("What second readers found in your reports"))
    for remark in remarks:
        with st.container(border=True):
            text, act = st.columns((8, 2), vertical_alignment="center")
            text.markdown(f"**{remark.score.value}** {plain(_meanings()[remark.score])}")
            text.markdown(plain(remark.comment) or "-")
            text.caption(say("{time} UTC", time=utc(remark.scored_at)))
            if remark.study_uid and act.button(
                say("Open the study"), key=f"second_review_study_{remark.review_id}"
            ):
                go_to("review", study=remark.study_uid)


def _show_scored(visit: Visit) -> None:
    """Show what this person has scored: now with the signer, and the way to correct a score."""
    scored = second_review.scored_by_me(visit.room.store, visit.actor, now=visit.now)
    if not scored:
        return
    with st.expander(say("Scored by me, last {days} days", days=second_review.REMARK_DAYS)):
        st.table(
            [
                {
                    say("Number"): review.review_id,
                    say("Score"): "" if review.score is None else review.score.value,
                    say("Comment"): review.comment,
                    say("Signed by"): signer,
                    say("Began as"): say("AI draft") if review.with_draft else say("written by hand"),
                }
                for review, signer in scored
            ]
        )
        _offer_correction(visit, [review for review, _ in scored])


def _offer_correction(visit: Visit, scored: list[SecondReview]) -> None:
    """Offer another score: the former stays on record, and the new one counts as not blind."""
    meanings = _meanings()
    with st.form("second_review_correct", border=False):
        number = st.selectbox(say("Correct number"), [review.review_id for review in scored])
        score = st.selectbox(
            say("Score"), list(meanings), format_func=lambda one: f"{one.value}: {meanings[one]}"
        )
        comment = st.text_input(say("Comment"), max_chars=2000, key="second_review_comment")
        wants = st.form_submit_button(say("Correct the score"))
    if wants:
        attempt(
            lambda: second_review.correct_second_review(
                visit.room.store, visit.actor, int(number), score, comment, now=visit.now
            )
        )
