"""pg_dump and pg_restore of the version that the server has: the embedded distribution's, or the system's.

Passwords go by environment, never by argument: arguments can be read by every account.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.domain.errors import ConfigurationError, DatabaseUnavailable
from app.store.cluster import VERSION, installed_programs
from app.store.connection import APPLICATION_ROLE, unavailable

_SYSTEM = Path("/usr/lib/postgresql")


def dump_database(owner: str, target: Path, *, plain: bool = False) -> None:
    """Dump a database into a file: pg_dump's custom format, or SQL text.

    Parameters
    ----------
    owner
        Connection string of the tables' owner.

    Raises
    ------
    ConfigurationError
        Without a pg_dump that is new enough for the server.
    DatabaseUnavailable
        If the server does not answer, or the dump fails.
    """
    form = "plain" if plain else "custom"
    _run(owner, "pg_dump", f"--format={form}", f"--file={target}", "--no-owner")


def restore_database(owner: str, source: Path) -> None:
    """Restore a dump in custom format into an empty database, all of it or nothing.

    Raises
    ------
    ConfigurationError
        If the database is not empty, or there is no pg_restore for the server.
    DatabaseUnavailable
        If the server does not answer, or the restore fails.
    """
    if _tables(owner):
        raise ConfigurationError("the database is not empty: restore into a new one")
    _require_role(owner)
    _run(owner, "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", str(source))


def server_major(owner: str) -> int:
    """Return the major version of a server."""
    try:
        with psycopg.connect(owner) as connection:
            return connection.info.server_version // 10000
    except psycopg.OperationalError as error:
        raise unavailable(error, owner) from None


def program_for(name: str, major: int) -> Path:
    """Return a program of PostgreSQL of this major version, or the next newer one that is installed.

    Raises
    ------
    ConfigurationError
        Naming the version that is missing.
    """
    found = {int(folder.name): folder / "bin" for folder in _SYSTEM.glob("[0-9]*") if folder.name.isdigit()}
    # a server by URL does not need the embedded distribution
    with suppress(ConfigurationError):
        found[VERSION] = installed_programs()
    fitting = [found[version] / name for version in sorted(found) if version >= major]
    for program in fitting:
        if program.is_file():
            return program
    raise ConfigurationError(
        f"the server is PostgreSQL {major}, and no {name} of that version or newer is installed: "
        f"apt-get install postgresql-client-{major}"
    )


def _run(owner: str, name: str, *arguments: str) -> None:
    program = program_for(name, server_major(owner))
    parameters = conninfo_to_dict(owner)
    password = parameters.pop("password", None)
    # a dump holds still for as long as it takes
    parameters["options"] = re.sub(r"-c (statement|lock)_timeout=\S+", "", str(parameters.get("options", "")))
    address = make_conninfo("", **parameters)
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(
        [str(program), f"--dbname={address}", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        # only what the program says of itself: lines of data may follow
        first = done.stderr.strip().splitlines()[:1]
        raise DatabaseUnavailable(f"{name} failed: {' '.join(first)[:200]}")


def _require_role(owner: str) -> None:
    """Make the application's role where the server does not have it: the dump grants rights to it."""
    with psycopg.connect(owner) as connection:
        row = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APPLICATION_ROLE]).fetchone()
        if row is None:
            connection.execute(f"CREATE ROLE {APPLICATION_ROLE} NOLOGIN".encode())


def _tables(owner: str) -> int:
    try:
        with psycopg.connect(owner) as connection:
            row = connection.execute(
                "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
            ).fetchone()
    except psycopg.OperationalError as error:
        raise unavailable(error, owner) from None
    return int(row[0]) if row else 0
