"""AI models that were loaded here, with their cards, and which of them may not draft.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "ai_models",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("weights_sha256", sa.Text(), nullable=False),
        sa.Column("adapters_sha256", sa.Text(), nullable=False),
        sa.Column("preset", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("first_loaded_at", TIME, nullable=False),
        sa.Column("last_loaded_at", TIME, nullable=False),
        sa.Column("stopped_at", TIME, nullable=True),
        sa.Column("stopped_by", sa.Text(), nullable=False),
        sa.Column("stop_reason", sa.Text(), nullable=False),
        sa.UniqueConstraint("model_id", "weights_sha256", "adapters_sha256", name="uq_ai_models_identity"),
        # a stop names who and why, also for whoever writes past the application
        sa.CheckConstraint(
            "stopped_at IS NULL OR (stopped_by <> '' AND stop_reason <> '')",
            name="ai_models_stop_is_complete",
        ),
    )
    op.execute("GRANT SELECT, INSERT ON ai_models TO janus_app")
    op.execute("GRANT USAGE ON SEQUENCE ai_models_id_seq TO janus_app")
    op.execute(
        "GRANT UPDATE (preset, card, last_loaded_at, stopped_at, stopped_by, stop_reason)"
        " ON ai_models TO janus_app"
    )


def downgrade() -> None:
    raise NotImplementedError("going back would let stopped models draft: restore a backup instead")
