"""What operations need: counters, signs of life, when a source was last heard, what was purged or held.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    make_figures()
    make_retention()
    make_decisions()
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    connection.execute((SQL / "0008_operations.sql").read_bytes())


def downgrade() -> None:
    raise NotImplementedError("going back would forget what was purged: restore a backup instead")


def make_figures() -> None:
    """What the processes count, that they live, and whom they have heard."""
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("labels", sa.Text(), primary_key=True),
        sa.Column("value", sa.Float(), nullable=False),
    )
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.Text(), primary_key=True),
        sa.Column("instance", sa.Text(), primary_key=True),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("gauges", JSONB(), nullable=False),
    )
    op.create_table(
        "sources",
        sa.Column("ae_title", sa.Text(), primary_key=True),
        sa.Column("watched_since", TIME, nullable=False),
        sa.Column("last_association_at", TIME, nullable=True),
        sa.Column("last_instance_at", TIME, nullable=True),
    )


def make_retention() -> None:
    """What was purged, and what must not be."""
    op.create_table(
        "purged_instances",
        sa.Column("sop_uid", sa.String(length=64), primary_key=True),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("purged_at", TIME, nullable=False),
        sa.Column("removed_at", TIME, nullable=True),
        sa.Column("restored_at", TIME, nullable=True),
    )
    op.create_index("ix_purged_instances_study_uid", "purged_instances", ["study_uid"])
    op.create_index(
        "purged_not_removed",
        "purged_instances",
        ["purged_at"],
        postgresql_where=sa.text("removed_at IS NULL AND restored_at IS NULL"),
    )
    op.create_table(
        "holds",
        sa.Column("study_uid", sa.String(length=64), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("held_at", TIME, nullable=False),
    )


def make_decisions() -> None:
    """What people decided about instances in quarantine, and who has seen which alert."""
    op.create_table(
        "quarantine_decisions",
        sa.Column("quarantine_id", sa.Integer(), sa.ForeignKey("quarantine.id"), primary_key=True),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.Column("done_at", TIME, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("removed_at", TIME, nullable=True),
    )
    op.create_table(
        "alert_acknowledgements",
        sa.Column("alert_id", sa.Integer(), sa.ForeignKey("alerts.id"), primary_key=True),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", TIME, nullable=False),
    )
