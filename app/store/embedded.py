"""The embedded PostgreSQL: any process attaches to it or starts it; the last one to leave stops it.

What is promised: it listens on a Unix socket alone and asks every local account for a password
(scram-sha-256, never trust); two processes that start at once do not race; a process that is killed
takes nobody's database away. Who is attached is a shared `flock`, which the kernel drops with the process.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.domain.errors import ConfigurationError, DatabaseUnavailable
from app.settings import Settings
from app.store.cluster import Cluster, Postmaster
from app.store.connection import APPLICATION_ROLE, Endpoints, endpoints, unavailable
from app.store.keys import read_secret
from app.store.system_account import database_account, prepare_data_dir

OWNER_ROLE = "janus_owner"
DATABASE = "janus_med"
_OWNER_PASSWORD = "database_owner.password"  # noqa: S105 - a file's name
_APPLICATION_PASSWORD = "database_application.password"  # noqa: S105 - a file's name
_TURN_SECONDS = 120.0
_READY_SECONDS = 60.0


class EmbeddedPostgres:
    """The hold of this process on the embedded server in ``settings.database_dir``."""

    def __init__(self, settings: Settings) -> None:
        self._data_dir = settings.data_dir.expanduser().absolute()
        self._keys_dir = settings.keys_dir.expanduser().absolute()
        self._database_dir = settings.database_dir.expanduser().absolute()
        self._lease: int | None = None

    @property
    def is_attached(self) -> bool:
        """Whether this object keeps the server running."""
        return self._lease is not None

    def attach(self) -> Endpoints:
        """Start the server unless it runs, keep it until `detach`, and return how to reach it.

        Raises
        ------
        ConfigurationError
            If the folder cannot be used, or was made by another version of PostgreSQL.
        DatabaseUnavailable
            If the server does not start.
        """
        account = database_account()
        prepare_data_dir(self._data_dir, account)
        cluster = Cluster(self._database_dir, account)
        with self._turn():
            self._require_passwords()
            cluster.initialise(OWNER_ROLE, self._owner_password())
            postmaster = cluster.find() or cluster.start()
            self._prepare_database(postmaster)
            if self._lease is None:
                self._lease = self._open("database.attached")
                fcntl.flock(self._lease, fcntl.LOCK_SH)
            return self._endpoints(postmaster, DATABASE)

    def detach(self) -> bool:
        """Let go of the server, and stop it when nobody else holds it; return whether it was stopped."""
        if self._lease is None:
            return False
        with self._turn():
            lease, self._lease = self._lease, None
            try:
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:
                os.close(lease)
            Cluster(self._database_dir, database_account()).stop()
            return True

    def stop(self) -> None:
        """Stop the server whoever is attached: the supervisor's last act."""
        if not self._database_dir.exists():
            return
        with self._turn():
            if self._lease is not None:
                os.close(self._lease)
                self._lease = None
            Cluster(self._database_dir, database_account()).stop()

    def _endpoints(self, postmaster: Postmaster, database: str) -> Endpoints:
        address = {"host": str(postmaster.socket_folder), "port": str(postmaster.port), "dbname": database}
        return endpoints(
            address | {"user": OWNER_ROLE, "password": self._owner_password()},
            address | {"user": APPLICATION_ROLE, "password": self._application_password()},
        )

    def _prepare_database(self, postmaster: Postmaster) -> None:
        """Make the database and the application's login role."""
        with self._connect_as_owner(postmaster) as connection:
            roles = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APPLICATION_ROLE])
            if roles.fetchone() is None:
                # only the scram verifier travels and is stored
                verifier = connection.pgconn.encrypt_password(
                    self._application_password().encode(), APPLICATION_ROLE.encode(), b"scram-sha-256"
                )
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(APPLICATION_ROLE), sql.Literal(verifier.decode())
                    )
                )
            databases = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if databases.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _connect_as_owner(self, postmaster: Postmaster) -> psycopg.Connection:
        """Connect to the maintenance database, waiting while the server replays its log after a crash."""
        conninfo = self._endpoints(postmaster, "postgres").owner
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                return psycopg.connect(make_conninfo(conninfo, connect_timeout=5), autocommit=True)
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or "password authentication failed" in str(error):
                    raise unavailable(error, conninfo) from None
            time.sleep(0.1)

    def _require_passwords(self) -> None:
        """Refuse a database whose passwords are gone, instead of making others that it does not know."""
        if not (self._database_dir / "PG_VERSION").exists():
            return
        for name in (_OWNER_PASSWORD, _APPLICATION_PASSWORD):
            if not (self._keys_dir / name).exists():
                raise ConfigurationError(
                    f"{self._keys_dir / name} is gone, but the database is there: restore the keys folder"
                )

    def _owner_password(self) -> str:
        return read_secret(self._keys_dir, _OWNER_PASSWORD)

    def _application_password(self) -> str:
        return read_secret(self._keys_dir, _APPLICATION_PASSWORD)

    def _open(self, name: str) -> int:
        return os.open(self._data_dir / name, os.O_RDWR | os.O_CREAT, 0o600)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let one process at a time start, stop, attach and detach."""
        handle = self._open("database.turn")
        try:
            deadline = time.monotonic() + _TURN_SECONDS
            while not _try_lock(handle):
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable(
                        f"another process has been starting or stopping the database in {self._data_dir} "
                        f"for {_TURN_SECONDS:.0f} s"
                    )
                time.sleep(0.05)
            yield
        finally:
            os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
