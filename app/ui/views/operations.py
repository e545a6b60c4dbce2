"""Operations: one place to see what is stuck, and to do something about it.

A tab for each question, with what needs a person first; every list is cut on the server.
"""

from __future__ import annotations

import streamlit as st

from app.domain.study import StudyState
from app.services import operations, quarantine, rules, work
from app.ui.session import Visit
from app.ui.views import operations_lists as lists
from app.ui.views import operations_state as state
from app.ui.views.frame import show_head
from app.ui.views.operations_quarantine import show_quarantine
from app.ui.views.operations_retention import show_retention
from app.ui.views.rules import warn_of
from app.ui.words import say


def show(visit: Visit) -> None:
    """Show what is stuck, tab by tab, with the number of lines of each."""
    show_head(visit, "operations")
    overview = work.operations_overview(visit.room.store, visit.actor, now=visit.now)
    settings = visit.room.settings
    warn_of(rules.rules_problem(settings.rules_path, settings.rule_targets))
    system = operations.system_state(visit.room.store, visit.actor, now=visit.now)
    state.show_numbers(visit, overview, system)
    titles = _titles(visit, len(system.alerts), len(overview.dead_letters))
    tabs = st.tabs(titles)
    with tabs[0]:
        state.show_alerts(visit, system.alerts)
    with tabs[1]:
        lists.show_deliveries(visit)
    with tabs[2]:
        lists.show_dead_letters(visit, overview.dead_letters)
    with tabs[3]:
        show_quarantine(visit)
    with tabs[4]:
        lists.show_studies(visit, StudyState.UNDRAFTED)
    with tabs[5]:
        lists.show_studies(visit, StudyState.RECEIVING)
        lists.show_studies(visit, StudyState.COMPLETE)
    with tabs[6]:
        state.show_system(visit, system)
        show_retention(visit)


def _titles(visit: Visit, alerts: int, letters: int) -> list[str]:
    room, now = visit.room, visit.now
    undone = operations.waiting_deliveries(room.store, visit.actor, now=now, limit=1).total
    set_aside = quarantine.list_quarantine(room.store, visit.actor, now=now, limit=1).total
    counted = {
        stage: operations.stuck_studies(room.store, visit.actor, stage, now=now, limit=1).total
        for stage in (StudyState.UNDRAFTED, StudyState.RECEIVING, StudyState.COMPLETE)
    }
    slow = counted[StudyState.RECEIVING] + counted[StudyState.COMPLETE]
    numbered = {
        say("Alerts"): alerts,
        say("Not delivered"): undone,
        say("Dead letters"): letters,
        say("Quarantine"): set_aside,
        say("No AI draft"): counted[StudyState.UNDRAFTED],
        say("Not complete"): slow,
    }
    return [f"{title} ({count})" if count else title for title, count in numbered.items()] + [say("System")]
