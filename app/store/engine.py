"""The store: opens the database, checks that it keeps what it confirms, and hands out transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.domain.errors import ConfigurationError, DatabaseUnavailable
from app.settings import Settings
from app.store.connection import APPLICATION_ROLE, endpoints_of, make_engine, unavailable
from app.store.embedded import EmbeddedPostgres
from app.store.keys import Keys, read_keys
from app.store.readiness import require_durable, require_modest_login, require_patient_key, require_schema
from app.store.unit_of_work import UnitOfWork
from app.store.vault import Vault


class Store:
    """The database as the application sees it.

    Parameters
    ----------
    conninfo
        How the application's role reaches the database (libpq); also for the job queue's own connections.
        It holds a password and is never shown.
    release
        Called by `close`, after the last connection is gone.
    """

    def __init__(
        self, engine: Engine, keys: Keys, *, conninfo: str, release: Callable[[], object] | None = None
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._release = release
        self.conninfo = conninfo
        self.vault = Vault(keys.login)
        self.audit_key = keys.audit

    @contextmanager
    def begin(self, *, snapshot: bool = False) -> Iterator[UnitOfWork]:
        """Open one transaction: it commits when the block ends and rolls back on any exception.

        Parameters
        ----------
        snapshot
            Every read sees the database as it was at the first one (REPEATABLE READ).

        Raises
        ------
        DatabaseUnavailable
            If the database does not answer, a statement or lock takes too long, or a deadlock was broken.
        """
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                if snapshot:
                    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                yield UnitOfWork(session, self._keys)
        except (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError) as error:
            raise unavailable(error, self.conninfo) from error

    def ping(self) -> None:
        """Ask the database for an answer; raises `DatabaseUnavailable` when there is none."""
        with self.begin() as work:
            work.session.execute(text("SELECT 1"))

    def require_schema(self) -> None:
        """Raise `ConfigurationError` when the tables are not those of this release."""
        with self.begin() as work:
            require_schema(work.session.connection())

    def close(self) -> None:
        """Close the connections, and let go of the embedded server."""
        self._engine.dispose()
        if self._release is not None:
            self._release()
            self._release = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(settings: Settings) -> Store:
    """Open the database of the settings: a server by URL, or the embedded one (attached to or started).

    Raises
    ------
    ConfigurationError
        If the server may lose what it confirmed (``fsync``, ``full_page_writes`` or ``synchronous_commit``
        off), is older than PostgreSQL 15, was not migrated, or belongs to other keys than ours, or if the
        login of the URL is a superuser.
    DatabaseUnavailable
        If it does not answer.
    """
    keys = read_keys(settings.keys_dir, settings.signing_token)
    if settings.database_url:
        conninfo = endpoints_of(settings.database_url).application
        return open_database(conninfo, keys, is_given=True)
    embedded = EmbeddedPostgres(settings)
    conninfo = embedded.attach().application
    try:
        return open_database(conninfo, keys, release=embedded.detach)
    except BaseException:
        embedded.detach()
        raise


def open_database(
    conninfo: str, keys: Keys, *, release: Callable[[], object] | None = None, is_given: bool = False
) -> Store:
    """Open a migrated database by connection string, after the checks of `open_store`.

    Parameters
    ----------
    is_given
        Somebody else chose the login, which must not be a superuser.
    """
    engine = make_engine(conninfo)
    store = Store(engine, keys, conninfo=conninfo, release=release)
    try:
        with store.begin() as work:
            require_durable(work.session.connection())
            if is_given:
                require_modest_login(work.session.connection())
            require_schema(work.session.connection())
            require_patient_key(work.session.connection(), keys)
    except DatabaseUnavailable as error:
        engine.dispose()
        if f'role "{APPLICATION_ROLE}"' in str(error):
            raise ConfigurationError(
                f"the server has no role {APPLICATION_ROLE}, or our login is not a member of it: "
                "run janus-med db upgrade as the owner of the database"
            ) from None
        raise
    except BaseException:
        engine.dispose()
        raise
    return store
