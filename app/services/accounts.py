"""Local accounts: log-in, sessions, the password again before signing, and who may manage accounts.

Every refusal reads the same, so that it does not tell which user names exist; the reason is in the audit log.
Whether a password counts is decided under the lock of the account's row: however many guesses arrive at once,
five wrong ones in a row lock the account.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.access import Action, Actor, Role, require, service_actor
from app.domain.account import (
    LoginSession,
    User,
    is_username,
    require_password,
    require_printed_name,
    require_username,
)
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.domain.errors import AuthenticationFailed, NotFound, Rejected
from app.services.passwords import hash_password, is_outdated, password_matches
from app.services.permission import permit
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

_REFUSED = "wrong user name or password, or the account is locked for some minutes"
_ENDED = "the session has ended: log in again"


def add_user(
    store: Store,
    actor: Actor,
    *,
    username: str,
    printed_name: str,
    role: Role,
    password: str,
    now: datetime,
) -> User:
    """Add an account.

    Raises
    ------
    Rejected
        If name, printed name or password cannot be used, or the role is that of our own processes.
    Conflict
        If the user name is taken.
    """
    permit(store, actor, Action.MANAGE_USERS, now=now)
    require_username(username)
    printed_name = require_printed_name(printed_name)
    _require_personal(role)
    password_hash = hash_password(require_password(password, username))
    with store.begin() as tx:
        user = tx.users.add(
            username=username, printed_name=printed_name, role=role, password_hash=password_hash, now=now
        )
        _record(tx, AuditEvent.USER_ADDED, actor, now, {"username": username, "role": role.value})
    return user


def change_user(
    store: Store,
    actor: Actor,
    username: str,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    password: str | None = None,
    now: datetime,
) -> User:
    """Change an account's role or password, close it or open it again; its sessions end.

    Raises
    ------
    NotFound
        If there is no such user.
    Rejected
        If the password cannot be used, or the role is that of our own processes.
    """
    permit(store, actor, Action.MANAGE_USERS, now=now)
    if role is not None:
        _require_personal(role)
    password_hash = hash_password(require_password(password, username)) if password is not None else None
    with store.begin() as tx:
        user = tx.users.by_username(username)
        if user is None:
            raise NotFound(f"there is no user {username}")
        detail: dict[str, object] = {"username": username}
        if role is not None:
            tx.users.set_role(user.user_id, role)
            detail["role"] = role.value
        if disabled is not None:
            tx.users.set_disabled(user.user_id, disabled=disabled)
            detail["disabled"] = disabled
        if password_hash is not None:
            tx.users.set_password_hash(user.user_id, password_hash)
            tx.users.record_attempts(user.user_id, failed_attempts=0, locked_until=None)
            detail["changed"] = "password"
        tx.users.end_sessions_of(user.user_id, now=now)
        _record(tx, AuditEvent.USER_CHANGED, actor, now, detail)
        return tx.users.lock(user.user_id)


def list_users(store: Store, actor: Actor) -> tuple[User, ...]:
    """Return every account, by user name."""
    require(actor, Action.MANAGE_USERS)
    with store.begin() as tx:
        return tx.users.all()


def log_in(store: Store, *, username: str, password: str, source: str, now: datetime) -> tuple[str, Actor]:
    """Open a session and return its token and who it belongs to; the token is kept nowhere else.

    Raises
    ------
    AuthenticationFailed
        If name or password is wrong, the account is closed, or locked after five wrong passwords in a row;
        the attempt is in the audit log.
    """
    with store.begin() as tx:
        known = tx.users.by_username(username) if is_username(username) else None
    # outside of any transaction: it takes a while, on purpose, and as long for a name that nobody has
    matches = password_matches(known, password)
    token = secrets.token_urlsafe(32)
    with store.begin() as tx:
        if known is None:
            # what was typed is not recorded: it may be a password in the wrong field
            _record_failure(
                tx, replace(service_actor("log-in"), source=source), now, "unknown user", "log-in"
            )
            actor = None
        else:
            user = _judge(tx, known, matches, source=source, purpose="log-in", now=now)
            actor = _open_session(tx, user, token, source=source, now=now) if user else None
    if actor is None:
        raise AuthenticationFailed(_REFUSED)
    if known is not None and is_outdated(known.password_hash):
        _renew_hash(store, known, password)
    return token, actor


def resume_session(
    store: Store, token: str, *, source: str, idle: timedelta, now: datetime, renew: bool = True
) -> Actor:
    """Return who a session belongs to, and count this as a sign of life.

    Parameters
    ----------
    idle
        A session that was not used for this long is over.
    renew
        False for requests that no person made (automatic refreshes): they must not keep a session alive.

    Raises
    ------
    AuthenticationFailed
        If there is no such session, it has ended, was idle for too long, or the account was closed.
    """
    with store.begin() as tx:
        session = tx.users.session_by_token(token)
        if session is None or session.ended_at is not None:
            raise AuthenticationFailed(_ENDED)
        user = tx.users.by_id(session.user_id)
        actor = user.act(source=source, session_id=session.session_id)
        over = "account closed" if user.disabled else session.over(now, idle)
        if over:
            _end(tx, session, actor, now, over)
        elif renew:
            tx.users.touch_session(session.session_id, now=now)
    if over:
        raise AuthenticationFailed(_ENDED)
    return actor


def log_out(store: Store, token: str, *, now: datetime) -> None:
    """End a session; nothing happens when it has ended already."""
    with store.begin() as tx:
        session = tx.users.session_by_token(token)
        if session is None:
            return
        user = tx.users.by_id(session.user_id)
        _end(tx, session, user.act(source=session.source, session_id=session.session_id), now, "by the user")


def reauthenticate(store: Store, actor: Actor, password: str, *, now: datetime) -> None:
    """Ask for the password again, before a signature; wrong ones count as at log-in.

    Raises
    ------
    AuthenticationFailed
        If it is wrong, the account is closed or locked, the session has ended, or the actor is no person.
    """
    if actor.user_id is None:
        raise AuthenticationFailed("a process of the system has no password and cannot sign")
    with store.begin() as tx:
        known = tx.users.by_id(actor.user_id)
    matches = password_matches(known, password)
    with store.begin() as tx:
        user = _judge(tx, known, matches, source=actor.source, purpose="signing", now=now)
        ended = actor.session_id is not None and tx.users.session_by_id(actor.session_id).ended_at is not None
    if ended:
        raise AuthenticationFailed(_ENDED)
    if user is None:
        raise AuthenticationFailed("wrong password, or the account is locked for some minutes")


def _judge(
    tx: UnitOfWork, known: User, matches: bool, *, source: str, purpose: str, now: datetime
) -> User | None:
    """Decide under the account's lock whether a password counts; note why when it does not."""
    user = tx.users.lock(known.user_id)
    if user.disabled:
        reason = "account closed"
    elif user.is_locked(now):
        reason = "account locked"
    elif user.password_hash != known.password_hash:
        reason = "password was changed at the same moment"
    elif not matches:
        reason = "wrong password"
    else:
        if user.failed_attempts:
            tx.users.record_attempts(user.user_id, failed_attempts=0, locked_until=None)
        return user
    if reason == "wrong password":
        user = user.after_failure(now)
        tx.users.record_attempts(
            user.user_id, failed_attempts=user.failed_attempts, locked_until=user.locked_until
        )
    _record_failure(tx, user.act(source=source), now, reason, purpose)
    return None


def _open_session(tx: UnitOfWork, user: User, token: str, *, source: str, now: datetime) -> Actor:
    session = tx.users.open_session(user.user_id, token, source=source, now=now)
    actor = user.act(source=source, session_id=session.session_id)
    _record(tx, AuditEvent.LOGIN, actor, now, {})
    return actor


def _end(tx: UnitOfWork, session: LoginSession, actor: Actor, now: datetime, why: str) -> None:
    if tx.users.end_session(session.session_id, now=now):
        _record(tx, AuditEvent.LOGOUT, actor, now, {"why": why})


def _record(
    tx: UnitOfWork, event: AuditEvent, actor: Actor, now: datetime, detail: dict[str, object]
) -> None:
    tx.audit.append(AuditFact(event=event, actor=actor, at=now, detail=detail))


def _record_failure(tx: UnitOfWork, actor: Actor, now: datetime, reason: str, purpose: str) -> None:
    tx.audit.append(
        AuditFact(
            event=AuditEvent.LOGIN_FAILED,
            actor=actor,
            at=now,
            outcome=Outcome.FAILURE,
            detail={"reason": reason, "purpose": purpose},
        )
    )


def _renew_hash(store: Store, user: User, password: str) -> None:
    """Hash a password again with today's parameters, unless it was changed in the meantime."""
    password_hash = hash_password(password)
    with store.begin() as tx:
        if tx.users.lock(user.user_id).password_hash == user.password_hash:
            tx.users.set_password_hash(user.user_id, password_hash)


def _require_personal(role: Role) -> None:
    if role is Role.SERVICE:
        raise Rejected("the role service belongs to the system's own processes, not to a person")
