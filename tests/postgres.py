"""Real databases for tests: the embedded PostgreSQL 18 and Debian's PostgreSQL 15.

The fixtures, for every test below `tests/`:

* ``embedded_settings`` (session): settings of a running, migrated embedded server in a folder of its own;
* ``store``: an empty migrated database on that server, thrown away after the test;
* ``any_store``: the same, once on the embedded server and once on PostgreSQL 15;
* ``database``: like ``store``, with the connection strings of owner and application;
* ``module_database``: like ``database``, one for all tests of a module;
* ``data_dir``: a folder that the database's system account may enter (pytest's own may not).

Servers start once per test session, databases are cloned from a migrated template.
"""

from __future__ import annotations

import itertools
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.settings import Settings
from app.store.connection import Endpoints
from app.store.embedded import EmbeddedPostgres
from app.store.engine import Store, open_database
from app.store.keys import Keys
from app.store.migrate import upgrade_database
from app.store.signing_keys import file_signer, sealing_key
from tests.conftest import need
from tests.ports import free_port

DEBIAN_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
TEMPLATE = "janus_template"
TEST_KEYS = Keys(
    patient=bytes(32),
    login=bytes(32),
    attestation=sealing_key(file_signer(bytes(32))),
    audit=sealing_key(file_signer(b"\x01" * 32)),
)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Server:
    """A running server with a migrated template database."""

    name: str
    template: Endpoints

    def owner_of(self, database: str) -> str:
        """Return the owner's connection string to a database."""
        return make_conninfo(self.template.owner, dbname=database)

    def application_of(self, database: str) -> str:
        """Return the application's connection string to a database."""
        return make_conninfo(self.template.application, dbname=database)

    def execute(self, statement: str, *names: str) -> None:
        """Run a statement with identifiers as the owner, outside of any transaction."""
        with psycopg.connect(self.owner_of("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@dataclass(frozen=True)
class Database:
    """A database of one test."""

    server: Server
    owner: str = field(repr=False)
    application: str = field(repr=False)
    store: Store


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A new folder that other accounts may enter but not list; a server on it is stopped afterwards."""
    with OpenFolder() as folder:
        yield folder
        EmbeddedPostgres(Settings(data_dir=folder)).stop()


@pytest.fixture(scope="module")
def module_data_dir() -> Iterator[Path]:
    """Like `data_dir`, for all tests of a module, each of which leaves a database there that starts."""
    with OpenFolder() as folder:
        yield folder
        EmbeddedPostgres(Settings(data_dir=folder)).stop()


@pytest.fixture(scope="session")
def embedded_settings() -> Iterator[Settings]:
    """Settings whose embedded server runs during the whole test session, migrated."""
    with OpenFolder() as folder:
        settings = Settings(data_dir=folder)
        embedded = EmbeddedPostgres(settings)
        upgrade_database(embedded.attach().owner)
        yield settings
        embedded.stop()


@pytest.fixture(scope="session")
def embedded_server(embedded_settings: Settings) -> Iterator[Server]:
    """The embedded PostgreSQL."""
    embedded = EmbeddedPostgres(embedded_settings)
    yield _with_template("embedded", embedded.attach())
    embedded.detach()


@pytest.fixture(scope="session")
def debian_server() -> Iterator[Server]:
    """Debian's PostgreSQL 15, run as nobody when the tests run as root."""
    need(DEBIAN_PROGRAMS.is_dir(), "PostgreSQL 15 (apt-get install postgresql)")
    with OpenFolder() as folder:
        cluster, port = folder / "pg15", free_port()
        _run_as_nobody(
            folder, "initdb", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-U", "owner", str(cluster)
        )
        options = f"-h 127.0.0.1 -p {port} -k {folder}"
        _run_as_nobody(
            folder, "pg_ctl", "-w", "-D", str(cluster), "-l", str(folder / "log"), "-o", options, "start"
        )
        try:
            yield _with_template("debian", _debian_endpoints(port))
        finally:
            _run_as_nobody(folder, "pg_ctl", "-D", str(cluster), "-m", "immediate", "stop")


def _debian_endpoints(port: int) -> Endpoints:
    """Return how owner and application reach the server: the application's login role is a plain member."""
    from app.store.connection import endpoints

    address = {"host": "127.0.0.1", "port": str(port), "dbname": "postgres"}
    with psycopg.connect(**address, user="owner", autocommit=True) as connection:
        connection.execute("CREATE ROLE janus_app NOLOGIN")
        connection.execute("CREATE ROLE reading_room LOGIN IN ROLE janus_app")
    return endpoints(address | {"user": "owner"}, address | {"user": "reading_room"})


@pytest.fixture
def database(embedded_server: Server) -> Iterator[Database]:
    """An empty database on the embedded server."""
    yield from _cloned(embedded_server)


@pytest.fixture(scope="module")
def module_database(embedded_server: Server) -> Iterator[Database]:
    """Like `database`, for all tests of a module."""
    yield from _cloned(embedded_server)


@pytest.fixture
def store(database: Database) -> Store:
    """The store on an empty database of the embedded server."""
    return database.store


@pytest.fixture(params=["embedded", "debian"])
def any_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database, once on each server."""
    yield from _cloned(request.getfixturevalue(f"{request.param}_server"))


@pytest.fixture
def any_store(any_database: Database) -> Store:
    """The store on an empty database, once on each server."""
    return any_database.store


def _with_template(name: str, reached: Endpoints) -> Server:
    server = Server(name, reached)
    server.execute("CREATE DATABASE {}", TEMPLATE)
    upgrade_database(server.owner_of(TEMPLATE))
    return server


def _cloned(server: Server) -> Iterator[Database]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    server.execute("CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE)
    store = open_database(server.application_of(name), TEST_KEYS)
    try:
        yield Database(server, server.owner_of(name), server.application_of(name), store)
    finally:
        store.close()
        server.execute("DROP DATABASE {} WITH (FORCE)", name)


# Ends with the test run, however that ends: a run that is killed leaves neither servers nor folders behind.
_CLEAN_UP = """
import os, pathlib, shutil, signal, sys, time
sys.stdin.read()
folder = pathlib.Path(sys.argv[1])
for file in folder.rglob("postmaster.pid"):
    try:
        os.kill(int(file.read_text().split()[0]), signal.SIGQUIT)
        time.sleep(1)
    except (OSError, ValueError, IndexError):
        pass
shutil.rmtree(folder, ignore_errors=True)
"""


class OpenFolder:
    """A temporary folder outside of pytest's, which pytest closes to other accounts again and again."""

    def __enter__(self) -> Path:
        self._path = Path(tempfile.mkdtemp(prefix=f"janus-med-test-{secrets.token_hex(3)}-"))
        self._path.chmod(0o711)
        self._cleaner = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _CLEAN_UP, str(self._path)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self._path

    def __exit__(self, *_: object) -> None:
        self._cleaner.communicate()


def as_nobody() -> dict[str, Any]:
    """Arguments of `subprocess.run` that make a command run as nobody, when this process is root."""
    import pwd

    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _run_as_nobody(folder: Path, program: str, *arguments: str) -> None:
    account = as_nobody()
    if account:
        os.chown(folder, account["user"], account["group"])
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(DEBIAN_PROGRAMS / program), *arguments],
            check=False,
            cwd=folder,
            stdout=output,
            stderr=output,
            **account,
        )
        output.seek(0)
        assert done.returncode == 0, output.read().decode()
