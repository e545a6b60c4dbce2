"""Dump and restore with the programs of the server's own version, on both servers."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from app.domain.errors import ConfigurationError, DatabaseUnavailable
from app.store.dump import dump_database, program_for, restore_database, server_major
from app.store.engine import open_database
from tests.postgres import TEST_KEYS, Database
from tests.store.revision_rows import add_rows, read_rows

_numbers = itertools.count(1)


@pytest.mark.covers("R2")
def test_restored_dump_is_the_same_database_with_its_rights_and_guards(
    any_database: Database, tmp_path: Path
) -> None:
    rows = add_rows(any_database.owner)
    dump_database(any_database.owner, tmp_path / "dump")
    name = f"restored_{next(_numbers)}"
    any_database.server.execute("CREATE DATABASE {}", name)
    try:
        owner = any_database.server.owner_of(name)
        restore_database(owner, tmp_path / "dump")
        assert read_rows(owner) == rows
        store = open_database(any_database.server.application_of(name), TEST_KEYS)
        store.close()
        with pytest.raises(ConfigurationError, match="not empty"):
            restore_database(owner, tmp_path / "dump")
    finally:
        any_database.server.execute("DROP DATABASE {} WITH (FORCE)", name)


def test_missing_version_and_failed_dump_are_named(database: Database, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="postgresql-client-99"):
        program_for("pg_dump", 99)
    assert server_major(database.owner) == 18
    with pytest.raises(DatabaseUnavailable, match="pg_dump failed"):
        dump_database(database.owner, tmp_path / "no" / "such" / "folder")
