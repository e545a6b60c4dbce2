"""One row in every table that knows patients, about one signed study; a canary where words can stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.store.rows import NOW

CANARY = "CANARY"
STUDY, PRIOR = "1.2.3", "1.2.4"
_DIGEST = "0" * 64
LATER = "2026-11-22T13:00:00+00:00"

# the numbers lie beyond those that the sequences give; the order is one that keys allow
ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("users", {"id": 901, "username": "u", "role": "attending"}),
    ("users", {"id": 902, "username": "r", "role": "attending"}),
    ("patients", {"id": 901, "patient_id": CANARY, "issuer": CANARY}),
    ("patient_identities", {"id": 901, "patient_id": CANARY, "issuer": CANARY, "patient_row_id": 901}),
    ("orders", {"id": 901, "patient_id": CANARY, "issuer": CANARY}),
    ("studies", {"study_uid": STUDY, "patient_row_id": 901, "state": "DRAFTED", "revision": 1}),
    ("study_patients", {"study_uid": STUDY, "patient_row_id": 901}),
    ("study_access", {"study_uid": STUDY}),
    (
        "emergency_accesses",
        {
            "id": 901,
            "study_uid": STUDY,
            "user_id": 901,
            "state": "EXPIRED",
            "ended_at": NOW,
            "ends_at": LATER,
        },
    ),
    ("instances", {"sop_uid": "1.2.3.1", "study_uid": STUDY, "laterality": "L"}),
    ("quarantine", {"id": 901, "study_uid": STUDY}),
    ("quarantine_decisions", {"quarantine_id": 901, "outcome": "refused: x"}),
    ("priors", {"study_uid": STUDY, "prior_uid": PRIOR}),
    ("drafts", {"id": 901, "study_uid": STUDY, "revision": 1, "status": "drafted"}),
    ("draft_embeddings", {"id": 901, "draft_id": 901, "study_uid": STUDY}),
    ("questions", {"id": 901, "study_uid": STUDY, "user_id": 901}),
    ("reports", {"id": 901, "study_uid": STUDY, "revision": 1, "draft_id": 901, "state": "IN_REVIEW"}),
    ("sentences", {"report_id": 901, "key": "ai-1"}),
    ("attestations", {"id": 901, "report_id": 901, "user_id": 901, "key_id": "k", "seal": "e"}),
    (
        "critical_results",
        {"id": 901, "study_uid": STUDY, "report_id": 901, "state": "CANCELLED", "ended_at": NOW},
    ),
    ("deliveries", {"id": 901, "report_id": 901, "attestation_id": 901, "study_uid": STUDY, "state": "SENT"}),
    ("commitments", {"id": 901, "delivery_id": 901}),
    ("second_review_draws", {"week": "2026-11-16"}),
    (
        "second_reviews",
        {
            "id": 901,
            "report_id": 901,
            "week": "2026-11-16",
            "reviewer_id": 902,
            "score": "3a",
            "was_blind": True,
            "scored_at": NOW,
        },
    ),
    ("dead_letters", {"id": 901, "study_uid": STUDY}),
)
# once the report is signed
AMENDED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("attestations", {"id": 902, "report_id": 901, "user_id": 901, "key_id": "k", "seal": "e"}),
    ("attestations", {"id": 903, "report_id": 901, "user_id": 901, "key_id": "k", "seal": "e"}),
    (
        "amendments",
        {
            "id": 901,
            "report_id": 901,
            "number": 1,
            "attestation_id": 902,
            "kind": "addendum",
            "sections": None,
            "reason": "",
        },
    ),
    (
        "amendments",
        {
            "id": 902,
            "report_id": 901,
            "number": 2,
            "attestation_id": 903,
            "kind": "correction",
            "text": "",
        },
    ),
)
_OF_TYPE: Mapping[str, Any] = {
    "integer": 0,
    "bigint": 0,
    "double precision": 0.5,
    "boolean": False,
    "timestamp with time zone": NOW,
    "jsonb": Jsonb({}),
    "text": "",
    "character varying": "",
    "bytea": b"",
    "ARRAY": [],
}


def add_full_rows(owner: str, canary: Mapping[str, set[str]]) -> None:
    """Write the rows of `ROWS`; columns named in `canary` hold the canary unless a value is given."""
    with psycopg.connect(owner) as connection:
        for table, given in ROWS:
            add_row(connection, table, row_of(connection, table, given, canary.get(table, set())))
        connection.execute("UPDATE reports SET state = 'SIGNED'")
        for table, given in AMENDED:
            add_row(connection, table, row_of(connection, table, given, canary.get(table, set())))
        _add_audit_entry(connection)


def add_row(connection: psycopg.Connection, table: str, values: Mapping[str, Any]) -> None:
    """Write one row."""
    names, marks = ", ".join(f'"{name}"' for name in values), ", ".join(["%s"] * len(values))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})".encode(), list(values.values()))


def row_of(
    connection: psycopg.Connection, table: str, given: Mapping[str, Any], canary: set[str]
) -> dict[str, Any]:
    """Return the values of a row for the columns that the table has now."""
    kinds = connection.execute(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position",
        [table],
    ).fetchall()
    row: dict[str, Any] = {}
    for name, kind, nullable in kinds:
        if name in given:
            row[name] = given[name]
        elif name in canary:
            row[name] = Jsonb({"words": CANARY}) if kind == "jsonb" else CANARY
        elif nullable == "NO":
            row[name] = _OF_TYPE[kind]
    return row


def _add_audit_entry(connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO audit_log VALUES (1, %s, 'study opened', 'success', 'u', 'viewer', 's', 'ref', %s, '{}',"
        " %s, %s)",
        [NOW, STUDY, _DIGEST, "1" * 64],
    )
