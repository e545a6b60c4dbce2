"""What an identity provider says of a person, and what an account makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain.access import Role
from app.domain.account import require_printed_name, require_username
from app.domain.errors import Rejected, SignOnRefused


@dataclass(frozen=True)
class ClaimNames:
    """Which claims hold what, and the role of each group, the deciding ones first."""

    username: str
    printed_name: str
    groups: str
    roles: Mapping[str, Role]


@dataclass(frozen=True)
class Identity:
    """A person as a checked ID token describes them.

    Attributes
    ----------
    token
        What the token is known by, so that it counts once.
    provider_session
        The provider's session (sid); empty when it names none.
    authenticated_at
        When the person showed who they are (auth_time); None when the provider does not say.
    """

    issuer: str
    subject: str
    username: str
    printed_name: str
    role: Role
    token: str
    provider_session: str = ""
    authenticated_at: datetime | None = None


def read_identity(claims: Mapping[str, Any], names: ClaimNames) -> Identity:
    """Return who the claims of a checked ID token describe.

    Raises
    ------
    SignOnRefused
        If no group has a role here, or the names cannot be used.
    """
    try:
        # the provider may write it with capitals; it is bound to its subject all the same
        username = require_username(str(claims.get(names.username, "")).lower())
        printed_name = require_printed_name(str(claims.get(names.printed_name, "")))
    except Rejected as error:
        raise SignOnRefused(
            f"your identity provider gives you a name that cannot be used here: {error}",
            "user name or printed name cannot be used",
        ) from None
    return Identity(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        username=username,
        printed_name=printed_name,
        role=_role_of(claims.get(names.groups), names.roles),
        token=f"{claims['iss']} nonce {claims['nonce']}",
        provider_session=str(claims.get("sid") or ""),
        authenticated_at=time_of(claims.get("auth_time")),
    )


def _role_of(groups: object, roles: Mapping[str, Role]) -> Role:
    theirs = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    for group, role in roles.items():
        if group in theirs:
            return role
    raise SignOnRefused(
        "none of your groups has a role in this application: ask its administrator", "no group has a role"
    )


def time_of(seconds: object) -> datetime | None:
    """Return a NumericDate (RFC 7519 2) as a time; None for what is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
