"""Templates of reports, the department's macros, and seconds and edits per section.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "report_templates",
        sa.Column("template_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("body_part", sa.Text(), nullable=False),
        sa.Column("sections", JSONB(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_table(
        "department_macros",
        sa.Column("name", sa.String(length=30), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_table(
        "reading_times",
        sa.Column("id", sa.Integer(), primary_key=True),
        # a report that an erasure deletes takes its times with it
        sa.Column("report_id", sa.Integer(), sa.ForeignKey("reports.id", ondelete="CASCADE"), nullable=False),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("section", sa.String(length=20), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("edits", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint(
            "seconds >= 0 AND seconds <= 3600 AND edits >= 0", name="reading_times_are_bounded"
        ),
    )
    op.create_index("ix_reading_times_at", "reading_times", ["at"])
    op.create_index("ix_reading_times_report_id", "reading_times", ["report_id"])
    # versions are added, never changed
    for table in ("report_templates", "department_macros", "reading_times"):
        op.execute(f"GRANT SELECT, INSERT ON {table} TO janus_app")
    op.execute("GRANT USAGE ON SEQUENCE reading_times_id_seq TO janus_app")


def downgrade() -> None:
    op.drop_table("reading_times")
    op.drop_table("department_macros")
    op.drop_table("report_templates")
