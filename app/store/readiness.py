"""What a database must be before the application works on it."""

from __future__ import annotations

import hashlib
import hmac

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from app.domain.errors import ConfigurationError
from app.store.keys import Keys

SCHEMA_REVISION = "0027"
OLDEST_SERVER = 150000
_DURABILITY_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")
_CHECK_NAME = "patient_reference"


def require_durable(connection: Connection) -> None:
    """Refuse a server that may lose what it confirmed, or that is too old.

    Raises
    ------
    ConfigurationError
        Naming the setting.
    """
    for name in _DURABILITY_SETTINGS:
        value = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one()
        if value == "off":
            raise ConfigurationError(
                f"the database runs with {name}={value} and may lose what it confirmed: set {name}=on"
            )
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    if version < OLDEST_SERVER:
        raise ConfigurationError(f"the database is PostgreSQL {version // 10000}: 15 or newer is needed")
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise ConfigurationError(f"the database has the encoding {encoding}: create it with UTF8")


def require_modest_login(connection: Connection) -> None:
    """Refuse a login role above the rules of the database: the audit log could be changed through it.

    Raises
    ------
    ConfigurationError
        Naming the role.
    """
    name = connection.execute(
        text("SELECT rolname FROM pg_roles WHERE rolname = session_user AND (rolsuper OR rolbypassrls)")
    ).scalar_one_or_none()
    if name is not None:
        raise ConfigurationError(
            f"the database login {name} is a superuser: give JANUS_MED_DATABASE_URL a role that is a member "
            "of janus_app and nothing more, and keep the owner for janus-med db upgrade"
        )


def require_schema(connection: Connection) -> None:
    """Refuse a database whose tables are not those of this release.

    Raises
    ------
    ConfigurationError
        Telling to run ``janus-med db upgrade``.
    """
    try:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    except ProgrammingError as error:
        if not isinstance(error.orig, psycopg.errors.UndefinedTable | psycopg.errors.InsufficientPrivilege):
            raise
        revision = None
    if revision != SCHEMA_REVISION:
        raise ConfigurationError(
            f"the database is at revision {revision or 'none'}, this release needs {SCHEMA_REVISION}: "
            "run janus-med db upgrade"
        )


def require_patient_key(connection: Connection, keys: Keys) -> None:
    """Refuse a key that the audit log was not written with: its entries could no longer be found by patient.

    Raises
    ------
    ConfigurationError
        If the key of this machine is not the key of the database.
    """
    ours = hmac.new(keys.patient, b"janus-med key check", hashlib.sha256).hexdigest()
    connection.execute(
        text(
            "INSERT INTO key_checks (name, fingerprint) VALUES (:name, :fingerprint)"
            " ON CONFLICT (name) DO NOTHING"
        ),
        {"name": _CHECK_NAME, "fingerprint": ours},
    )
    stored = connection.execute(
        text("SELECT fingerprint FROM key_checks WHERE name = :name"), {"name": _CHECK_NAME}
    ).scalar_one()
    if not hmac.compare_digest(ours, stored):
        raise ConfigurationError(
            "the patient reference key in the keys folder is not the one this database was made with: "
            "copy the keys folder of the first machine"
        )
