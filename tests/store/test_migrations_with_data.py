"""Every release that ever was can be brought to this one with its data in it, on both servers.

Covered: each revision with a row in every table it has, upgraded to the head: every value is as it was, and
the new guards hold. Not covered: the same with millions of rows (how long it takes), data that breaks a
constraint which a revision brings.
"""

from __future__ import annotations

import itertools

import psycopg
import pytest
from alembic.script import ScriptDirectory

from alembic import command
from app.store.connection import make_engine
from app.store.migrate import migrations, upgrade_database
from app.store.readiness import SCHEMA_REVISION
from tests.postgres import Database, Server
from tests.store.full_rows import AMENDED
from tests.store.revision_rows import OTHERS, ROWS, add_rows, read_rows

pytestmark = pytest.mark.slow
_numbers = itertools.count(1)


def revisions(owner: str) -> list[str]:
    """Every revision before the head, oldest first."""
    engine = make_engine(owner, pool_size=1)
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(migrations(connection))
        found = [script.revision for script in scripts.walk_revisions()]
    engine.dispose()
    return [revision for revision in reversed(found) if revision != SCHEMA_REVISION]


def upgrade_to(owner: str, revision: str) -> None:
    """Make the tables of an older release."""
    engine = make_engine(owner, pool_size=1)
    with engine.begin() as connection:
        command.upgrade(migrations(connection), revision)
    engine.dispose()


@pytest.mark.covers("R2")
@pytest.mark.parametrize("name", ["embedded", "debian"])
def test_data_of_every_release_survives_the_upgrade(name: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(f"{name}_server")
    tried = []
    for revision in revisions(server.template.owner):
        database = f"migrated_{next(_numbers)}"
        server.execute("CREATE DATABASE {}", database)
        owner = server.owner_of(database)
        try:
            upgrade_to(owner, revision)
            before = add_rows(owner)
            assert {"attestations", "sentences", "audit_log", "studies"} <= set(before), revision
            assert upgrade_database(owner) == SCHEMA_REVISION
            after = read_rows(owner)
            for table, row in before.items():
                assert row == {name: after[table][name] for name in row}, f"{table} since {revision}"
            with psycopg.connect(owner) as connection:
                for statement in (b"UPDATE attestations SET text = ''", b"DELETE FROM audit_log"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                        connection.execute(statement)
            tried.append(revision)
        finally:
            server.execute("DROP DATABASE {} WITH (FORCE)", database)
    assert tried[0] == "0001"
    assert len(tried) >= 15


def test_rows_cover_every_table(database: Database) -> None:
    given = {table for table, _ in (*ROWS, *OTHERS, *AMENDED)}
    assert set(add_rows(database.owner)) - {"audit_head"} == given
    with psycopg.connect(database.owner) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            " AND table_type = 'BASE TABLE'"
        ).fetchall()
    ours = {table for (table,) in tables if not table.startswith("procrastinate_")}
    assert given == ours - {"alembic_version", "audit_head"}, "a new table needs a row in revision_rows.py"
