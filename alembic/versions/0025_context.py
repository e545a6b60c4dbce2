"""Embeddings of drafts, for similar studies, and questions that readers put to the images of a study.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.create_table(
        "draft_embeddings",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("draft_id", sa.Integer(), sa.ForeignKey("drafts.id"), nullable=False, unique=True),
        sa.Column("study_uid", sa.String(length=64), sa.ForeignKey("studies.study_uid"), nullable=False),
        sa.Column("space", sa.String(length=64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
    )
    op.create_index("ix_draft_embeddings_study_uid", "draft_embeddings", ["study_uid"])
    op.create_index("draft_embeddings_by_space", "draft_embeddings", ["space", "id"])
    op.create_table(
        "questions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_uid", sa.String(length=64), sa.ForeignKey("studies.study_uid"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("answer", JSONB(), nullable=False),
        sa.Column("model", JSONB(), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
    )
    op.create_index("questions_of_study", "questions", ["study_uid", "id"])
    op.create_index("questions_by_person", "questions", ["user_id", "asked_at"])
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    connection.execute((SQL / "0025_context.sql").read_bytes())


def downgrade() -> None:
    op.execute("DROP TRIGGER context_is_erased ON erasures")
    op.execute("DROP FUNCTION janus_erase_context()")
    op.drop_table("questions")
    op.drop_table("draft_embeddings")
