"""For how many objects of a delivery its receiver is asked for storage commitment.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # requests from before were for the first object alone; the rights on the table are those of its migration
    op.add_column("commitments", sa.Column("objects", sa.Integer(), nullable=False, server_default="1"))
    op.alter_column("commitments", "objects", server_default=None)


def downgrade() -> None:
    op.drop_column("commitments", "objects")
