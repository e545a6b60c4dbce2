"""How a process reaches its database: connection strings, session settings, errors told without secrets."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError

from app.domain.errors import ConfigurationError, DatabaseUnavailable

APPLICATION_ROLE = "janus_app"

# A statement never hangs a reader's page, and a crashed client never holds a lock for long. The role is set
# as the session starts, so that RESET ROLE leads back to it and not to the login role.
_APPLICATION_SETTINGS = {
    "role": APPLICATION_ROLE,
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "5min",
    "timezone": "UTC",
}
_OWNER_SETTINGS = {"lock_timeout": "60s", "timezone": "UTC", "client_min_messages": "warning"}


@dataclass(frozen=True)
class Endpoints:
    """Connection strings (libpq) of one database; they hold passwords and are never shown.

    Attributes
    ----------
    owner
        For migrations.
    application
        For everything else: its session has the rights of the role ``janus_app`` only.
    """

    owner: str = field(repr=False)
    application: str = field(repr=False)


def endpoints_of(url: str) -> Endpoints:
    """Return the connection strings for a server given by URL (``JANUS_MED_DATABASE_URL``).

    Whatever login role the URL names, the application's sessions take the role ``janus_app``, which the
    migrations make; the login role must own the tables (for ``janus-med db upgrade``) or be a member of it.

    Raises
    ------
    ConfigurationError
        If it is not a PostgreSQL URL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise ConfigurationError("JANUS_MED_DATABASE_URL must begin with postgresql+psycopg://")
    try:
        given = conninfo_to_dict(f"postgresql://{rest}")
    except psycopg.Error:
        raise ConfigurationError("JANUS_MED_DATABASE_URL is not a URL that PostgreSQL understands") from None
    return endpoints({name: str(value) for name, value in given.items() if value is not None})


def endpoints(login: dict[str, str], application_login: dict[str, str] | None = None) -> Endpoints:
    """Return the connection strings for libpq parameters, with the settings of every session."""
    application = application_login or login
    return Endpoints(
        owner=_with_settings(login, _OWNER_SETTINGS),
        application=_with_settings(application, _APPLICATION_SETTINGS),
    )


def _with_settings(login: dict[str, str], settings: dict[str, str]) -> str:
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    parameters: dict[str, str] = {"connect_timeout": "10", "application_name": "janus-med"}
    parameters |= login
    parameters["options"] = f"{login.get('options', '')} {options}".strip()
    return make_conninfo("", **parameters)


def make_engine(conninfo: str, *, pool_size: int = 5) -> Engine:
    """Return an engine for a libpq connection string; errors of it never show parameters."""
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(conninfo),
        pool_size=pool_size,
        max_overflow=2 * pool_size,
        pool_timeout=15,
        pool_pre_ping=True,
        hide_parameters=True,
    )


def unavailable(error: Exception, conninfo: str = "") -> DatabaseUnavailable:
    """Return the error to raise when the database did not answer: what happened, without secrets."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    reason = type(cause).__name__
    if isinstance(cause, psycopg.Error) and cause.diag.message_primary:
        reason = f"{reason}: {cause.diag.message_primary}"
    elif isinstance(cause, psycopg.OperationalError):
        password = str(conninfo_to_dict(conninfo).get("password") or "") if conninfo else ""
        text = str(cause).splitlines()[0][:300] if str(cause) else reason
        reason = text.replace(password, "***") if password else text
    return DatabaseUnavailable(f"the database does not answer ({reason})")
