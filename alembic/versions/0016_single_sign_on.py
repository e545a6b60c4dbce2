"""Accounts of an identity provider, sessions that know their log-in there, and one-time passwords.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name in ("issuer", "subject"):
        op.add_column("users", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    # an account belongs to one person of one provider, or to nobody there and has a password
    op.create_check_constraint("users_issuer_and_subject", "users", "(issuer = '') = (subject = '')")
    op.create_check_constraint("users_password_or_provider", "users", "issuer = '' OR password_hash = ''")
    op.create_index(
        "users_identity",
        "users",
        ["issuer", "subject"],
        unique=True,
        postgresql_where=sa.text("issuer <> ''"),
    )
    op.add_column("sessions", sa.Column("provider_session", sa.Text(), nullable=False, server_default=""))
    for name in ("authenticated_at", "confirmed_at", "expires_at"):
        op.add_column("sessions", sa.Column(name, TIME, nullable=True))
    op.create_index("ix_sessions_provider_session", "sessions", ["provider_session"])
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("digest", sa.String(length=64), primary_key=True),
    )
    op.create_table(
        "used_tokens",
        sa.Column("digest", sa.String(length=64), primary_key=True),
        sa.Column("used_at", TIME, nullable=False),
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON second_factors, recovery_codes, used_tokens TO janus_app")
    op.execute("GRANT UPDATE (last_step) ON second_factors TO janus_app")


def downgrade() -> None:
    raise NotImplementedError("going back would open accounts without their second factor: restore a backup")
