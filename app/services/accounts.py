"""Accounts: log-in, sessions, the credentials again before signing, and who may manage accounts.

Every refusal reads the same, so that it does not tell which user names exist; the reason is in the audit log.
Whether a password counts is decided in `app.services.credentials`.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from app.domain.access import Action, Actor, Role, require
from app.domain.account import (
    EVERYBODY,
    LoginPolicy,
    LoginSession,
    User,
    is_username,
    require_password,
    require_printed_name,
    require_username,
)
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import AuthenticationFailed, NotFound, Rejected, SecondFactorNeeded
from app.services.credentials import (
    forget_failures,
    judge_password,
    note_failure,
    open_session,
    unknown_person,
)
from app.services.passwords import hash_password, is_outdated, password_matches
from app.services.permission import permit
from app.services.reauthentication import SESSION_ENDED, reauthenticate
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

__all__ = [
    "add_user",
    "change_user",
    "end_other_sessions",
    "end_session",
    "list_users",
    "log_in",
    "log_out",
    "reauthenticate",
    "resume_session",
]

_REFUSED = "wrong user name or password, or the account is locked for some minutes"


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
        If the password cannot be used, the role is that of our own processes, or an identity provider decides
        both.
    """
    permit(store, actor, Action.MANAGE_USERS, now=now)
    if role is not None:
        _require_personal(role)
    password_hash = hash_password(require_password(password, username)) if password is not None else None
    with store.begin() as tx:
        user = tx.users.by_username(username)
        if user is None:
            raise NotFound(f"there is no user {username}")
        if not user.is_local and (role is not None or password is not None):
            raise Rejected(
                f"role and password of {username} come from the identity provider: change them there"
            )
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


def log_in(
    store: Store,
    *,
    username: str,
    password: str,
    source: str,
    policy: LoginPolicy = EVERYBODY,
    now: datetime,
) -> tuple[str, Actor]:
    """Open a session and return its token and who it belongs to; the token is kept nowhere else.

    Raises
    ------
    AuthenticationFailed
        If name or password is wrong, the account is closed, or locked after five wrong passwords in a row;
        the attempt is in the audit log.
    SecondFactorNeeded
        If the password is right and does not suffice: nothing is open yet, see `app.services.second_factor`.
    """
    with store.begin() as tx:
        known = tx.users.by_username(username) if is_username(username) else None
    # outside of any transaction: it takes a while, on purpose, and as long for a name that nobody has
    matches = password_matches(known, password)
    token = secrets.token_urlsafe(32)
    with store.begin() as tx:
        user = None
        if known is None:
            # what was typed is not recorded: it may be a password in the wrong field
            note_failure(tx, unknown_person(source), "unknown user", "log-in", now=now)
        elif problem := _without_password(known, policy):
            note_failure(tx, known.act(source=source), problem, "log-in", now=now)
        else:
            user = judge_password(tx, known, matches, source=source, purpose="log-in", now=now)
        needed = None if user is None else _second_factor_of(tx, user, policy)
        if user is not None and needed is None:
            forget_failures(tx, user)
            actor = open_session(tx, user, token, source=source, now=now)
    if user is None:
        raise AuthenticationFailed(_REFUSED)
    if is_outdated(user.password_hash):
        _renew_hash(store, user, password)
    if needed is not None:
        raise needed
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
            raise AuthenticationFailed(SESSION_ENDED)
        user = tx.users.by_id(session.user_id)
        actor = user.act(source=source, session_id=session.session_id)
        over = "account closed" if user.disabled else session.over(now, idle)
        if over:
            end_session(tx, session, actor, over, now=now)
        elif renew:
            tx.users.touch_session(session.session_id, now=now)
    if over:
        raise AuthenticationFailed(SESSION_ENDED)
    return actor


def log_out(store: Store, token: str, *, now: datetime) -> bool:
    """End a session; return whether an identity provider opened it. What has ended stays as it is."""
    with store.begin() as tx:
        session = tx.users.session_by_token(token)
        if session is None:
            return False
        user = tx.users.by_id(session.user_id)
        end_session(
            tx,
            session,
            user.act(source=session.source, session_id=session.session_id),
            "by the user",
            now=now,
        )
        return not user.is_local


def _without_password(known: User, policy: LoginPolicy) -> str:
    """Return why this account cannot come in by a password at all; empty when it can."""
    if not known.is_local:
        return "the account has no password here"
    return "" if policy.takes_password_of(known.username) else "log-in by password is off"


def _second_factor_of(tx: UnitOfWork, user: User, policy: LoginPolicy) -> SecondFactorNeeded | None:
    is_set = tx.factors.of(user.user_id) is not None
    if is_set or user.role in policy.second_factor_roles:
        return SecondFactorNeeded(user.user_id, is_set=is_set)
    return None


def end_other_sessions(store: Store, actor: Actor, *, now: datetime) -> int:
    """End every session of one's own account but the present one; return how many."""
    permit(store, actor, Action.OWN_ACCOUNT, now=now)
    if actor.user_id is None:
        return 0
    with store.begin() as tx:
        others = [s for s in tx.users.open_sessions_of(actor.user_id) if s.session_id != actor.session_id]
        for session in others:
            end_session(tx, session, actor, "by the user, from another session", now=now)
    return len(others)


def end_session(tx: UnitOfWork, session: LoginSession, actor: Actor, why: str, *, now: datetime) -> None:
    """End a session, on record, unless it has ended already."""
    if tx.users.end_session(session.session_id, now=now):
        _record(tx, AuditEvent.LOGOUT, actor, now, {"why": why})


def _record(
    tx: UnitOfWork, event: AuditEvent, actor: Actor, now: datetime, detail: dict[str, object]
) -> None:
    tx.audit.append(AuditFact(event=event, actor=actor, at=now, detail=detail))


def _renew_hash(store: Store, user: User, password: str) -> None:
    """Hash a password again with today's parameters, unless it was changed in the meantime."""
    password_hash = hash_password(password)
    with store.begin() as tx:
        if tx.users.lock(user.user_id).password_hash == user.password_hash:
            tx.users.set_password_hash(user.user_id, password_hash)


def _require_personal(role: Role) -> None:
    if role is Role.SERVICE:
        raise Rejected("the role service belongs to the system's own processes, not to a person")
