"""Critical results: a finding, its category, who was told by whom, when and how; never deleted.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "critical_results",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_uid", sa.String(length=64), sa.ForeignKey("studies.study_uid"), nullable=False),
        sa.Column("report_id", sa.Integer(), sa.ForeignKey("reports.id"), nullable=True),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("category", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("escalations", sa.Integer(), nullable=False),
        sa.Column("teller", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("told_at", TIME, nullable=True),
        sa.Column("means", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        # closed with everything on record, or not closed: also for whoever writes past the application
        sa.CheckConstraint(
            "state <> 'CLOSED' OR (finding <> '' AND teller <> '' AND receiver <> '' AND means <> ''"
            " AND told_at IS NOT NULL AND ended_by <> '' AND ended_at IS NOT NULL)",
            name="critical_closed_is_complete",
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (state IN ('OPEN', 'ESCALATED'))", name="critical_ended"),
    )
    op.create_index("ix_critical_results_study_uid", "critical_results", ["study_uid"])
    op.create_index(
        "critical_due", "critical_results", ["due_at"], postgresql_where=sa.text("ended_at IS NULL")
    )
    op.execute("GRANT SELECT, INSERT ON critical_results TO janus_app")
    op.execute("GRANT USAGE ON SEQUENCE critical_results_id_seq TO janus_app")
    op.execute(
        "GRANT UPDATE (state, due_at, escalations, teller, receiver, told_at, means, ended_by, ended_at,"
        " reason) ON critical_results TO janus_app"
    )


def downgrade() -> None:
    raise NotImplementedError("going back would forget who was told of what: restore a backup instead")
