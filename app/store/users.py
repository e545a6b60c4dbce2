"""Accounts and their sessions; a session's token is never stored, only its SHA-256."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.access import Role
from app.domain.account import LoginSession, User
from app.domain.errors import Conflict, NotFound
from app.store.tables import SessionRow, UserRow


class Users:
    """Accounts and sessions, as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        *,
        username: str,
        printed_name: str,
        role: Role,
        password_hash: str,
        now: datetime,
        identity: tuple[str, str] = ("", ""),
    ) -> User:
        """Add an account; `identity` is issuer and subject of a person whom a provider knows.

        Raises
        ------
        Conflict
            If the user name is taken; the transaction stays usable.
        """
        row = UserRow(
            username=username,
            printed_name=printed_name,
            role=role.value,
            password_hash=password_hash,
            disabled=False,
            failed_attempts=0,
            locked_until=None,
            created_at=now,
            issuer=identity[0],
            subject=identity[1],
        )
        try:
            with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError:
            raise Conflict(f"there is a user {username} already") from None
        return as_user(row)

    def by_username(self, username: str) -> User | None:
        """Return the account of that name, or None."""
        row = self._session.scalar(select(UserRow).where(UserRow.username == username))
        return as_user(row) if row else None

    def by_identity(self, issuer: str, subject: str) -> User | None:
        """Return the account of a person whom an identity provider knows, or None."""
        row = self._session.scalar(
            select(UserRow).where(UserRow.issuer == issuer, UserRow.subject == subject, UserRow.issuer != "")
        )
        return as_user(row) if row else None

    def by_id(self, user_id: int) -> User:
        """Return an account; raises `NotFound`."""
        row = self._session.get(UserRow, user_id)
        if row is None:
            raise NotFound(f"there is no user {user_id}")
        return as_user(row)

    def all(self) -> tuple[User, ...]:
        """Return every account, by user name."""
        return tuple(
            as_user(row) for row in self._session.scalars(select(UserRow).order_by(UserRow.username))
        )

    def lock(self, user_id: int) -> User:
        """Return an account and hold its row until the transaction ends: attempts are counted one by one."""
        row = self._session.scalar(
            select(UserRow)
            .where(UserRow.id == user_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise NotFound(f"there is no user {user_id}")
        return as_user(row)

    def record_attempts(self, user_id: int, *, failed_attempts: int, locked_until: datetime | None) -> None:
        """Set how often the password was wrong in a row, and until when the account is locked."""
        self._session.execute(
            update(UserRow)
            .where(UserRow.id == user_id)
            .values(failed_attempts=failed_attempts, locked_until=locked_until)
        )

    def set_password_hash(self, user_id: int, password_hash: str) -> None:
        """Replace the password's hash."""
        self._session.execute(
            update(UserRow).where(UserRow.id == user_id).values(password_hash=password_hash)
        )

    def set_role(self, user_id: int, role: Role) -> None:
        """Give an account another role."""
        self._session.execute(update(UserRow).where(UserRow.id == user_id).values(role=role.value))

    def set_printed_name(self, user_id: int, printed_name: str) -> None:
        """Give an account another printed name."""
        self._session.execute(update(UserRow).where(UserRow.id == user_id).values(printed_name=printed_name))

    def set_disabled(self, user_id: int, *, disabled: bool) -> None:
        """Close an account, or open it again."""
        self._session.execute(update(UserRow).where(UserRow.id == user_id).values(disabled=disabled))

    def open_session(
        self,
        user_id: int,
        token: str,
        *,
        source: str,
        now: datetime,
        provider_session: str = "",
        authenticated_at: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> LoginSession:
        """Open a session for a token; the last three are what an identity provider said of it."""
        row = SessionRow(
            token_sha256=_digest(token),
            user_id=user_id,
            source=source,
            created_at=now,
            last_seen_at=now,
            ended_at=None,
            provider_session=provider_session,
            authenticated_at=authenticated_at,
            expires_at=expires_at,
        )
        self._session.add(row)
        self._session.flush()
        return _login(row)

    def session_by_token(self, token: str) -> LoginSession | None:
        """Return the session of a token, ended or not, or None."""
        row = self._session.scalar(select(SessionRow).where(SessionRow.token_sha256 == _digest(token)))
        return _login(row) if row else None

    def session_by_id(self, session_id: int) -> LoginSession:
        """Return a session, ended or not; raises `NotFound`."""
        row = self._session.get(SessionRow, session_id)
        if row is None:
            raise NotFound(f"there is no session {session_id}")
        return _login(row)

    def touch_session(self, session_id: int, *, now: datetime) -> None:
        """Note that a session was used now; an earlier time than the last one changes nothing."""
        self._session.execute(
            update(SessionRow)
            .where(SessionRow.id == session_id, SessionRow.last_seen_at < now)
            .values(last_seen_at=now)
        )

    def end_session(self, session_id: int, *, now: datetime) -> bool:
        """End a session; return whether it was open."""
        ended = self._session.execute(
            update(SessionRow)
            .where(SessionRow.id == session_id, SessionRow.ended_at.is_(None))
            .values(ended_at=now)
            .returning(SessionRow.id)
        )
        return ended.first() is not None

    def confirm_session(self, session_id: int, *, now: datetime) -> None:
        """Note that its person has just shown once more who they are."""
        self._session.execute(update(SessionRow).where(SessionRow.id == session_id).values(confirmed_at=now))

    def use_confirmation(self, session_id: int, *, after: datetime) -> bool:
        """Use up the confirmation of an open session; return whether there was one later than `after`."""
        used = self._session.execute(
            update(SessionRow)
            .where(SessionRow.id == session_id, SessionRow.ended_at.is_(None))
            .where(SessionRow.confirmed_at > after)
            .values(confirmed_at=None)
            .returning(SessionRow.id)
        )
        return used.first() is not None

    def sessions_of_provider(self, issuer: str, *, subject: str, sid: str) -> tuple[LoginSession, ...]:
        """Return the open sessions that a provider may end: by its session, else all of a person."""
        wanted = (
            select(SessionRow)
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(UserRow.issuer == issuer, SessionRow.ended_at.is_(None))
            .order_by(SessionRow.id)
        )
        if sid:
            wanted = wanted.where(SessionRow.provider_session == sid)
        if subject:
            wanted = wanted.where(UserRow.subject == subject)
        return tuple(_login(row) for row in self._session.scalars(wanted))

    def open_sessions_of(self, user_id: int) -> tuple[LoginSession, ...]:
        """Return the sessions of an account that have not ended."""
        rows = self._session.scalars(
            select(SessionRow).where(SessionRow.user_id == user_id, SessionRow.ended_at.is_(None))
        )
        return tuple(_login(row) for row in rows)

    def end_sessions_of(self, user_id: int, *, now: datetime) -> None:
        """End every session of an account."""
        self._session.execute(
            update(SessionRow)
            .where(SessionRow.user_id == user_id, SessionRow.ended_at.is_(None))
            .values(ended_at=now)
        )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def as_user(row: UserRow) -> User:
    """Return an account as the application knows it."""
    return User(
        user_id=row.id,
        username=row.username,
        printed_name=row.printed_name,
        role=Role(row.role),
        password_hash=row.password_hash,
        disabled=row.disabled,
        failed_attempts=row.failed_attempts,
        locked_until=row.locked_until,
        created_at=row.created_at,
        issuer=row.issuer,
        subject=row.subject,
    )


def _login(row: SessionRow) -> LoginSession:
    return LoginSession(
        session_id=row.id,
        user_id=row.user_id,
        source=row.source,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        ended_at=row.ended_at,
        provider_session=row.provider_session,
        authenticated_at=row.authenticated_at,
        expires_at=row.expires_at,
    )
