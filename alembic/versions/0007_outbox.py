"""Alerts, and reports that are withdrawn: a withdrawn report is as final as a signed one.

Destinations are named by their configured name from here on. Deliveries of the first release keep the
``AE@host:port`` that they have; the destination with that address is found when they are sent.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raised_at", TIME, nullable=False),
        sa.Column("told_at", TIME, nullable=True),
        sa.Column("cleared_at", TIME, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", TIME, nullable=True),
    )
    op.create_index(
        "alerts_open",
        "alerts",
        ["kind", "subject"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_index("alerts_untold", "alerts", ["next_try_at"], postgresql_where=sa.text("told_at IS NULL"))
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    connection.execute((SQL / "0007_withdrawal.sql").read_bytes())


def downgrade() -> None:
    raise NotImplementedError("going back would make withdrawn reports changeable: restore a backup instead")
