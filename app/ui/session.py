"""Who sits at the screen: asked anew at every run of the script, so that an ended session ends everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from app.domain.access import Actor
from app.domain.errors import AuthenticationFailed
from app.services import accounts
from app.services.preferences import read_preference
from app.ui.csrf import SESSION_COOKIE, csrf_token
from app.ui.room import Room, this_room
from app.ui.words import LANGUAGE, asked_language, known_language, speak


@dataclass(frozen=True)
class Visit:
    """One run of the script: where, by whom, when.

    Attributes
    ----------
    csrf
        What the scripts of this page show with every change.
    """

    room: Room
    actor: Actor
    now: datetime
    csrf: str


def session_token() -> str:
    """Return the token of the browser's session cookie; empty without one."""
    return str(st.context.cookies.get(SESSION_COOKIE, ""))


def browser_address() -> str:
    """Return the network address of the browser; Streamlit leaves that of this machine out."""
    return st.context.ip_address or "127.0.0.1"


def begin_visit(*, renew: bool = True) -> Visit:
    """Return who runs the script.

    Parameters
    ----------
    renew
        False where the page runs by itself: that must not keep a session alive.

    Raises
    ------
    AuthenticationFailed
        Without a session that is alive.
    """
    room, token, now = this_room(), session_token(), datetime.now(UTC)
    if not token:
        raise AuthenticationFailed("log in first")
    actor = accounts.resume_session(
        room.store, token, source=browser_address(), idle=room.idle, now=now, renew=renew
    )
    speak(_language_of(room, actor, now))
    return Visit(room, actor, now, csrf_token(token))


def _language_of(room: Room, actor: Actor, now: datetime) -> str:
    """Return the language that this person has chosen, or the first that their browser asks for."""
    if LANGUAGE not in st.session_state:
        chosen = read_preference(room.store, actor, LANGUAGE, now=now)
        st.session_state[LANGUAGE] = known_language(str(chosen or "")) or asked_language(
            st.context.headers.get("Accept-Language", "")
        )
    return str(st.session_state[LANGUAGE])
