"""Holds on patients, and the one way in which a patient's data, signed text included, can be erased.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.create_table(
        "patient_holds",
        sa.Column("patient_id", sa.Text(), primary_key=True),
        sa.Column("issuer", sa.Text(), primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("held_at", TIME, nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("transaction", sa.BigInteger(), nullable=False),
        sa.Column("patient_ref", sa.String(length=32), nullable=False),
        sa.Column("study_uids", ARRAY(sa.Text()), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("erased_at", TIME, nullable=False),
    )
    op.create_index("ix_erasures_transaction", "erasures", ["transaction"])
    # a signature from before there were seals can be erased too
    op.execute("ALTER TABLE attestations DROP CONSTRAINT attestations_are_sealed")
    op.execute(
        "ALTER TABLE attestations ADD CONSTRAINT attestations_are_sealed"
        " CHECK (text = '' OR (key_id IS NOT NULL AND key_id <> '' AND seal IS NOT NULL AND seal <> ''))"
        " NOT VALID"
    )
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    connection.execute((SQL / "0021_erasure.sql").read_bytes())


def downgrade() -> None:
    raise NotImplementedError("going back would open signed text again: restore a backup instead")
