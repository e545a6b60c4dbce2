"""Second reviews of signed reports, and the draws that they come from.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.create_table(
        "second_review_draws",
        sa.Column("week", sa.Date(), primary_key=True),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("percent", sa.Float(), nullable=False),
        sa.Column("signed_with_draft", sa.Integer(), nullable=False),
        sa.Column("signed_without_draft", sa.Integer(), nullable=False),
        sa.Column("drawn", sa.Integer(), nullable=False),
        sa.Column("drawn_at", TIME, nullable=False),
    )
    op.create_table(
        "second_reviews",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("report_id", sa.Integer(), sa.ForeignKey("reports.id"), nullable=False),
        sa.Column("week", sa.Date(), sa.ForeignKey("second_review_draws.week"), nullable=False),
        sa.Column("with_draft", sa.Boolean(), nullable=False),
        sa.Column("drawn_at", TIME, nullable=False),
        sa.Column("reviewer_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=True),
        sa.Column("taken_at", TIME, nullable=True),
        sa.Column("score", sa.String(length=2), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("was_blind", sa.Boolean(), nullable=True),
        sa.Column("scored_at", TIME, nullable=True),
        sa.Column("corrects", sa.Integer(), sa.ForeignKey("second_reviews.id"), nullable=True, unique=True),
        sa.CheckConstraint("score IN ('1', '2a', '2b', '3a', '3b')", name="second_review_score"),
        sa.CheckConstraint(
            "(score IS NULL) = (scored_at IS NULL) AND (score IS NULL) = (was_blind IS NULL)"
            " AND (score IS NULL OR reviewer_id IS NOT NULL)",
            name="second_review_is_whole",
        ),
    )
    op.create_index("ix_second_reviews_report_id", "second_reviews", ["report_id"])
    op.create_index(
        "second_review_once",
        "second_reviews",
        ["report_id"],
        unique=True,
        postgresql_where=sa.text("corrects IS NULL"),
    )
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    connection.execute((SQL / "0026_second_reviews.sql").read_bytes())


def downgrade() -> None:
    raise NotImplementedError("going back would forget second reviews: restore a backup instead")
