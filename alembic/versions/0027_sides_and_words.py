"""The side that each image names, and the department's own words for the checks.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    # an image that is here already says nothing: unknown, and the rights on the table are those of 0001
    op.add_column(
        "instances", sa.Column("laterality", sa.String(length=1), nullable=False, server_default="")
    )
    op.create_table(
        "department_words",
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("content", JSONB(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    # versions are added, never changed
    op.execute("GRANT SELECT, INSERT ON department_words TO janus_app")


def downgrade() -> None:
    op.drop_table("department_words")
    op.drop_column("instances", "laterality")
