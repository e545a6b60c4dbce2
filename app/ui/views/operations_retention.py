"""What is kept for how long, and which patients are held."""

from __future__ import annotations

import streamlit as st

from app.domain.access import Action, may
from app.domain.retention import RetentionPolicy, policy_lines
from app.services.erasure import list_patient_holds
from app.ui.session import Visit
from app.ui.told import retell
from app.ui.views.operations_page import utc
from app.ui.words import say


def show_retention(visit: Visit) -> None:
    """Show the retention policy and, to who may hold them, the held patients."""
    settings = visit.room.settings
    policy = RetentionPolicy(
        signed_days=settings.retention_signed_days,
        withdrawn_days=settings.retention_withdrawn_days,
        excluded_days=settings.retention_excluded_days,
        quarantine_days=settings.retention_quarantine_days,
        job_days=settings.retention_job_days,
    )
    st.subheader(say("Retention"), anchor=False)
    lines = [{say("What"): retell(what), say("Rule"): retell(rule)} for what, rule in policy_lines(policy)]
    st.dataframe(lines, hide_index=True, key="operations_retention")
    if not may(visit.actor.role, Action.HOLD_PATIENT):
        return
    held = list_patient_holds(visit.room.store, visit.actor, now=visit.now)
    if not held:
        st.write(say("No patient is held."))
        return
    st.dataframe(
        [
            {
                say("Held patient"): hold.patient.patient_id,
                say("Issuer"): hold.patient.issuer,
                say("Why"): hold.reason,
                say("By"): hold.username,
                say("Since (UTC)"): utc(hold.held_at),
            }
            for hold in held
        ],
        hide_index=True,
        key="operations_held",
    )
