"""What a database must be before work begins on it, and how it is told when it does not answer."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from app.domain.errors import ConfigurationError, DatabaseUnavailable
from app.settings import Settings
from app.store.connection import endpoints_of, make_engine
from app.store.engine import Store, open_database, open_store
from app.store.keys import read_keys
from app.store.migrate import upgrade
from app.store.readiness import SCHEMA_REVISION
from tests.ports import free_port
from tests.postgres import TEST_KEYS, Database, Server


def url_of(conninfo: str) -> str:
    """The URL of a server on the network, as an operator writes it."""
    parts = conninfo_to_dict(conninfo)
    return f"postgresql+psycopg://{parts['user']}@{parts['host']}:{parts['port']}/{parts['dbname']}"


@pytest.mark.covers("T17")
@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_server_that_may_lose_what_it_confirmed_is_refused(debian_server: Server, setting: str) -> None:
    def set_to(statement: str) -> None:
        debian_server.execute(statement)
        debian_server.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)

    try:
        set_to(f"ALTER SYSTEM SET {setting} = off")
        with pytest.raises(ConfigurationError, match=f"{setting}=off"):
            open_database(debian_server.application_of("janus_template"), TEST_KEYS)
    finally:
        set_to(f"ALTER SYSTEM RESET {setting}")


@pytest.mark.covers("T17")
def test_database_that_confirms_before_it_writes_is_refused(any_database: Database) -> None:
    with psycopg.connect(any_database.owner, autocommit=True) as connection:
        name = connection.info.dbname
    any_database.server.execute("ALTER DATABASE {} SET synchronous_commit = off", name)
    with pytest.raises(ConfigurationError, match="synchronous_commit=off"):
        open_database(any_database.application, TEST_KEYS)


@pytest.mark.covers("T17")
def test_database_that_was_not_migrated_is_refused(any_database: Database) -> None:
    any_database.server.execute("CREATE DATABASE not_migrated")
    try:
        with pytest.raises(ConfigurationError, match="janus-med db upgrade"):
            open_database(any_database.server.application_of("not_migrated"), TEST_KEYS)
    finally:
        any_database.server.execute("DROP DATABASE not_migrated WITH (FORCE)")


@pytest.mark.covers("T17")
def test_server_without_our_role_asks_for_the_migration(debian_server: Server) -> None:
    debian_server.execute("ALTER ROLE janus_app RENAME TO somebody_else")
    try:
        with pytest.raises(ConfigurationError, match="janus-med db upgrade"):
            open_database(debian_server.application_of("janus_template"), TEST_KEYS)
    finally:
        debian_server.execute("ALTER ROLE somebody_else RENAME TO janus_app")


@pytest.mark.covers("T17")
def test_other_keys_than_the_database_was_made_with_are_refused(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="copy the keys folder"):
        open_database(database.application, replace(TEST_KEYS, patient=bytes(31) + b"1"))


@pytest.mark.covers("T17")
def test_server_by_url_is_migrated_and_opened_but_not_as_a_superuser(
    debian_server: Server, tmp_path: Path
) -> None:
    debian_server.execute("CREATE DATABASE by_url")
    try:
        owner = Settings(data_dir=tmp_path, database_url=url_of(debian_server.owner_of("by_url")))
        assert upgrade(owner) == SCHEMA_REVISION
        with pytest.raises(ConfigurationError, match="is a superuser"):
            open_store(owner)
        debian_server.execute("CREATE ROLE by_url LOGIN IN ROLE janus_app")
        login = conninfo_to_dict(owner.database_url.replace("+psycopg", ""))["user"]
        url = owner.database_url.replace(f"//{login}@", "//by_url@")
        settings = owner.model_copy(update={"database_url": url})
        with open_store(settings) as store, store.begin() as tx:
            who = tx.session.execute(text("SELECT current_user")).scalar_one()
            tx.session.execute(text("RESET ROLE"))
            still = tx.session.execute(text("SELECT current_user")).scalar_one()
        assert (who, still) == ("janus_app", "janus_app")
    finally:
        debian_server.execute("DROP DATABASE by_url WITH (FORCE)")
        debian_server.execute("DROP ROLE IF EXISTS by_url")


@pytest.mark.covers("T17")
@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://h/d", "postgresql+psycopg2://h/d", "nonsense"])
def test_url_that_is_not_postgresql_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="JANUS_MED_DATABASE_URL"):
        endpoints_of(url)


@pytest.mark.covers("C3")
def test_url_that_cannot_be_read_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        endpoints_of("postgresql+psycopg://user:se cret%zz@[host/db?bogus=1")
    assert "cret" not in str(caught.value)


@pytest.mark.covers("T07", "C3")
def test_server_that_is_away_is_told_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://reader:verysecret@127.0.0.1:{free_port()}/db"
    with pytest.raises(DatabaseUnavailable) as caught:
        open_store(Settings(data_dir=tmp_path, database_url=url))
    assert "refused" in str(caught.value)
    assert "verysecret" not in f"{caught.value!r} {caught.value}"


@pytest.mark.covers("T07")
def test_lost_connection_is_told_and_the_next_transaction_works(any_database: Database) -> None:
    store = any_database.store

    def lose_it_half_way() -> None:
        with store.begin() as tx:
            pid = tx.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with psycopg.connect(any_database.owner, autocommit=True) as owner:
                owner.execute("SELECT pg_terminate_backend(%s)", [pid])
            tx.session.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        lose_it_half_way()
    store.ping()


@pytest.mark.covers("T07")
def test_locked_table_is_told_instead_of_waited_for(any_database: Database) -> None:
    impatient = any_database.application.replace("lock_timeout=10s", "lock_timeout=100ms")
    assert impatient != any_database.application
    store = Store(make_engine(impatient), TEST_KEYS, conninfo=impatient)
    with psycopg.connect(any_database.owner) as owner:
        owner.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnavailable, match="lock timeout"), store.begin() as tx:
            tx.users.all()
    with store.begin() as tx:
        assert tx.users.all() == ()
    store.close()


def test_what_a_failed_block_wrote_is_rolled_back(store: Store) -> None:
    def write_and_fail() -> None:
        with store.begin() as tx:
            tx.session.execute(text("INSERT INTO key_checks VALUES ('x', 'y')"))
            raise RuntimeError("the act failed")

    with pytest.raises(RuntimeError):
        write_and_fail()
    with store.begin() as tx:
        assert tx.session.execute(text("SELECT count(*) FROM key_checks WHERE name = 'x'")).scalar_one() == 0


def test_keys_are_made_once_and_are_the_same_for_every_process(tmp_path: Path) -> None:
    first = read_keys(tmp_path / "keys")
    again = read_keys(tmp_path / "keys")
    assert (again.patient, again.login) == (first.patient, first.login)
    assert again.attestation.key_id == first.attestation.key_id
    assert read_keys(tmp_path / "other") != first
    assert "patient" not in repr(first)


def test_damaged_key_is_refused(tmp_path: Path) -> None:
    read_keys(tmp_path / "keys")
    (tmp_path / "keys" / "patient_reference.key").write_text("abc\n")
    with pytest.raises(ConfigurationError, match="damaged"):
        read_keys(tmp_path / "keys")


@pytest.mark.covers("C3")
def test_connection_strings_are_never_shown(database: Database) -> None:
    endpoints = replace(database.server.template)
    password = str(conninfo_to_dict(endpoints.owner)["password"])
    assert password not in repr(endpoints)
    assert password not in repr(database.store._engine)
