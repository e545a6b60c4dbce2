"""What a person types to show who they are: judged under the lock of the account's row, and noted.

However many guesses arrive at once, five wrong ones in a row lock the account: passwords, one-time passwords
and recovery codes count alike, and only a whole log-in or signature forgets them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain.access import Actor, service_actor
from app.domain.account import User
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.domain.one_time import is_recovery_code, matching_step, normalise_code
from app.store.unit_of_work import UnitOfWork


def judge_password(
    tx: UnitOfWork, known: User, matches: bool, *, source: str, purpose: str, now: datetime
) -> User | None:
    """Decide under the account's lock whether a password counts; note why when it does not.

    Parameters
    ----------
    known
        The account as it was when the password was compared.
    """
    user = tx.users.lock(known.user_id)
    reason = _standing(user, now)
    if not reason and user.password_hash != known.password_hash:
        reason = "password was changed at the same moment"
    if reason:
        note_failure(tx, user.act(source=source), reason, purpose, now=now)
        return None
    if not matches:
        _count_failure(tx, user, "wrong password", source=source, purpose=purpose, now=now)
        return None
    return user


def judge_code(
    tx: UnitOfWork,
    user: User,
    code: str,
    *,
    source: str,
    purpose: str,
    now: datetime,
    takes_recovery: bool = False,
) -> User | None:
    """Decide whether a one-time password counts, and use it up; note why when it does not.

    Parameters
    ----------
    user
        The account, whose row this transaction holds.
    takes_recovery
        Whether a recovery code will do.
    """
    reason = _standing(user, now)
    if reason:
        note_failure(tx, user.act(source=source), reason, purpose, now=now)
        return None
    code = normalise_code(code)
    if not code:
        note_failure(tx, user.act(source=source), "second factor missing", purpose, now=now)
        return None
    if takes_recovery and is_recovery_code(code):
        wrong = "" if tx.factors.use_recovery_code(user.user_id, code) else "wrong recovery code"
    else:
        wrong = _use_step(tx, user, code, now)
    if wrong:
        _count_failure(tx, user, wrong, source=source, purpose=purpose, now=now)
        return None
    return user


def forget_failures(tx: UnitOfWork, user: User) -> None:
    """Begin to count wrong passwords anew, after a right one."""
    if user.failed_attempts:
        tx.users.record_attempts(user.user_id, failed_attempts=0, locked_until=None)


def note_failure(
    tx: UnitOfWork, actor: Actor, reason: str, purpose: str, *, now: datetime, **detail: object
) -> None:
    """Write a refused log-in or signature into the audit log; a reason names no secret."""
    tx.audit.append(
        AuditFact(
            event=AuditEvent.LOGIN_FAILED,
            actor=actor,
            at=now,
            outcome=Outcome.FAILURE,
            detail={"reason": reason, "purpose": purpose, **detail},
        )
    )


def unknown_person(source: str) -> Actor:
    """Return who stands in the audit log when nobody knows who it was."""
    return replace(service_actor("log-in"), source=source)


def open_session(
    tx: UnitOfWork, user: User, token: str, *, source: str, now: datetime, **detail: object
) -> Actor:
    """Open a session of an account with a password; `detail` goes into the audit log."""
    session = tx.users.open_session(user.user_id, token, source=source, now=now)
    actor = user.act(source=source, session_id=session.session_id)
    tx.audit.append(AuditFact(event=AuditEvent.LOGIN, actor=actor, at=now, detail=detail))
    return actor


def _standing(user: User, now: datetime) -> str:
    if user.disabled:
        return "account closed"
    return "account locked" if user.is_locked(now) else ""


def _use_step(tx: UnitOfWork, user: User, code: str, now: datetime) -> str:
    factor = tx.factors.of(user.user_id)
    if factor is None:
        return "no second factor"
    if factor.secret is None:
        return "the key in the keys folder does not open the second factor"
    step = matching_step(factor.secret, code, now=now)
    if step is None:
        return "wrong one-time password"
    if step <= factor.last_step:
        return "one-time password used before"
    tx.factors.use_step(user.user_id, step)
    return ""


def _count_failure(
    tx: UnitOfWork, user: User, reason: str, *, source: str, purpose: str, now: datetime
) -> None:
    user = user.after_failure(now)
    tx.users.record_attempts(
        user.user_id, failed_attempts=user.failed_attempts, locked_until=user.locked_until
    )
    note_failure(tx, user.act(source=source), reason, purpose, now=now)
