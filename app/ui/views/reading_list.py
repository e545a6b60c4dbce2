"""Reading through a list: the next case, the one before, and what comes after a signature."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.domain.access import Action, may
from app.domain.review import Review
from app.domain.worklist import WorklistQuery
from app.services import reading
from app.services.next_study import expected_images, next_study, unread_by
from app.services.preferences import read_preference, save_preference
from app.ui.components.library import mount
from app.ui.session import Visit
from app.ui.views.frame import go_to
from app.ui.warming import Warming
from app.ui.words import say

OPEN_NEXT = "open_next_after_signing"
OPENED = "opened_study"
HELD = "held_report"
_LIST = "reading_list"
_PASSED = "passed_studies"
_SEEN = "state_when_seen"
_AHEAD = "looked_ahead_from"
_MOST_PASSED = 500
_AHEAD_AFTER_S = 2.0  # the pictures of the case that has just been opened go first


def follow_list(query: WorklistQuery) -> None:
    """Remember the list that is on the screen: the next case comes from it."""
    st.session_state[_LIST] = replace(query, offset=0)
    st.session_state[_PASSED] = []


def list_left() -> WorklistQuery | None:
    """Return the list that was last on the screen; None before the first."""
    left: WorklistQuery | None = st.session_state.get(_LIST)
    return left


def show_steps(visit: Visit, review: Review) -> None:
    """Offer the next case and the one before; after a signature go on, if the reader wants that."""
    study = review.study.study_uid
    passed = st.session_state.setdefault(_PASSED, [])
    if study not in passed:
        passed.append(study)
        del passed[:-_MOST_PASSED]
    goes_on, has_signed = _goes_on(visit), _has_just_signed(visit, review)
    if goes_on and has_signed:
        open_next(visit, study)
    events = mount(
        "steps",
        {
            "mayGoBack": passed.index(study) > 0,
            "goesOn": goes_on,
            "maySign": may(visit.actor.role, Action.EDIT_REPORT),
        },
        key="steps",
        triggers=("next", "previous", "goesOn"),
    )
    if events["goesOn"] is not None:
        st.session_state[OPEN_NEXT] = bool(events["goesOn"]["on"])
        save_preference(visit.room.store, visit.actor, OPEN_NEXT, st.session_state[OPEN_NEXT], now=visit.now)
        st.rerun()
    if events["next"]:
        open_next(visit, study)
    if events["previous"] and passed.index(study) > 0:
        _put_down(visit)
        go_to("review", study=passed[passed.index(study) - 1])


def open_next(visit: Visit, after: str = "") -> None:
    """Open the next case of the list; say so when there is none."""
    passed = st.session_state.get(_PASSED, [])
    following = next_study(
        visit.room.store,
        visit.actor,
        st.session_state.get(_LIST, WorklistQuery()),
        after=after,
        passed=passed,
        lease=visit.room.idle,
        now=visit.now,
    )
    if following is None:
        st.toast(say("No further study of this list waits for a report."))
        return
    _put_down(visit)
    study = following.study.study_uid
    # it was opened just now, on record: the page looks at it and does not open it again
    st.session_state[OPENED] = (study, None)
    go_to("review", study=study)


def look_ahead(visit: Visit, review: Review) -> None:
    """Have the pictures of this study decoded, and those of the case that would come after it."""
    study, warming = review.study.study_uid, visit.room.warming
    if warming is None or st.session_state.get(_AHEAD) == study:
        return
    st.session_state[_AHEAD] = study
    warming.soon(lambda: review.instances)
    _look_at_next(visit, warming, after=study)


def look_ahead_from_list(visit: Visit) -> None:
    """Have the pictures of the case decoded that the list on the screen begins with."""
    if visit.room.warming:
        _look_at_next(visit, visit.room.warming, after="")


def _look_at_next(visit: Visit, warming: Warming, *, after: str) -> None:
    store, actor, now = visit.room.store, visit.actor, visit.now
    query, passed = st.session_state.get(_LIST, WorklistQuery()), tuple(st.session_state.get(_PASSED, []))
    warming.soon(
        lambda: expected_images(store, actor, query, after=after, passed=passed, now=now),
        after_s=_AHEAD_AFTER_S,
    )


def _put_down(visit: Visit) -> None:
    held = st.session_state.pop(HELD, None)
    st.session_state.pop(OPENED, None)
    if held is not None and may(visit.actor.role, Action.EDIT_REPORT):
        reading.release_lock(visit.room.store, visit.actor, held, now=visit.now)


def _goes_on(visit: Visit) -> bool:
    if OPEN_NEXT not in st.session_state:
        kept = read_preference(visit.room.store, visit.actor, OPEN_NEXT, now=visit.now)
        st.session_state[OPEN_NEXT] = kept is True
    return bool(st.session_state[OPEN_NEXT])


def _has_just_signed(visit: Visit, review: Review) -> bool:
    """Tell whether the report waited for this reader in the run before, and does not any more."""
    report = review.report
    waits = report is not None and review.may_edit and report.state in unread_by(visit.actor)
    seen = (review.study.study_uid, waits)
    before = st.session_state.get(_SEEN)
    st.session_state[_SEEN] = seen
    signed = bool(review.attestations) and review.attestations[-1].username == visit.actor.username
    return before == (review.study.study_uid, True) and not waits and signed
