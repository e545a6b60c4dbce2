"""Storage commitment: what receivers were asked, and what they said.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "commitments",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("delivery_id", sa.Integer(), sa.ForeignKey("deliveries.id"), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False, unique=True),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("asked_at", TIME, nullable=True),
        sa.Column("answered_at", TIME, nullable=True),
    )
    op.create_index("ix_commitments_delivery_id", "commitments", ["delivery_id"])
    op.create_index("ix_commitments_state", "commitments", ["state", "asked_at"])
    op.execute("GRANT SELECT, INSERT, UPDATE ON commitments TO janus_app")
    op.execute("GRANT USAGE ON SEQUENCE commitments_id_seq TO janus_app")


def downgrade() -> None:
    raise NotImplementedError("going back would lose what receivers said: restore a backup instead")
