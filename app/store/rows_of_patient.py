# ruff: noqa: S608 - every part of these statements is a constant of this module
"""Which rows of which table are of one patient: a table with patients in it is one line here.

The parameters are `patient_id` and `issuer`; for the audit log also `references`, its keyed hashes.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import TextClause, text

_STUDY = "study_uid IN (SELECT study_uid FROM janus_studies_of(:patient_id, :issuer))"
_REPORT = f"report_id IN (SELECT id FROM reports WHERE {_STUDY})"  # nosec B608
_PERSON = "(patient_id, issuer) IN (SELECT patient_id, issuer FROM janus_identifiers(:patient_id, :issuer))"
# table -> which of its rows are of the patient; the order is that of the export
ROWS_OF_PATIENT: Mapping[str, str] = {
    "patients": f"{_PERSON} OR id IN (SELECT patient_row_id FROM studies WHERE {_STUDY})",  # nosec B608
    "patient_identities": _PERSON,
    "patient_holds": _PERSON,
    "orders": f"{_PERSON} OR (issuer = '' AND patient_id = :patient_id AND accession_number IN"  # nosec B608
    f" (SELECT accession_number FROM studies WHERE accession_number <> '' AND {_STUDY}))",
    "studies": _STUDY,
    "study_patients": _STUDY,
    "study_access": _STUDY,
    "emergency_accesses": _STUDY,
    "holds": _STUDY,
    "instances": _STUDY,
    "purged_instances": _STUDY,
    "quarantine": _STUDY,
    "quarantine_decisions": f"quarantine_id IN (SELECT id FROM quarantine WHERE {_STUDY})",  # nosec B608
    "priors": f"{_STUDY} OR prior_uid IN (SELECT study_uid FROM janus_studies_of(:patient_id, :issuer))",  # nosec B608
    "drafts": _STUDY,
    "draft_embeddings": _STUDY,
    "questions": _STUDY,
    "reports": _STUDY,
    "report_locks": _REPORT,
    "sentences": _REPORT,
    "attestations": _REPORT,
    "amendments": _REPORT,
    "second_reviews": _REPORT,
    "critical_results": _STUDY,
    "deliveries": _STUDY,
    "commitments": f"delivery_id IN (SELECT id FROM deliveries WHERE {_STUDY})",  # nosec B608
    "dead_letters": _STUDY,
    "audit_log": f"patient_ref = ANY (:references) OR {_STUDY}",
}


def rows_of_patient(table: str) -> TextClause:
    """Return the query for a table's rows of a patient, each as one JSON object, in a fixed order."""
    order = "seq" if table == "audit_log" else "to_jsonb(t)::text"
    return text(f"SELECT to_jsonb(t) FROM {table} AS t WHERE {ROWS_OF_PATIENT[table]} ORDER BY {order}")  # nosec B608
