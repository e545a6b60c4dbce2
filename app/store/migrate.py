"""Brings a database to the tables of this release (alembic, run as the owner of the tables)."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import psycopg
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

import app
from alembic import command
from app.domain.errors import ConfigurationError
from app.settings import Settings
from app.store.connection import endpoints_of, make_engine, unavailable
from app.store.embedded import EmbeddedPostgres
from app.store.readiness import SCHEMA_REVISION


def upgrade(settings: Settings) -> str:
    """Bring the database of the settings to this release and return its revision.

    Raises
    ------
    ConfigurationError
        If the migrations are not installed, or the URL's role may not make tables and roles.
    DatabaseUnavailable
        If the database does not answer.
    """
    if settings.database_url:
        return upgrade_database(endpoints_of(settings.database_url).owner)
    embedded = EmbeddedPostgres(settings)
    try:
        return upgrade_database(embedded.attach().owner)
    finally:
        embedded.detach()


def upgrade_database(conninfo: str) -> str:
    """Bring the database of a connection string (its owner's) to this release and return its revision."""
    engine = make_engine(conninfo, pool_size=1)
    try:
        with engine.begin() as connection:
            command.upgrade(migrations(connection), SCHEMA_REVISION)
    except ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise ConfigurationError(_missing_rights(error)) from None
        raise
    except OperationalError as error:
        raise unavailable(error, conninfo) from error
    finally:
        engine.dispose()
    return SCHEMA_REVISION


def migrations(connection: Connection) -> Config:
    """Return alembic's configuration for a connection: no ini file, no URL with a password in it."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def migrations_folder() -> Path:
    """Return the folder of the migrations: in the checkout, or where the wheel put them.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    checkout = Path(app.__file__).resolve().parents[1] / "alembic"
    installed = Path(sysconfig.get_path("data")) / "share" / "janus-med" / "alembic"
    for folder in (checkout, installed):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigurationError(f"the migrations are missing: neither {checkout} nor {installed} exists")


def _missing_rights(error: DBAPIError) -> str:
    cause = error.orig
    reason = cause.diag.message_primary if isinstance(cause, psycopg.Error) else ""
    return (
        f"the role of JANUS_MED_DATABASE_URL may not migrate ({reason}): use the owner of the database, with "
        "CREATEROLE or after CREATE ROLE janus_app NOLOGIN and GRANT janus_app TO that owner"
    )
