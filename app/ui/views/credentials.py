"""What a person shows before a signature: fields of a form, or the way to the identity provider."""

from __future__ import annotations

import streamlit as st

from app.domain.errors import AuthenticationFailed
from app.domain.one_time import normalise_code
from app.services.reauthentication import Proof, proof_of
from app.ui.session import Visit
from app.ui.told import tell
from app.ui.views.plain import plain
from app.ui.words import say


def ask_credentials(visit: Visit) -> str:
    """Show the fields inside a form; return what `reauthenticate` takes as the password."""
    proof = proof_of(visit.room.store, visit.actor)
    if proof is Proof.PROVIDER:
        provider = visit.room.provider
        name = plain(provider.settings.name) if provider else say("the identity provider")
        st.link_button(say("Confirm at {name} ...", name=name), "/login/oidc/confirm")
        st.caption(
            say("Opens a new tab and asks for your credentials. Then come back: it counts two minutes.")
        )
        return ""
    password = st.text_input(say("Your password"), type="password", autocomplete="current-password")
    if proof is Proof.PASSWORD:
        return password
    code = st.text_input(say("One-time password"), autocomplete="one-time-code", max_chars=12)
    return password + normalise_code(code)


def count_attempt(visit: Visit) -> None:
    """Count that somebody shows who they are at this session; raises `TooManyRequests` past the limit."""
    visit.room.limits.attempt_as(visit.actor.username, source=visit.actor.source, now=visit.now)


def tell_refusal(error: AuthenticationFailed, outcome: str) -> None:
    """Say what was wrong, and what did not happen."""
    text = plain(tell(error))
    st.error(f"{text[:1].upper()}{text[1:]}. {outcome}")
