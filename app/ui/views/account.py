"""One's own account: the second factor, and sessions elsewhere."""

from __future__ import annotations

import streamlit as st

from app.domain.errors import Rejected
from app.domain.one_time import make_secret
from app.services import accounts, second_factor
from app.services.reauthentication import Proof, proof_of
from app.ui.qr import qr_svg
from app.ui.session import Visit
from app.ui.told import tell
from app.ui.views.credentials import count_attempt
from app.ui.views.frame import choose_language, show_head
from app.ui.views.plain import plain
from app.ui.words import LANGUAGES, language, say

_SECRET, _CODES = "proposed_secret", "recovery_codes"


def show(visit: Visit) -> None:
    """Show how this person logs in, and what they may change about it."""
    show_head(visit, "account")
    _choose_language(visit)
    st.subheader(say("Second factor"), anchor=False)
    if codes := st.session_state.pop(_CODES, ()):
        st.warning(say("Keep these recovery codes apart from your device. They are not shown again."))
        st.code("\n".join(codes), language=None)
    match proof_of(visit.room.store, visit.actor):
        case Proof.PROVIDER:
            st.info(say("Your identity provider asks for your credentials, also before a signature."))
        case Proof.PASSWORD_AND_CODE:
            st.info(say("Log-in and signature take a one-time password. An administrator can reset it."))
        case Proof.PASSWORD:
            _enrol(visit)
    _end_others(visit)


def _choose_language(visit: Visit) -> None:
    st.subheader(say("Language of the interface"), anchor=False)
    codes = list(LANGUAGES)
    chosen = st.selectbox(
        say("Language"),
        codes,
        index=codes.index(language()),
        format_func=LANGUAGES.__getitem__,
        key=f"account_language_{language()}",
        width=320,
    )
    st.caption(say("Reports, DICOM values and the audit log are not translated."))
    choose_language(visit, chosen)


def _enrol(visit: Visit) -> None:
    secret = st.session_state.setdefault(_SECRET, make_secret())
    st.text(
        say("Scan this with an authenticator, or type the secret into it. It counts once a code proves it.")
    )
    st.image(qr_svg(secret, visit.actor.username), width=220, alt=say("QR code of the secret below"))
    st.code(secret, language=None)
    with st.form("enrol", clear_on_submit=True):
        password = st.text_input(
            say("Your password"), type="password", autocomplete="current-password", key="enrol_password"
        )
        code = st.text_input(say("One-time password that it shows"), key="enrol_code", max_chars=12)
        wants = st.form_submit_button(say("Use this second factor"), type="primary")
    if not wants:
        return
    try:
        count_attempt(visit)
        st.session_state[_CODES] = second_factor.enrol(
            visit.room.store, visit.actor, secret, password=password, code=code, now=visit.now
        )
    except Rejected as error:
        st.error(say("Not set up: {reason}.", reason=plain(tell(error))))
    else:
        del st.session_state[_SECRET]
        st.rerun()


def _end_others(visit: Visit) -> None:
    st.subheader(say("Sessions"), anchor=False)
    if st.button(say("End my other sessions")):
        count = accounts.end_other_sessions(visit.room.store, visit.actor, now=visit.now)
        st.success(say("{count} sessions ended.", count=count))
