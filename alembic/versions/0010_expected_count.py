"""How many instances a study has, as its sender announces it.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # the rights on the table are those of 0001
    op.add_column("studies", sa.Column("expected_count", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("studies", "expected_count")
