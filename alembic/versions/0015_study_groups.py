"""Groups of readers, studies that are restricted to them, and emergency accesses.

Revision ID: 0015
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0015"
down_revision = "0012"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "rule_versions",
        sa.Column("restricts", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_table(
        "study_groups",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_table(
        "study_group_members",
        sa.Column("group_id", sa.Integer(), sa.ForeignKey("study_groups.id"), primary_key=True),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), primary_key=True),
    )
    op.create_table(
        "study_access",
        sa.Column(
            "study_uid",
            sa.String(length=64),
            sa.ForeignKey("studies.study_uid", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.CheckConstraint("NOT by_hand OR reason <> ''", name="study_access_has_a_reason"),
    )
    op.create_table(
        "study_access_groups",
        sa.Column(
            "study_uid",
            sa.String(length=64),
            sa.ForeignKey("study_access.study_uid", ondelete="CASCADE"),
            primary_key=True,
        ),
        # a group that guards a study cannot go: the study would be open to everybody
        sa.Column("group_id", sa.Integer(), sa.ForeignKey("study_groups.id"), primary_key=True),
    )
    op.create_index("ix_study_access_groups_group_id", "study_access_groups", ["group_id"])
    _emergencies()
    op.execute("GRANT SELECT, INSERT, DELETE ON study_groups, study_group_members TO janus_app")
    # a row that is locked: the group may not go while a study is restricted to it
    op.execute("GRANT UPDATE (name) ON study_groups TO janus_app")
    op.execute("GRANT SELECT, INSERT ON study_access TO janus_app")
    op.execute("GRANT UPDATE (by_hand, reason, username, decided_at) ON study_access TO janus_app")
    op.execute("GRANT SELECT, INSERT, DELETE ON study_access_groups TO janus_app")
    op.execute("GRANT SELECT, INSERT ON emergency_accesses TO janus_app")
    op.execute("GRANT UPDATE (state, ended_at, ended_by) ON emergency_accesses TO janus_app")
    op.execute("GRANT USAGE ON SEQUENCE study_groups_id_seq, emergency_accesses_id_seq TO janus_app")


def _emergencies() -> None:
    op.create_table(
        "emergency_accesses",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=False),
        # also for whoever writes past the application: no opening without a reason and an end
        sa.CheckConstraint("reason <> '' AND ends_at > started_at", name="emergency_has_reason_and_end"),
        sa.CheckConstraint("(ended_at IS NULL) = (state = 'RUNNING')", name="emergency_ended"),
    )
    op.create_index(
        "emergency_running",
        "emergency_accesses",
        ["study_uid", "user_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    raise NotImplementedError("going back would open every restricted study: restore a backup instead")
