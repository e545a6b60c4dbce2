"""The newest checkpoint, stamp, export and verification of the audit log are found at once.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

PROOFS = ("audit checkpoint", "audit checkpoint stamped", "audit exported", "audit verified")


def upgrade() -> None:
    op.create_index(
        "audit_checkpoints",
        "audit_log",
        ["event", "seq"],
        postgresql_where=sa.text(f"event IN {PROOFS}"),
    )


def downgrade() -> None:
    op.drop_index("audit_checkpoints", "audit_log")
