"""The decision of the routing rules for each study, and every version of the rules that was in force.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("studies", sa.Column("routing", JSONB(), nullable=True))
    op.create_table(
        "rule_versions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    # a version that was in force is a record: it may be added and read, nothing else
    op.execute("GRANT SELECT, INSERT ON rule_versions TO janus_app")
    op.execute("GRANT USAGE ON SEQUENCE rule_versions_id_seq TO janus_app")


def downgrade() -> None:
    raise NotImplementedError("going back would drop entries of the audit log: restore a backup instead")
