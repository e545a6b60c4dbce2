"""StudyID and SeriesNumber, which DICOMweb searches match, and indexes for what its clients ask most.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # studies that are here already keep an empty one: their headers lie in the spool
    op.add_column("studies", sa.Column("study_id", sa.Text(), nullable=False, server_default=""))
    op.add_column("instances", sa.Column("series_number", sa.Integer(), nullable=True))
    op.create_index("studies_study_id", "studies", ["study_id"])
    op.create_index("studies_study_date", "studies", ["study_date"])


def downgrade() -> None:
    raise NotImplementedError("going back would lose what was received: restore a backup instead")
