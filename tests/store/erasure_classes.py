"""What each column of the database holds of a patient, and how an erasure deals with it.

A new table or column is one line here; `test_every_table.py` fails without it. Where a line says BLANKED or
DELETED, `alembic/sql/0021_erasure.sql` (or the migration that replaces its function) has to do so.
"""

from __future__ import annotations

from collections.abc import Mapping

# rows of the patient are deleted
DELETED = "deleted"
# the words are overwritten, the row stays
BLANKED = "blanked"
# stays, and says nothing of a patient: a key, a number, a state, a time, a member of staff, a digest, a UID
KEPT = "kept"
# stays: the patient by the keyed hash
HASHED = "hashed"

# tables whose rows are never about a patient, and why
NOT_ABOUT_PATIENTS: Mapping[str, str] = {
    "ai_models": "versions of models",
    "alembic_version": "the revision of the schema",
    "alert_acknowledgements": "who saw which alert",
    "alerts": "numbers of studies' work, AE titles, destinations; never names or text",
    "audit_forwarding": "how far collectors are",
    "audit_head": "number and digest",
    "counters": "sums with labels from closed lists",
    "erasures": "the keyed hash, UIDs, who and why; a reason that names the PatientID is refused",
    "heartbeats": "processes",
    "hl7_messages": "sender, control id and digest; no content",
    "key_checks": "fingerprints of keys",
    "department_macros": "text of the house, edited by its administrators",
    "department_words": "words of the house, edited by its administrators",
    "preferences": "what staff set for themselves; saved filters keep no searched text",
    "procrastinate_events": "what became of jobs",
    "procrastinate_jobs": "arguments are UIDs and numbers of rows",
    "procrastinate_periodic_defers": "times",
    "procrastinate_workers": "heartbeats",
    "purged_instances": "UIDs and digests of images that are gone, so that their bytes are removed",
    "reading_times": "seconds and counts of staff at sections of a report; deleted with the report",
    "recovery_codes": "keyed hashes of codes of accounts",
    "report_templates": "text of the house, edited by its administrators",
    "report_locks": "who edits; deleted all the same",
    "rule_versions": "the rules of the house; a rule that names a patient is the house's to change",
    "second_review_draws": "weeks, seeds and numbers",
    "second_factors": "sealed secrets of accounts",
    "sessions": "log-ins of staff",
    "sources": "AE titles",
    "study_access_groups": "which groups",
    "study_group_members": "accounts",
    "study_groups": "names of groups",
    "used_tokens": "digests",
    "users": "staff",
}

_ROW = {"*": DELETED}
# tables with rows about patients: column -> what becomes of it; "*" is every column that is not named
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "amendments": {"*": KEPT, "text": BLANKED, "sections": BLANKED, "reason": BLANKED},
    "attestations": {"*": KEPT, "text": BLANKED},
    "audit_log": {"*": KEPT, "patient_ref": HASHED, "detail": KEPT},
    "commitments": {"*": KEPT, "reason": BLANKED},
    "critical_results": {"*": KEPT, "finding": BLANKED, "receiver": BLANKED, "reason": BLANKED},
    "dead_letters": {"*": KEPT, "reason": BLANKED},
    "deliveries": {"*": KEPT, "reason": BLANKED},
    "drafts": {
        "*": KEPT,
        "reason": BLANKED,
        "findings": BLANKED,
        "sentences": BLANKED,
        "report": BLANKED,
        "issues": BLANKED,
        "timings": BLANKED,
        "provenance": BLANKED,
    },
    "draft_embeddings": _ROW,
    "emergency_accesses": {"*": KEPT, "reason": BLANKED},
    # a hold forbids the erasure, so none is there
    "holds": _ROW,
    "instances": _ROW,
    "orders": _ROW,
    "patient_holds": _ROW,
    "patient_identities": _ROW,
    "patients": _ROW,
    "priors": _ROW,
    "quarantine": {"*": KEPT, "reason": BLANKED},
    "quarantine_decisions": {"*": KEPT, "reason": BLANKED},
    "questions": _ROW,
    "reports": {"*": KEPT},
    "second_reviews": {"*": KEPT, "comment": BLANKED},
    "sentences": {
        "*": KEPT,
        "text": BLANKED,
        "ai_text": BLANKED,
        "findings": BLANKED,
        "confidence": BLANKED,
        "region": BLANKED,
    },
    "studies": {
        "*": KEPT,
        "accession_number": BLANKED,
        "study_id": BLANKED,
        "study_date": BLANKED,
        "study_time": BLANKED,
        "description": BLANKED,
        "referring_physician": BLANKED,
        "body_part": BLANKED,
        "reason": BLANKED,
        "priority_reason": BLANKED,
    },
    "study_access": {"*": KEPT, "reason": BLANKED},
    "study_patients": _ROW,
}

# text and JSON columns that stay: each with its reason, so that a new one is not taken for granted
KEPT_TEXT: Mapping[str, Mapping[str, str]] = {
    "amendments": {"kind": "from a closed list"},
    "attestations": {
        "username printed_name role meaning": "who signed, as what",
        "sha256": "digest of the text that was signed",
        "key_id seal": "cover facts and digest, not the text",
    },
    "audit_log": {
        "event outcome username role source": "who did what, from where",
        "patient_ref": "keyed hash",
        "study_uid previous digest": "identifiers and digests",
        "detail": "keys, numbers and states; test_audit_of_acts looks for names and text",
    },
    "commitments": {"transaction_uid sop_class_uid state": "UIDs and a state"},
    "critical_results": {
        "study_uid state": "a UID and a state",
        "opened_by teller ended_by": "staff",
        "means": "from a closed list",
    },
    "dead_letters": {"queue task study_uid": "names of work and a UID", "arguments": "UIDs and numbers"},
    "deliveries": {"study_uid destination kind sop_uid state": "names of the house, UIDs, a state"},
    "drafts": {"study_uid status": "a UID and a state", "model": "the model's version"},
    "emergency_accesses": {"study_uid state ended_by": "a UID, a state, staff"},
    "quarantine": {"sop_uid study_uid sha256 calling_ae": "UIDs, a digest, an AE title"},
    "quarantine_decisions": {
        "decision username": "from a closed list; staff",
        "outcome": "cut to taken/refused",
    },
    "reports": {"study_uid ai_model state": "a UID, a model, a state"},
    "second_reviews": {"score": "from a closed list"},
    "sentences": {"key section origin decision": "from closed lists and counters"},
    "studies": {
        "study_uid modality state calling_ae called_ae": "a UID, from closed lists, AE titles",
        "routing": "names of rules, destinations and groups",
    },
    "study_access": {"study_uid username": "a UID; staff"},
}
