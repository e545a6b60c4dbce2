"""Signatures are sealed with a key that is not in the database; those from before stay as they are, unsealed.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attestations", sa.Column("key_id", sa.Text(), nullable=True))
    op.add_column("attestations", sa.Column("seal", sa.Text(), nullable=True))
    # NOT VALID: it holds for every new signature and says nothing of those that were there before
    op.execute(
        "ALTER TABLE attestations ADD CONSTRAINT attestations_are_sealed"
        " CHECK (key_id IS NOT NULL AND key_id <> '' AND seal IS NOT NULL AND seal <> '') NOT VALID"
    )


def downgrade() -> None:
    raise NotImplementedError("going back would strip the seals of signatures: restore a backup instead")
