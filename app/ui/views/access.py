"""Study access: groups and who is in them, studies that are restricted, emergency accesses."""

from __future__ import annotations

import streamlit as st

from app.domain.emergency import EmergencyAccess, EmergencyState
from app.domain.errors import Rejected
from app.domain.reason import LONGEST_REASON
from app.domain.study_access import LONGEST_GROUP, StudyGroup
from app.services import accounts, emergency, study_groups
from app.ui.session import Visit
from app.ui.terms import EMERGENCY_STATES
from app.ui.told import tell
from app.ui.views.frame import show_head
from app.ui.views.operations_page import attempt, utc
from app.ui.views.plain import plain
from app.ui.words import say


def show(visit: Visit) -> None:
    """Show the groups, the form that restricts a study, and the last emergency accesses."""
    show_head(visit, "access")
    groups = study_groups.list_groups(visit.room.store, visit.actor, now=visit.now)
    lines = [
        {
            say("Group"): group.name,
            say("Members"): ", ".join(group.members),
            say("Restricted studies"): group.studies,
        }
        for group in groups
    ]
    if lines:
        st.dataframe(lines, hide_index=True, key="access_groups")
    make, member, study = st.columns(3)
    with make:
        _change_group(visit)
    with member:
        _change_member(visit, groups)
    with study:
        _restrict(visit, groups)
    st.subheader(say("Emergency accesses"), anchor=False)
    show_emergencies(visit, may_revoke=True)


def show_emergencies(visit: Visit, *, may_revoke: bool) -> None:
    """Show the last emergency accesses with their reasons."""
    found = emergency.list_emergencies(visit.room.store, visit.actor, now=visit.now)
    if not found:
        st.write(say("There was none."))
        return
    st.dataframe([_line(one) for one in found], hide_index=True, key="access_emergencies")
    running = [one.emergency_id for one in found if one.state is EmergencyState.RUNNING]
    if not (may_revoke and running):
        return
    with st.form("access_revoke", border=False):
        number = st.selectbox(say("Running"), running, key="access_running")
        wants = st.form_submit_button(say("Revoke"))
    if wants and number is not None:
        attempt(lambda: emergency.revoke_emergency(visit.room.store, visit.actor, int(number), now=visit.now))


def _line(one: EmergencyAccess) -> dict[str, object]:
    return {
        say("Number"): one.emergency_id,
        say("Reader"): one.username,
        say("From"): utc(one.started_at),
        say("Until"): utc(one.ended_at or one.ends_at),
        say("State"): say(EMERGENCY_STATES[one.state]),
        say("Reason"): one.reason,
        say("Study"): one.study_uid,
    }


def _change_group(visit: Visit) -> None:
    with st.form("access_group", clear_on_submit=True):
        st.subheader(say("Groups"), anchor=False)
        name = st.text_input(say("Group"), max_chars=LONGEST_GROUP, key="access_group_name")
        adds = st.form_submit_button(say("Add group"), type="primary")
        removes = st.form_submit_button(say("Remove group"))
        st.caption(say("A group that guards a study cannot be removed."))
    if adds or removes:
        act = study_groups.add_group if adds else study_groups.remove_group
        attempt(lambda: act(visit.room.store, visit.actor, name, now=visit.now))


def _change_member(visit: Visit, groups: tuple[StudyGroup, ...]) -> None:
    users = [user.username for user in accounts.list_users(visit.room.store, visit.actor)]
    with st.form("access_member"):
        st.subheader(say("Members"), anchor=False)
        name = st.selectbox(
            say("Group"),
            [group.name for group in groups],
            key="access_member_group",
            placeholder=say("none yet"),
        )
        username = st.selectbox(say("Account"), users, key="access_member_user")
        adds = st.form_submit_button(say("Put in"), type="primary")
        removes = st.form_submit_button(say("Take out"))
        st.caption(say("Counts from the next act on, also in studies that are open."))
    if (adds or removes) and name and username:
        attempt(
            lambda: study_groups.change_member(
                visit.room.store, visit.actor, name, username, is_member=adds, now=visit.now
            )
        )


def _restrict(visit: Visit, groups: tuple[StudyGroup, ...]) -> None:
    with st.form("access_study", clear_on_submit=False):
        st.subheader(say("Restrict a study"), anchor=False)
        study = st.text_input(say("Accession number or StudyInstanceUID"), key="access_study_name")
        names = st.multiselect(
            say("Groups"),
            [group.name for group in groups],
            key="access_study_groups",
            placeholder=say("none"),
        )
        reason = st.text_input(
            say("Reason (no patient data)"), max_chars=LONGEST_REASON, key="access_study_reason"
        )
        wants = st.form_submit_button(say("Restrict"), type="primary")
        st.caption(say("Without a group every reader may open it. Rules leave it alone from then on."))
    if not wants:
        return
    try:
        uid = study_groups.name_study(visit.room.store, visit.actor, study, now=visit.now)
    except Rejected as error:
        st.error(plain(tell(error)))
        return
    attempt(
        lambda: study_groups.restrict_study(visit.room.store, visit.actor, uid, names, reason, now=visit.now)
    )
