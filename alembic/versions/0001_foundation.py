"""The tables of the first release, the job queue's tables, and who may do what to them.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects.postgresql import JSONB

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    make_accounts()
    make_studies()
    make_reports()
    make_signatures()
    make_records()
    # the pinned procrastinate brings its own tables; a later version of it comes with a migration of ours
    run_script(SchemaManager.get_schema())
    run_script((SQL / "0001_guards.sql").read_text(encoding="utf-8"))
    run_script((SQL / "0001_rights.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    raise NotImplementedError("going back would drop the audit log: restore a backup instead")


def run_script(script: str) -> None:
    """Run many statements as they are: neither `:` nor `%` is a parameter."""
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    connection.execute(script.encode())


def make_accounts() -> None:
    """Users and their sessions."""
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("username", sa.Text(), nullable=False, unique=True),
        sa.Column("printed_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("failed_attempts", sa.Integer(), nullable=False),
        sa.Column("locked_until", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("token_sha256", sa.String(length=64), nullable=False, unique=True),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
    )


def make_studies() -> None:
    """Patients, studies, instances, quarantine."""
    op.create_table(
        "patients",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.Text(), nullable=False),
        sa.Column("sex", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=32), nullable=False),
        sa.UniqueConstraint("patient_id", "issuer", "name", "birth_date", "sex"),
    )
    op.create_index("ix_patients_reference", "patients", ["reference"])
    op.create_table(
        "studies",
        sa.Column("study_uid", sa.String(length=64), primary_key=True),
        sa.Column("patient_row_id", sa.Integer(), sa.ForeignKey("patients.id"), nullable=False),
        sa.Column("accession_number", sa.Text(), nullable=False),
        sa.Column("study_date", sa.Text(), nullable=False),
        sa.Column("study_time", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("referring_physician", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("body_part", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("priority_reason", sa.Text(), nullable=False),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("called_ae", sa.Text(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("last_instance_at", TIME, nullable=False),
        sa.Column("completed_at", TIME, nullable=True),
    )
    op.create_index("ix_studies_patient_row_id", "studies", ["patient_row_id"])
    op.create_index("studies_accession", "studies", ["accession_number"])
    op.create_index("studies_worklist", "studies", ["state", "priority", "received_at"])
    op.create_table(
        "instances",
        sa.Column("sop_uid", sa.String(length=64), primary_key=True),
        sa.Column("study_uid", sa.String(length=64), sa.ForeignKey("studies.study_uid"), nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("instance_number", sa.Integer(), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("columns", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
    )
    op.create_index("ix_instances_study_uid", "instances", ["study_uid"])
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.UniqueConstraint("sop_uid", "sha256"),
    )


def make_reports() -> None:
    """Drafts, reports and what readers do to them."""
    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_uid", sa.String(length=64), sa.ForeignKey("studies.study_uid"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("model", JSONB(), nullable=False),
        sa.Column("findings", JSONB(), nullable=False),
        sa.Column("sentences", JSONB(), nullable=False),
        sa.Column("report", JSONB(), nullable=False),
        sa.Column("issues", JSONB(), nullable=False),
        sa.Column("timings", JSONB(), nullable=False),
        sa.Column("provenance", JSONB(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("superseded_at", TIME, nullable=True),
        sa.UniqueConstraint("study_uid", "revision", "status"),
    )
    op.create_index("ix_drafts_study_uid", "drafts", ["study_uid"])
    op.create_table(
        "reports",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_uid", sa.String(length=64), sa.ForeignKey("studies.study_uid"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.Integer(), sa.ForeignKey("drafts.id"), nullable=True),
        sa.Column("ai_model", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.UniqueConstraint("study_uid", "revision"),
    )
    op.create_index("ix_reports_study_uid", "reports", ["study_uid"])
    op.create_table(
        "sentences",
        sa.Column("report_id", sa.Integer(), sa.ForeignKey("reports.id"), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("section", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("ai_text", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("findings", JSONB(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("region", JSONB(), nullable=True),
        sa.PrimaryKeyConstraint("report_id", "key"),
    )
    op.create_table(
        "report_locks",
        sa.Column("report_id", sa.Integer(), sa.ForeignKey("reports.id"), primary_key=True),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("taken_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
    )


def make_signatures() -> None:
    """Signatures and the outbox."""
    op.create_table(
        "attestations",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("report_id", sa.Integer(), sa.ForeignKey("reports.id"), nullable=False),
        sa.Column("report_version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("printed_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.Column("signed_at", TIME, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
    )
    op.create_index("ix_attestations_report_id", "attestations", ["report_id"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("report_id", sa.Integer(), sa.ForeignKey("reports.id"), nullable=False),
        sa.Column("attestation_id", sa.Integer(), sa.ForeignKey("attestations.id"), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sop_uid", sa.String(length=64), nullable=False, unique=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        sa.UniqueConstraint("attestation_id", "destination", "kind"),
    )
    op.create_index("ix_deliveries_report_id", "deliveries", ["report_id"])


def make_records() -> None:
    """The audit log, given-up work, fingerprints of keys."""
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, primary_key=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("patient_ref", sa.Text(), nullable=False),
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("detail", JSONB(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
    )
    op.create_index("ix_audit_log_at", "audit_log", ["at"])
    op.create_index("ix_audit_log_patient_ref", "audit_log", ["patient_ref"])
    op.create_index("ix_audit_log_study_uid", "audit_log", ["study_uid"])
    op.create_index("ix_audit_log_username", "audit_log", ["username"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("job_id", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("arguments", JSONB(), nullable=False),
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("died_at", TIME, nullable=False),
        sa.Column("retried_at", TIME, nullable=True),
    )
    op.create_table(
        "key_checks",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
    )
