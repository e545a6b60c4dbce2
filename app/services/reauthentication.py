"""Who signs shows once more who they are: password, one-time password, or a confirmation at the provider."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from app.domain.access import Actor
from app.domain.account import CONFIRMATION, User
from app.domain.errors import AuthenticationFailed
from app.domain.one_time import split_code
from app.services.credentials import forget_failures, judge_code, judge_password, note_failure
from app.services.passwords import password_matches
from app.store.engine import Store

_WRONG = "the password is wrong, or the account is locked for some minutes"
_WRONG_CODE = (
    "the password or the one-time password (a fresh one, right behind the password) is wrong, or the account "
    "is locked for some minutes"
)
SESSION_ENDED = "the session has ended: log in again"


class Proof(StrEnum):
    """What a person shows before a signature."""

    PASSWORD = "password"  # noqa: S105 - what is shown, not a password
    PASSWORD_AND_CODE = "password and one-time password"  # noqa: S105
    PROVIDER = "confirmation at the identity provider"


def proof_of(store: Store, actor: Actor) -> Proof:
    """Return what this person has to show before a signature."""
    if actor.user_id is None:
        return Proof.PASSWORD
    with store.begin() as tx:
        if not tx.users.by_id(actor.user_id).is_local:
            return Proof.PROVIDER
        has_factor = tx.factors.of(actor.user_id) is not None
    return Proof.PASSWORD_AND_CODE if has_factor else Proof.PASSWORD


def reauthenticate(store: Store, actor: Actor, password: str, *, now: datetime) -> None:
    """Ask once more who it is, before a signature; what is wrong counts as at log-in.

    An account with a second factor types its one-time password right behind the password. An account of an
    identity provider has no password here: it confirms there, and that counts for one signature.

    Raises
    ------
    AuthenticationFailed
        If it is wrong or missing, the account is closed or locked, the session has ended, or the actor is no
        person.
    """
    if actor.user_id is None:
        raise AuthenticationFailed("a process of the system has no password and cannot sign")
    with store.begin() as tx:
        known = tx.users.by_id(actor.user_id)
        has_factor = tx.factors.of(known.user_id) is not None
    if not known.is_local:
        _use_confirmation(store, actor, known, now=now)
        return
    password, code = split_code(password) if has_factor else (password, "")
    matches = password_matches(known, password)
    with store.begin() as tx:
        user = judge_password(tx, known, matches, source=actor.source, purpose="signing", now=now)
        if user is not None and tx.factors.of(user.user_id) is not None:
            user = judge_code(tx, user, code, source=actor.source, purpose="signing", now=now)
        if user is not None:
            forget_failures(tx, user)
        ended = actor.session_id is not None and tx.users.session_by_id(actor.session_id).ended_at is not None
    if ended:
        raise AuthenticationFailed(SESSION_ENDED)
    if user is None:
        raise AuthenticationFailed(_WRONG_CODE if has_factor else _WRONG)


def _use_confirmation(store: Store, actor: Actor, known: User, *, now: datetime) -> None:
    with store.begin() as tx:
        user = tx.users.lock(known.user_id)
        session_id = actor.session_id
        if user.disabled:
            reason = "account closed"
        elif session_id is None or not tx.users.use_confirmation(session_id, after=now - CONFIRMATION):
            reason = "not confirmed at the identity provider"
        else:
            return
        note_failure(tx, user.act(source=actor.source), reason, "signing", now=now)
    raise AuthenticationFailed("confirm at your identity provider first; it counts for one signature")
