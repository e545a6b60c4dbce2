"""Operations: what waits, what was given up and why, and the Retry."""

from __future__ import annotations

from datetime import UTC

import streamlit as st

from app.domain.access import Action, may
from app.domain.delivery import DeliveryState
from app.domain.errors import Rejected
from app.domain.work import DeadLetter, OperationsOverview
from app.services import rules, work
from app.ui.session import Visit
from app.ui.views.frame import show_head
from app.ui.views.plain import plain
from app.ui.views.rules import warn_of


def show(visit: Visit) -> None:
    """Show queues, deliveries, quarantine and dead letters."""
    show_head(visit, "operations")
    overview = work.operations_overview(visit.room.store, visit.actor, now=visit.now)
    settings = visit.room.settings
    warn_of(rules.rules_problem(settings.rules_path, settings.rule_targets))
    _numbers(visit, overview)
    st.subheader("Dead letters", anchor=False)
    if not overview.dead_letters:
        st.write("No work was given up.")
    for letter in overview.dead_letters:
        _letter(visit, letter)


def _numbers(visit: Visit, overview: OperationsOverview) -> None:
    shown = [(f"Queue {queue.queue}", queue.waiting, f"{queue.running} running") for queue in overview.queues]
    shown += [
        (f"Deliveries {state.value.lower()}", overview.deliveries.get(state.value, 0), "")
        for state in DeliveryState
    ]
    shown += [("In quarantine", overview.quarantined, "instances")]
    for column, (title, value, note) in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            st.metric(title, value, help=note or None)
    if overview.waiting_since is not None:
        waited = int((visit.now - overview.waiting_since).total_seconds())
        st.caption(f"The oldest waiting job is {waited} s old.")


def _letter(visit: Visit, letter: DeadLetter) -> None:
    with st.container(border=True):
        text, act = st.columns((9, 1), vertical_alignment="center")
        died = letter.died_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        text.write(f"**{plain(letter.task)}**, {letter.attempts} attempts, given up {plain(died)}")
        text.text(letter.reason)
        text.caption(plain(f"study {letter.study_uid}, job {letter.job_id}"))
        allowed = may(visit.actor.role, Action.RETRY_WORK)
        if act.button("Retry", key=f"retry_{letter.dead_letter_id}", disabled=not allowed):
            _retry(visit, letter)


def _retry(visit: Visit, letter: DeadLetter) -> None:
    try:
        work.retry_dead_letter(visit.room.store, visit.actor, letter.dead_letter_id, now=visit.now)
    except Rejected as error:
        st.error(plain(str(error)))
    else:
        st.rerun()
