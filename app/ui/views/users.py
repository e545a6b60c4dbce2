"""Accounts: who may come in, in which role."""

from __future__ import annotations

from datetime import UTC

import streamlit as st

from app.domain.access import Role
from app.domain.account import User
from app.services import accounts, second_factor
from app.ui.session import Visit
from app.ui.terms import term
from app.ui.views.frame import show_head
from app.ui.views.operations_page import attempt
from app.ui.words import say

_ROLES = [role for role in Role if role is not Role.SERVICE]


def show(visit: Visit) -> None:
    """Show the accounts, and the forms that add one and change one."""
    show_head(visit, "users")
    users = accounts.list_users(visit.room.store, visit.actor)
    holders = second_factor.holders(visit.room.store, visit.actor)
    lines = [_line(user, visit, user.user_id in holders) for user in users]
    st.dataframe(lines, hide_index=True, key="users")
    add, change = st.columns(2)
    with add:
        _add(visit)
    with change:
        _change(visit, users)
        _reset(visit, [user for user in users if user.user_id in holders])


def _line(user: User, visit: Visit, has_factor: bool) -> dict[str, object]:
    state = say("closed") if user.disabled else say("locked") if user.is_locked(visit.now) else say("open")
    return {
        say("User name"): user.username,
        say("Printed name"): user.printed_name,
        say("Role"): term(user.role),
        say("Account"): state,
        say("Log-in"): _way_in(user, has_factor),
        say("Since"): user.created_at.astimezone(UTC).strftime("%Y-%m-%d"),
    }


def _way_in(user: User, has_factor: bool) -> str:
    if not user.is_local:
        return say("identity provider")
    return say("two steps") if has_factor else say("password")


def _add(visit: Visit) -> None:
    with st.form("add_user", clear_on_submit=False):
        st.subheader(say("Add an account"), anchor=False)
        username = st.text_input(
            say("User name"), help=say("2 to 40 lower-case letters, digits, dots, dashes")
        )
        printed_name = st.text_input(say("Printed name"), help=say("As it stands under a signature"))
        role = st.selectbox(say("Role"), _ROLES, format_func=term)
        password = st.text_input(say("Password"), type="password", autocomplete="new-password")
        wants = st.form_submit_button(say("Add"), type="primary")
    if not wants:
        return
    attempt(
        lambda: accounts.add_user(
            visit.room.store,
            visit.actor,
            username=username,
            printed_name=printed_name,
            role=role,
            password=password,
            now=visit.now,
        )
    )


def _change(visit: Visit, users: tuple[User, ...]) -> None:
    others = [user for user in users if user.username != visit.actor.username]
    user = _choose(
        "change_user",
        others,
        heading=say("Close or open an account"),
        button=say("Close or open"),
        caption=say("Its sessions end at once."),
    )
    if user is not None:
        attempt(
            lambda: accounts.change_user(
                visit.room.store, visit.actor, user.username, disabled=not user.disabled, now=visit.now
            )
        )


def _reset(visit: Visit, holders: list[User]) -> None:
    user = _choose(
        "reset_factor",
        holders,
        heading=say("Reset a second factor"),
        button=say("Reset second factor"),
        caption=say("For who has lost the device: make sure who asks. Its sessions end at once."),
    )
    if user is not None:
        attempt(lambda: second_factor.reset(visit.room.store, visit.actor, user.username, now=visit.now))


def _choose(key: str, users: list[User], *, heading: str, button: str, caption: str) -> User | None:
    """Show a form that names one of the accounts; return it when its button was pressed."""
    if not users:
        return None
    with st.form(key):
        st.subheader(heading, anchor=False)
        user = st.selectbox(say("Account"), users, format_func=lambda user: user.username)
        wants = st.form_submit_button(button)
        st.caption(caption)
    return user if wants else None
