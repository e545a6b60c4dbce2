"""Runs the migrations on the connection that `app.store.migrate` hands over, in its transaction."""

from __future__ import annotations

from sqlalchemy import Connection, text

from alembic import context
from app.store import tables_operations  # noqa: F401 - its tables belong to the metadata
from app.store.tables import Base

# Two processes that upgrade at once take turns.
_TURN = 0x6A616E75


def upgrade(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


handed_over = context.config.attributes.get("connection")
if handed_over is None:
    raise SystemExit("migrations run through `janus-med db upgrade`, not through the alembic command")
upgrade(handed_over)
