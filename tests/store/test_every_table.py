"""No table and no column escapes the erasure of a patient: a new one has to be thought of (T40).

Covered: every column of the migrated schema is classified; what is called deleted or blanked is, on rows that
a canary stands in; the export knows every table with rows of patients. Not covered: files.
"""

from __future__ import annotations

import json
from datetime import timedelta

import psycopg
import pytest

from app.domain.access import service_actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.patient_data import PatientKey
from app.store.rows_of_patient import ROWS_OF_PATIENT
from tests.postgres import Database
from tests.store.erasure_classes import BLANKED, COLUMNS, DELETED, KEPT_TEXT, NOT_ABOUT_PATIENTS
from tests.store.full_rows import CANARY, STUDY, add_full_rows
from tests.unit.services.conftest import NOW

WORDS = {"text", "character varying", "jsonb", "ARRAY", "bytea"}


def columns(database: Database) -> dict[str, dict[str, str]]:
    """Type of every column of every table."""
    found: dict[str, dict[str, str]] = {}
    with psycopg.connect(database.owner) as connection:
        for table, column, kind in connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns JOIN"
            " information_schema.tables USING (table_schema, table_name)"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        ):
            found.setdefault(table, {})[column] = kind
    return found


def fate(table: str, column: str) -> str:
    """What becomes of a column."""
    return COLUMNS[table].get(column, COLUMNS[table]["*"])


@pytest.mark.covers("T40")
def test_every_table_was_thought_of(database: Database) -> None:
    schema = columns(database)
    assert not set(COLUMNS) & set(NOT_ABOUT_PATIENTS)
    assert set(schema) == set(COLUMNS) | set(NOT_ABOUT_PATIENTS)
    for table, fates in COLUMNS.items():
        assert set(fates) - {"*"} <= set(schema[table]), table
        kept = {column for names in KEPT_TEXT.get(table, {}) for column in names.split()}
        words = {column for column, kind in schema[table].items() if kind in WORDS}
        silent = {column for column in words if fate(table, column) not in {DELETED, BLANKED}}
        assert silent == kept, f"{table}: say of each text that stays why it says nothing of a patient"


@pytest.mark.covers("T40")
def test_export_knows_every_table_with_rows_of_patients() -> None:
    named = set(COLUMNS) | {"purged_instances", "report_locks"}
    assert set(ROWS_OF_PATIENT) == named


@pytest.mark.covers("T40")
def test_every_column_that_is_called_blanked_or_deleted_is(any_database: Database) -> None:
    """A canary stands in every such column of every table, under a signed study; afterwards in none."""
    add_full_rows(any_database.owner, {table: _filled(table, any_database) for table in COLUMNS})
    with psycopg.connect(any_database.owner) as connection:
        before = {table: _rows(connection, table) for table in COLUMNS}
    # a hold forbids the erasure: without rows of its own here
    for table in set(COLUMNS) - {"holds", "patient_holds"}:
        assert before[table], f"{table} has no row to erase"
        if _filled(table, any_database) - {"study_uid"}:
            assert CANARY in before[table], table
    with any_database.store.begin() as tx:
        reference = tx.audit.patient_ref(CANARY, CANARY)
        actor = service_actor("cli")
        tx.audit.append(AuditFact(AuditEvent.PATIENT_ERASED, actor, NOW, patient_ref=reference))
        tx.patient_data.erase(
            PatientKey(CANARY, CANARY),
            reference=reference, quarantined=[], username="u", reason="why", now=NOW + timedelta(days=1),
        )  # fmt: skip
    with psycopg.connect(any_database.owner) as connection:
        for table in COLUMNS:
            assert CANARY not in _rows(connection, table), table
        frame = connection.execute("SELECT state FROM studies WHERE study_uid = %s", [STUDY]).fetchone()
        assert frame == ("DRAFTED",), "the signed study stays as a frame"


def _filled(table: str, database: Database) -> set[str]:
    """Columns of a table that may hold words of a patient."""
    kinds = columns(database)[table]
    return {
        column
        for column, kind in kinds.items()
        if kind in WORDS and fate(table, column) in {DELETED, BLANKED}
    }


def _rows(connection: psycopg.Connection, table: str) -> str:
    found = connection.execute(f"SELECT to_jsonb(t) FROM {table} AS t".encode()).fetchall()
    return json.dumps([row[0] for row in found]) if found else ""
