"""The migrations make exactly the tables that the code maps."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.store import tables_operations  # noqa: F401 - its tables belong to the metadata
from app.store.connection import make_engine
from app.store.migrate import migrations, upgrade_database
from app.store.readiness import SCHEMA_REVISION
from app.store.tables import Base
from tests.postgres import Database


def test_models_and_migrations_agree(any_database: Database) -> None:
    engine = make_engine(any_database.owner, pool_size=1)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: (
                    not (kind == "table" and name.startswith("procrastinate_"))
                ),
            },
        )
        assert compare_metadata(context, Base.metadata) == []
        assert ScriptDirectory.from_config(migrations(connection)).get_current_head() == SCHEMA_REVISION
    engine.dispose()


def test_a_second_upgrade_changes_nothing(database: Database) -> None:
    assert upgrade_database(database.owner) == SCHEMA_REVISION
    database.store.ping()
