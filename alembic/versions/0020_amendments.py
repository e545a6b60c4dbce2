"""Addenda and corrections of signed reports: numbered, with a signature each, never changed.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.create_table(
        "amendments",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("report_id", sa.Integer(), sa.ForeignKey("reports.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sections", JSONB(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attestation_id", sa.Integer(), sa.ForeignKey("attestations.id"), nullable=False),
        sa.UniqueConstraint("report_id", "number"),
        sa.UniqueConstraint("attestation_id"),
        # an addendum has its text, a correction all of its sections and the reason
        sa.CheckConstraint(
            "CASE kind WHEN 'addendum' THEN text <> '' AND sections IS NULL AND reason = ''"
            " WHEN 'correction' THEN text = '' AND sections IS NOT NULL AND reason <> ''"
            " ELSE false END",
            name="amendments_are_complete",
        ),
    )
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    connection.execute((SQL / "0020_amendments.sql").read_bytes())


def downgrade() -> None:
    raise NotImplementedError(
        "going back would lose signed addenda and corrections: restore a backup instead"
    )
