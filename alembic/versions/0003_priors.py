"""Earlier studies that were looked for beside a current one.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "priors",
        sa.Column("study_uid", sa.String(length=64), sa.ForeignKey("studies.study_uid"), primary_key=True),
        sa.Column("prior_uid", sa.String(length=64), primary_key=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("study_date", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("report_text", sa.Text(), nullable=False),
        sa.Column("attached_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index("ix_priors_prior_uid", "priors", ["prior_uid"])
    op.execute("GRANT SELECT, INSERT, UPDATE ON priors TO janus_app")


def downgrade() -> None:
    op.drop_table("priors")
