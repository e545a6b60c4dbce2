"""The worklist: indexes of its usual orders, and word to the reading rooms when something in it changes.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
_TRIGGERS = {
    "studies": ("study_is_new", "study_has_changed"),
    "reports": ("report_is_new", "report_has_changed"),
    "report_locks": ("lock_is_new", "lock_has_changed"),
    "deliveries": ("delivery_is_new", "delivery_has_changed"),
}


def upgrade() -> None:
    op.create_index(
        "studies_by_priority",
        "studies",
        [sa.text("priority DESC"), sa.text("received_at"), sa.text("study_uid")],
    )
    op.create_index("studies_by_arrival", "studies", ["received_at", "study_uid"])
    op.create_index("deliveries_by_study", "deliveries", ["study_uid", "state"])
    op.create_index(
        "reports_later", "reports", ["study_uid", "revision"], postgresql_where=sa.text("revision > 1")
    )
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    connection.execute((SQL / "0024_worklist.sql").read_bytes())


def downgrade() -> None:
    for table, names in _TRIGGERS.items():
        for name in names:
            op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute("DROP FUNCTION worklist_changed()")
    op.drop_index("reports_later")
    op.drop_index("deliveries_by_study")
    op.drop_index("studies_by_arrival")
    op.drop_index("studies_by_priority")
