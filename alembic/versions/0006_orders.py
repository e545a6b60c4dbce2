"""Orders of the RIS, HL7 messages that had their effect, corrected and merged patients.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
TEXTS = (
    "source",
    "placer_number",
    "filler_number",
    "accession_number",
    "patient_id",
    "issuer",
    "patient_name",
    "birth_date",
    "sex",
    "procedure_code",
    "procedure",
    "scheduled_step",
    "indication",
    "priority",
    "requesting_physician",
    "pregnancy",
    "allergies",
    "state",
)


def upgrade() -> None:
    make_orders()
    make_messages()
    make_patients()
    op.execute("GRANT SELECT, INSERT, UPDATE ON orders, patient_identities, study_patients TO janus_app")
    op.execute("GRANT DELETE ON study_patients TO janus_app")
    # which messages had their effect need not be known for ever
    op.execute("GRANT SELECT, INSERT, DELETE ON hl7_messages TO janus_app")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO janus_app")


def downgrade() -> None:
    raise NotImplementedError("going back would drop orders and corrections: restore a backup instead")


def make_orders() -> None:
    """Orders."""
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in TEXTS),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    op.create_index("orders_accession", "orders", ["accession_number"])
    op.create_index("orders_placer", "orders", ["source", "placer_number"])
    op.create_index("orders_filler", "orders", ["source", "filler_number"])


def make_messages() -> None:
    """Messages that had their effect."""
    op.create_table(
        "hl7_messages",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.UniqueConstraint("sender", "control_id", "sha256"),
    )
    op.create_index("ix_hl7_messages_received_at", "hl7_messages", ["received_at"])


def make_patients() -> None:
    """What the hospital's records say of patients whose images say something else."""
    op.create_table(
        "patient_identities",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("patient_row_id", sa.Integer(), sa.ForeignKey("patients.id"), nullable=True),
        sa.Column("merged_into_id", sa.Integer(), sa.ForeignKey("patient_identities.id"), nullable=True),
        sa.Column("updated_at", TIME, nullable=False),
        sa.UniqueConstraint("patient_id", "issuer"),
    )
    op.create_index("ix_patient_identities_merged_into_id", "patient_identities", ["merged_into_id"])
    op.create_table(
        "study_patients",
        sa.Column("study_uid", sa.String(length=64), sa.ForeignKey("studies.study_uid"), primary_key=True),
        sa.Column("patient_row_id", sa.Integer(), sa.ForeignKey("patients.id"), nullable=False),
        sa.Column("since", TIME, nullable=False),
    )
    op.create_index("ix_study_patients_patient_row_id", "study_patients", ["patient_row_id"])
