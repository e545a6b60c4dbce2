"""A row in every table of any revision of the schema, for migrations that meet data."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.store.full_rows import AMENDED, ROWS, STUDY, add_row, row_of
from tests.store.rows import NOW

# tables that know no patients; in an order that keys allow, after those of `full_rows`
OTHERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sessions", {"id": 901, "user_id": 901, "token_sha256": "t"}),
    ("report_locks", {"report_id": 901, "user_id": 901}),
    ("holds", {"study_uid": STUDY, "reason": "court case"}),
    ("patient_holds", {"patient_id": "x", "issuer": "y"}),
    ("purged_instances", {"sop_uid": "1.2.9", "study_uid": STUDY}),
    ("rule_versions", {"id": 901, "content": b"rules"}),
    ("hl7_messages", {"id": 901}),
    ("alerts", {"id": 901, "kind": "k", "subject": "s"}),
    ("alert_acknowledgements", {"alert_id": 901, "username": "u"}),
    ("audit_forwarding", {"collector": "c", "seq": 1}),
    ("counters", {"name": "n", "labels": "{}", "value": 3.0}),
    ("heartbeats", {"process": "p", "instance": "i"}),
    ("sources", {"ae_title": "CT1"}),
    ("key_checks", {"name": "n", "fingerprint": "f"}),
    ("study_groups", {"id": 901, "name": "staff"}),
    ("study_group_members", {"group_id": 901, "user_id": 901}),
    ("study_access_groups", {"study_uid": STUDY, "group_id": 901}),
    ("second_factors", {"user_id": 901, "secret": "sealed"}),
    ("recovery_codes", {"user_id": 901, "digest": "d"}),
    ("used_tokens", {"digest": "d"}),
    ("ai_models", {"id": 901, "model_id": "m"}),
    ("preferences", {"user_id": 901, "name": "language", "value": Jsonb("de")}),
    ("report_templates", {"template_id": 901, "version": 1, "sections": Jsonb({})}),
    ("department_macros", {"name": "nl", "version": 1}),
    ("department_words", {"version": 1, "content": Jsonb({})}),
    ("reading_times", {"id": 901, "report_id": 901, "user_id": 901}),
    ("erasures", {"id": 901, "study_uids": []}),
    ("audit_log", {"seq": 1, "previous": "0" * 64, "digest": "1" * 64, "detail": Jsonb({}), "at": NOW}),
)


def add_rows(owner: str) -> dict[str, dict[str, Any]]:
    """Write one row into every table that is there; return them as JSON values by table."""
    with psycopg.connect(owner) as connection:
        there = {name for (name,) in connection.execute(_TABLES)}
        for table, given in (*ROWS, *OTHERS):
            if table in there:
                add_row(connection, table, row_of(connection, table, given, {"reason"}))
        if "amendments" in there:
            # under a report that is not signed here: without the trigger that would say so
            connection.execute("SET session_replication_role = replica")
            table, given = AMENDED[2]
            row = given | {"attestation_id": 901, "text": "words"}
            add_row(connection, table, row_of(connection, table, row, set()))
    return read_rows(owner)


def read_rows(owner: str) -> dict[str, dict[str, Any]]:
    """Return the one row of every table that has one."""
    with psycopg.connect(owner) as connection:
        found = {}
        for (table,) in connection.execute(_TABLES).fetchall():
            row = connection.execute(f"SELECT to_jsonb(t) FROM {table} AS t LIMIT 1".encode()).fetchone()
            if row is not None:
                found[table] = row[0]
    return found


_TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    " AND table_type = 'BASE TABLE' AND left(table_name, 12) <> 'procrastinat'"
    " AND table_name <> 'alembic_version'"
)
