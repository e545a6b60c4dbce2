"""Single sign-on: what an identity provider says becomes an account and a session of ours, on record."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.domain.access import Actor
from app.domain.account import User
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import Conflict, SignOnRefused
from app.domain.sign_on import Identity
from app.services.accounts import end_session
from app.services.credentials import note_failure, unknown_person
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

_CLOCKS = timedelta(seconds=30)


def admit(
    store: Store, identity: Identity, *, source: str, longest: timedelta, now: datetime
) -> tuple[str, Actor]:
    """Open a session for a person whom the provider has vouched for; the first time, make their account.

    Name and role are those of the token, each time. An account belongs to issuer and subject, and a name to
    one account: neither a token nor a new account here takes over another's.

    Raises
    ------
    SignOnRefused
        If the token was used before, the account is closed, or another account has the name.
    """
    token = secrets.token_urlsafe(32)
    with store.begin() as tx:
        _use_once(tx, identity, now)
        user = tx.users.by_identity(identity.issuer, identity.subject)
        user = _renew(tx, user, identity, source, now) if user else _add(tx, identity, source, now)
        if user.disabled:
            raise SignOnRefused("your account here is closed: ask the administrator", "account closed")
        session = tx.users.open_session(
            user.user_id,
            token,
            source=source,
            now=now,
            provider_session=identity.provider_session,
            authenticated_at=identity.authenticated_at,
            expires_at=now + longest,
        )
        actor = user.act(source=source, session_id=session.session_id)
        detail = {"by": "identity provider", "issuer": identity.issuer}
        tx.audit.append(AuditFact(AuditEvent.LOGIN, actor, now, detail=detail))
    return token, actor


def confirm(
    store: Store, identity: Identity, session_id: int, *, began_at: datetime, source: str, now: datetime
) -> None:
    """Note that the person of a session has just shown the provider who they are: counts for one signature.

    Raises
    ------
    SignOnRefused
        If it was somebody else, the session has ended, or the provider did not ask for the credentials anew.
    """
    with store.begin() as tx:
        _use_once(tx, identity, now)
        session = tx.users.session_by_id(session_id)
        user = tx.users.lock(session.user_id)
        if (user.issuer, user.subject) != (identity.issuer, identity.subject):
            raise SignOnRefused(
                "somebody else has confirmed: log in there as yourself", "confirmed by another person"
            )
        if session.ended_at is not None or user.disabled:
            raise SignOnRefused("the session has ended: log in again", "session has ended")
        if identity.authenticated_at is None or identity.authenticated_at < began_at - _CLOCKS:
            raise SignOnRefused(
                "your identity provider did not ask for your credentials anew: tell the administrator",
                "auth_time is missing or not fresh",
            )
        tx.users.confirm_session(session_id, now=now)
        actor = user.act(source=source, session_id=session_id)
        tx.audit.append(
            AuditFact(AuditEvent.IDENTITY_CONFIRMED, actor, now, detail={"issuer": identity.issuer})
        )


def end_by_provider(store: Store, claims: Mapping[str, Any], *, source: str, now: datetime) -> int:
    """End the sessions that a checked logout token names; return how many.

    Raises
    ------
    SignOnRefused
        If the token was used before.
    """
    issuer = str(claims["iss"])
    with store.begin() as tx:
        if not tx.factors.use_token(f"{issuer} jti {claims['jti']}", now=now):
            raise SignOnRefused("the logout token was used before", "logout token used before")
        sessions = tx.users.sessions_of_provider(
            issuer, subject=str(claims.get("sub") or ""), sid=str(claims.get("sid") or "")
        )
        for session in sessions:
            actor = tx.users.by_id(session.user_id).act(source=source, session_id=session.session_id)
            end_session(tx, session, actor, "by the identity provider", now=now)
    return len(sessions)


def record_refusal(store: Store, reason: str, purpose: str, *, source: str, now: datetime) -> None:
    """Write a single sign-on that opened nothing into the audit log; the reason names no secret."""
    with store.begin() as tx:
        note_failure(tx, unknown_person(source), reason, purpose, now=now)


def _use_once(tx: UnitOfWork, identity: Identity, now: datetime) -> None:
    if not tx.factors.use_token(identity.token, now=now):
        raise SignOnRefused("this log-in was used already: log in again", "ID token used before")


def _add(tx: UnitOfWork, identity: Identity, source: str, now: datetime) -> User:
    try:
        user = tx.users.add(
            username=identity.username,
            printed_name=identity.printed_name,
            role=identity.role,
            password_hash="",
            now=now,
            identity=(identity.issuer, identity.subject),
        )
    except Conflict:
        # the same person at the same moment in another tab
        if (known := tx.users.by_identity(identity.issuer, identity.subject)) is not None:
            return known
        raise SignOnRefused(
            f"the name {identity.username} belongs to another account here: ask the administrator",
            "user name belongs to another account",
        ) from None
    detail = {"username": user.username, "role": user.role.value, "issuer": identity.issuer}
    tx.audit.append(AuditFact(AuditEvent.USER_ADDED, user.act(source=source), now, detail=detail))
    return user


def _renew(tx: UnitOfWork, user: User, identity: Identity, source: str, now: datetime) -> User:
    """Give an account the name and role that its token has now; a closed one stays as it is."""
    user = tx.users.lock(user.user_id)
    detail: dict[str, object] = {}
    if user.disabled:
        return user
    if user.role is not identity.role:
        tx.users.set_role(user.user_id, identity.role)
        detail["role"] = identity.role.value
    if user.printed_name != identity.printed_name:
        tx.users.set_printed_name(user.user_id, identity.printed_name)
        detail["changed"] = "printed name"
    if not detail:
        return user
    # what is open was opened under the old role or name
    tx.users.end_sessions_of(user.user_id, now=now)
    detail |= {"username": user.username, "issuer": identity.issuer}
    tx.audit.append(AuditFact(AuditEvent.USER_CHANGED, user.act(source=source), now, detail=detail))
    return tx.users.lock(user.user_id)
