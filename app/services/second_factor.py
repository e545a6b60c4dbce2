"""The second step of a log-in, and second factors: given, proved, reset; each on record."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

from app.domain.access import Action, Actor, Role, require
from app.domain.account import User
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import AuthenticationFailed, Conflict, NotFound, Rejected, SecondFactorNeeded
from app.domain.one_time import (
    is_recovery_code,
    make_recovery_codes,
    make_secret,
    matching_step,
    normalise_code,
)
from app.services.accounts import end_session
from app.services.credentials import (
    forget_failures,
    judge_code,
    judge_password,
    note_failure,
    open_session,
)
from app.services.passwords import password_matches
from app.services.permission import permit
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

TICKET = timedelta(minutes=5)
_PURPOSE = "second step of a log-in"
_WRONG = "wrong one-time password, or one that was used before, or the account is locked for some minutes"
_TOO_LATE = "the log-in took too long, or the account has changed: begin again"


@dataclass(frozen=True)
class Ticket:
    """A log-in whose password was right; the browser keeps it sealed.

    Attributes
    ----------
    secret
        Of the second factor that the account is about to get; empty when it has one.
    """

    user_id: int
    password_digest: str
    secret: str = field(repr=False)
    expires_at: float


def begin_second_step(store: Store, needed: SecondFactorNeeded, *, now: datetime) -> str:
    """Return a sealed ticket for the second step: it opens nothing by itself, and lasts five minutes."""
    with store.begin() as tx:
        user = tx.users.by_id(needed.user_id)
    ticket = Ticket(
        user_id=user.user_id,
        password_digest=_digest(user),
        secret="" if needed.is_set else make_secret(),
        expires_at=(now + TICKET).timestamp(),
    )
    return store.vault.seal(json.dumps(vars(ticket)), _PURPOSE)


def read_ticket(store: Store, sealed: str, *, now: datetime) -> Ticket:
    """Return the ticket of a log-in that goes on.

    Raises
    ------
    AuthenticationFailed
        If it is not ours or too old.
    """
    text = store.vault.unseal(sealed, _PURPOSE)
    ticket = Ticket(**json.loads(text)) if text is not None else None
    if ticket is None or now.timestamp() >= ticket.expires_at:
        raise AuthenticationFailed(_TOO_LATE)
    return ticket


def name_of(store: Store, ticket: Ticket) -> str:
    """Return the user name of a ticket, for the label in the authenticator."""
    with store.begin() as tx:
        return tx.users.by_id(ticket.user_id).username


def finish_log_in(
    store: Store, ticket: Ticket, code: str, *, source: str, now: datetime
) -> tuple[str, Actor, tuple[str, ...]]:
    """Open the session of a ticket by a one-time password or a recovery code.

    An account that has no second factor yet gets the ticket's, which the code proves.

    Returns
    -------
    tuple
        Token, who it belongs to, and new recovery codes if a second factor was given.

    Raises
    ------
    AuthenticationFailed
        If the code is wrong or was used, or the account is locked, closed or has changed.
    """
    token = secrets.token_urlsafe(32)
    recovery_codes: tuple[str, ...] = ()
    with store.begin() as tx:
        user = tx.users.lock(ticket.user_id)
        is_set = tx.factors.of(user.user_id) is not None
        is_stale = _digest(user) != ticket.password_digest or is_set == bool(ticket.secret)
        if is_stale:
            note_failure(tx, user.act(source=source), "account changed during log-in", "log-in", now=now)
            known = None
        elif is_set:
            known = judge_code(tx, user, code, source=source, purpose="log-in", now=now, takes_recovery=True)
        else:
            known, recovery_codes = _prove(tx, user, ticket.secret, code, source=source, now=now)
        if known is not None:
            forget_failures(tx, user)
            kind = "recovery code" if is_recovery_code(normalise_code(code)) else "one-time password"
            actor = open_session(tx, user, token, source=source, now=now, second_factor=kind)
    if known is None:
        raise AuthenticationFailed(_TOO_LATE if is_stale else _WRONG)
    return token, actor, recovery_codes


def enrol(
    store: Store, actor: Actor, secret: str, *, password: str, code: str, now: datetime
) -> tuple[str, ...]:
    """Give one's own account a second factor, and return its recovery codes: they are shown once.

    Sessions elsewhere end.

    Raises
    ------
    Rejected
        If an identity provider asks this person for their credentials.
    Conflict
        If the account has a second factor already.
    AuthenticationFailed
        If password or code is wrong.
    """
    permit(store, actor, Action.OWN_ACCOUNT, now=now)
    if actor.user_id is None:
        raise Rejected("a process of the system has no account")
    with store.begin() as tx:
        known = tx.users.by_id(actor.user_id)
    if not known.is_local:
        raise Rejected("your identity provider asks for your second factor: set it up there")
    matches = password_matches(known, password)
    recovery_codes: tuple[str, ...] = ()
    with store.begin() as tx:
        purpose = "setting a second factor"
        user = judge_password(tx, known, matches, source=actor.source, purpose=purpose, now=now)
        if user is not None and tx.factors.of(user.user_id) is not None:
            raise Conflict("this account has a second factor already: an administrator can reset it")
        if user is not None:
            user, recovery_codes = _prove(tx, user, secret, code, source=actor.source, now=now)
        if user is not None:
            forget_failures(tx, user)
            # sessions that the password alone has opened, those of HTTP Basic too
            for session in tx.users.open_sessions_of(user.user_id):
                if session.session_id != actor.session_id:
                    end_session(tx, session, actor, "second factor set", now=now)
    if user is None:
        raise AuthenticationFailed("wrong password or one-time password, or the account is locked")
    return recovery_codes


def holders(store: Store, actor: Actor) -> frozenset[int]:
    """Return the numbers of the accounts that have a second factor."""
    require(actor, Action.MANAGE_USERS)
    with store.begin() as tx:
        return tx.factors.holders()


def reset(store: Store, actor: Actor, username: str, *, now: datetime) -> None:
    """Take an account's second factor away, for who has lost the device; its sessions end.

    Raises
    ------
    NotFound
        If there is no such user, or no second factor.
    """
    permit(store, actor, Action.MANAGE_USERS, now=now)
    with store.begin() as tx:
        user = tx.users.by_username(username)
        if user is None or not tx.factors.remove(user.user_id):
            raise NotFound(f"there is no user {username} with a second factor")
        tx.users.end_sessions_of(user.user_id, now=now)
        tx.audit.append(
            AuditFact(AuditEvent.SECOND_FACTOR_REMOVED, actor, now, detail={"username": username})
        )


def end_sessions_without(store: Store, roles: Collection[Role], *, now: datetime) -> int:
    """End the sessions of accounts that need a second factor by now and have none; return their number."""
    if not roles:
        return 0
    with store.begin() as tx:
        users = tx.factors.missing(roles)
        for user in users:
            for session in tx.users.open_sessions_of(user.user_id):
                actor = user.act(source=session.source, session_id=session.session_id)
                end_session(tx, session, actor, "second factor needed", now=now)
    return len(users)


def refuse_without_prompt(
    store: Store, needed: SecondFactorNeeded, *, source: str, now: datetime
) -> NoReturn:
    """Turn away an account with a second factor where none can be asked for (HTTP Basic), on record.

    Raises
    ------
    AuthenticationFailed
        Always.
    """
    with store.begin() as tx:
        actor = tx.users.by_id(needed.user_id).act(source=source)
        note_failure(tx, actor, "second factor cannot be given by HTTP Basic", "dicomweb", now=now)
    raise AuthenticationFailed(
        "this account has or needs a second factor, which HTTP Basic cannot give: log in to the reading "
        "room, or ask for a client with a token"
    )


def _prove(
    tx: UnitOfWork, user: User, secret: str, code: str, *, source: str, now: datetime
) -> tuple[User | None, tuple[str, ...]]:
    """Give an account a second factor that a code proves; a wrong code gives nothing and is noted."""
    step = matching_step(secret, normalise_code(code), now=now)
    actor = user.act(source=source)
    if user.disabled or user.is_locked(now) or step is None:
        note_failure(tx, actor, "second factor not proved", "setting a second factor", now=now)
        return None, ()
    recovery_codes = make_recovery_codes()
    tx.factors.add(user.user_id, secret, recovery_codes, step=step, now=now)
    tx.audit.append(AuditFact(AuditEvent.SECOND_FACTOR_SET, actor, now, detail={"username": user.username}))
    return user, recovery_codes


def _digest(user: User) -> str:
    return hashlib.sha256(user.password_hash.encode()).hexdigest()
