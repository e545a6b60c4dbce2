"""An account, its session, and the rules of both: lockout after wrong passwords, end after idle time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.domain.access import Actor, Role
from app.domain.errors import Rejected

ATTEMPTS_BEFORE_LOCKOUT = 5
LOCKOUT = timedelta(minutes=5)
LONGEST_SESSION = timedelta(hours=12)
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
# how long a confirmation at the identity provider counts for one signature
CONFIRMATION = timedelta(minutes=2)

_USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,39}")


@dataclass(frozen=True)
class User:
    """An account.

    Attributes
    ----------
    printed_name
        As it stands under a signature.
    failed_attempts
        Wrong passwords and one-time passwords in a row.
    issuer, subject
        Who this person is to an identity provider (OpenID Connect Core 2, iss and sub); empty for an account
        with a password here.
    """

    user_id: int
    username: str
    printed_name: str
    role: Role
    password_hash: str = field(repr=False)
    disabled: bool
    failed_attempts: int
    locked_until: datetime | None
    created_at: datetime
    issuer: str = ""
    subject: str = ""

    @property
    def is_local(self) -> bool:
        """Whether its password is here, not at an identity provider."""
        return not self.issuer

    def is_locked(self, now: datetime) -> bool:
        """Whether it is locked after too many wrong passwords."""
        return self.locked_until is not None and now < self.locked_until

    def after_failure(self, now: datetime) -> User:
        """Return the account after one more wrong password; the fifth in a row locks it for five minutes."""
        failed = self.failed_attempts + 1
        locked_until = now + LOCKOUT if failed % ATTEMPTS_BEFORE_LOCKOUT == 0 else self.locked_until
        return replace(self, failed_attempts=failed, locked_until=locked_until)

    def after_success(self) -> User:
        """Return the account after the right password."""
        return replace(self, failed_attempts=0, locked_until=None)

    def act(self, *, source: str, session_id: int | None = None) -> Actor:
        """Return the person as the one who acts."""
        return Actor(
            username=self.username,
            printed_name=self.printed_name,
            role=self.role,
            source=source,
            user_id=self.user_id,
            session_id=session_id,
        )


@dataclass(frozen=True)
class LoginSession:
    """A log-in that lasts until it is ended or idle for too long.

    Attributes
    ----------
    provider_session
        The provider's own session (sid), so that its end ends this one.
    authenticated_at
        When the person authenticated there (auth_time).
    expires_at
        When a session that a provider opened is over, however much it is used.
    """

    session_id: int
    user_id: int
    source: str
    created_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    provider_session: str = ""
    authenticated_at: datetime | None = None
    expires_at: datetime | None = None

    def over(self, now: datetime, idle: timedelta) -> str:
        """Return why it may no longer be used (ended, not used for `idle`, open for too long), or nothing."""
        if self.ended_at is not None:
            return "ended"
        if now - self.last_seen_at >= idle:
            return "idle"
        is_late = self.expires_at is not None and now >= self.expires_at
        return "open for too long" if is_late or now - self.created_at >= LONGEST_SESSION else ""


@dataclass(frozen=True)
class LoginPolicy:
    """Who may log in with a password here, and who needs a second factor for it.

    Attributes
    ----------
    second_factor_roles
        Roles whose accounts cannot do without.
    local_names
        The only accounts with a password that may log in; None for all of them.
    """

    second_factor_roles: frozenset[Role] = frozenset()
    local_names: frozenset[str] | None = None

    def takes_password_of(self, username: str) -> bool:
        """Whether this account may log in with its password."""
        return self.local_names is None or username in self.local_names


EVERYBODY = LoginPolicy()


def is_username(text: str) -> bool:
    """Tell whether `text` can be a user name at all."""
    return _USERNAME.fullmatch(text) is not None


def require_username(username: str) -> str:
    """Return `username` when it can be one.

    Raises
    ------
    Rejected
        Unless it is 2 to 40 lower-case letters, digits, dots, dashes or underscores, a letter first. A slash
        is kept for processes (`janus-med/listener`), so that no person can pass for one.
    """
    if not is_username(username):
        raise Rejected(
            "a user name has 2 to 40 lower-case letters, digits, dots, dashes or underscores, a letter first"
        )
    return username


def require_password(password: str, username: str) -> str:
    """Return `password` when it is fit to be one (length counts, composition rules do not; NIST SP 800-63B).

    Raises
    ------
    Rejected
        If it is too short, too long, or holds the user name.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise Rejected(f"a password has at least {SHORTEST_PASSWORD} characters")
    if len(password) > LONGEST_PASSWORD:
        raise Rejected(f"a password has at most {LONGEST_PASSWORD} characters")
    if username.lower() in password.lower():
        raise Rejected("a password does not contain the user name")
    return password


def require_printed_name(name: str) -> str:
    """Return `name` when it can stand under a signature and in a DICOM PN (PS3.5 6.2, 64 characters).

    Raises
    ------
    Rejected
        If it is empty, too long, or holds characters that DICOM or HL7 give a meaning.
    """
    name = name.strip()
    if not name or len(name) > 64 or any(c in "\\^=|~&\r\n" or not c.isprintable() for c in name):
        raise Rejected("a printed name has 1 to 64 characters, without \\ ^ = | ~ & and line breaks")
    return name
