"""What the database itself refuses: to the application's role, and to the owner where nothing may change."""

from __future__ import annotations

import threading

import psycopg
import pytest

from tests.postgres import Database
from tests.store.rows import NOW, add_report

ENTRY = "INSERT INTO audit_log VALUES (%s, %s, 'login', 'success', 'u', 'r', 's', '', '', '{}', %s, %s)"
FINAL = ("SIGNED", "ADDENDED", "CORRECTED", "WITHDRAWN")
REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.IntegrityConstraintViolation,
    psycopg.errors.CheckViolation,
)

CHANGES_OF_RECORDS = [
    "UPDATE audit_log SET username = 'nobody'",
    "UPDATE audit_log SET username = username",
    "DELETE FROM audit_log",
    "DELETE FROM audit_log WHERE false",
    "TRUNCATE audit_log",
    "UPDATE audit_head SET seq = 0",
    "UPDATE audit_head SET digest = 'x'",
    "DELETE FROM audit_head",
    "TRUNCATE audit_head",
    "INSERT INTO audit_head VALUES (2, 0, '')",
    "UPDATE attestations SET text = 'other'",
    "UPDATE attestations SET signed_at = now()",
    "DELETE FROM attestations",
    "TRUNCATE attestations CASCADE",
    "UPDATE amendments SET text = 'other'",
    "UPDATE amendments SET number = number + 1",
    "DELETE FROM amendments",
    "TRUNCATE amendments",
    "TRUNCATE sentences",
    "TRUNCATE reports CASCADE",
    "TRUNCATE studies CASCADE",
]
CHANGES_OF_GUARDS = [
    "UPDATE audit_head SET seq = seq + 1, digest = 'x'",
    "DROP TRIGGER audit_log_is_final ON audit_log",
    "ALTER TABLE audit_log DISABLE TRIGGER ALL",
    "ALTER TABLE sentences DISABLE TRIGGER signed_text_is_final",
    "DROP TABLE audit_log",
    "ALTER TABLE audit_log RENAME TO old_log",
    "ALTER TABLE audit_log DROP COLUMN digest",
    "CREATE RULE quiet AS ON INSERT TO audit_log DO INSTEAD NOTHING",
    "DROP FUNCTION janus_guard_sentence() CASCADE",
    "CREATE OR REPLACE FUNCTION janus_refuse_change() RETURNS trigger LANGUAGE plpgsql"
    " AS 'BEGIN RETURN NEW; END'",
    "CREATE TABLE public.reports_of_mine (id int)",
    "SET session_replication_role = replica",
    "GRANT UPDATE ON audit_log TO janus_app; UPDATE audit_log SET username = 'nobody'",
    "ALTER ROLE janus_app SUPERUSER",
    "SELECT janus_advance_head()",
    "COPY audit_log TO PROGRAM 'true'",
    "UPDATE alembic_version SET version_num = '0'",
    "UPDATE key_checks SET fingerprint = 'x'",
]
CHANGES_OF_SIGNED_TEXT = [
    "UPDATE sentences SET text = 'other'",
    "UPDATE sentences SET decision = 'REJECTED'",
    "UPDATE sentences SET report_id = {other}",
    "DELETE FROM sentences",
    "INSERT INTO sentences SELECT report_id, 'b', section, position, text, ai_text, origin, decision,"
    " findings FROM sentences",
    "UPDATE reports SET state = 'IN_REVIEW'",
    "UPDATE reports SET revision = 9 WHERE state <> 'IN_REVIEW'",
    "UPDATE reports SET state = 'SIGNED', study_uid = '1.2.3.5', revision = 9 WHERE state <> 'IN_REVIEW'",
    "UPDATE reports SET ai_model = 'another', state = 'CORRECTED'",
    "DELETE FROM reports",
]


def refuse(conninfo: str, statement: str) -> None:
    """Run a statement in a transaction of its own, which must fail."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        try:
            connection.execute(statement.encode())
        except REFUSED:
            return
    pytest.fail(f"not refused: {statement}")


def add_entry(owner: str) -> None:
    with psycopg.connect(owner) as connection:
        connection.execute(ENTRY, [1, NOW, "0" * 64, "a" * 64])


@pytest.mark.covers("T31", "A2")
def test_application_role_changes_neither_records_nor_guards(any_database: Database) -> None:
    add_report(any_database.owner, state="SIGNED")
    add_entry(any_database.owner)
    for statement in CHANGES_OF_RECORDS + CHANGES_OF_GUARDS:
        refuse(any_database.application, statement)
        refuse(any_database.application, f"RESET ROLE; {statement}")


@pytest.mark.covers("T31", "A2")
def test_owner_changes_no_record_either_while_the_guards_stand(any_database: Database) -> None:
    report = add_report(any_database.owner, state="SIGNED")
    with psycopg.connect(any_database.owner) as connection:
        connection.execute(
            "INSERT INTO amendments (report_id, number, kind, text, reason, attestation_id)"
            " SELECT %s, 1, 'addendum', 'No change.', '', id FROM attestations",
            [report],
        )
    add_entry(any_database.owner)
    for statement in CHANGES_OF_RECORDS:
        refuse(any_database.owner, statement)


@pytest.mark.covers("T31", "S4")
@pytest.mark.parametrize("state", FINAL)
def test_signed_report_keeps_its_text(database: Database, state: str) -> None:
    add_report(database.owner, state="SIGNED", uid="1.2.3.4")
    other = add_report(database.owner, state="IN_REVIEW", uid="1.2.3.5")
    with psycopg.connect(database.owner) as connection:
        connection.execute("UPDATE reports SET state = %s WHERE state = 'SIGNED'", ["ADDENDED"])
        if state == "CORRECTED":
            connection.execute("UPDATE reports SET state = 'CORRECTED' WHERE state = 'ADDENDED'")
        if state == "WITHDRAWN":
            connection.execute("UPDATE reports SET state = 'WITHDRAWN' WHERE state = 'ADDENDED'")
    for statement in CHANGES_OF_SIGNED_TEXT:
        for conninfo in (database.owner, database.application):
            refuse(conninfo, statement.format(other=other))


ADDENDUM = (
    "INSERT INTO amendments (report_id, number, kind, text, reason, attestation_id)"
    " VALUES ({report}, {number}, '{kind}', '{text}', '',"
    " (SELECT id FROM attestations WHERE report_id = {of}))"
)


@pytest.mark.covers("T31", "S4")
def test_addendum_is_added_under_the_next_number_to_a_final_report_alone(database: Database) -> None:
    final = add_report(database.owner, state="SIGNED", uid="1.2.3.4")
    draft = add_report(database.owner, state="IN_REVIEW", uid="1.2.3.5")
    said = {"report": final, "number": 1, "kind": "addendum", "text": "Said.", "of": final}
    for change in (
        *(
            {"number": 0},
            {"number": 2},
            {"text": ""},
            {"kind": "correction"},
            {"kind": "note"},
            {"of": draft},
        ),
        {"report": draft, "of": draft},
    ):
        for conninfo in (database.owner, database.application):
            refuse(conninfo, ADDENDUM.format(**(said | change)))
    with psycopg.connect(database.application) as connection:
        connection.execute(ADDENDUM.format(**said).encode())
    for statement in CHANGES_OF_RECORDS:
        if "amendments" in statement:
            for conninfo in (database.owner, database.application):
                refuse(conninfo, statement)
    with psycopg.connect(database.owner) as connection:
        connection.execute("UPDATE reports SET state = 'WITHDRAWN' WHERE id = %s", [final])
    refuse(database.application, ADDENDUM.format(**(said | {"number": 2})))


@pytest.mark.covers("T31", "S4")
def test_withdrawn_report_stays_withdrawn(database: Database) -> None:
    add_report(database.owner, state="SIGNED")
    with psycopg.connect(database.owner) as connection:
        connection.execute("UPDATE reports SET state = 'WITHDRAWN'")
    for state in ("SIGNED", "ADDENDED", "CORRECTED", "WITHDRAWN", "IN_REVIEW"):
        refuse(database.owner, f"UPDATE reports SET state = '{state}', version = version + 1")


def test_unsigned_report_can_be_edited(any_database: Database) -> None:
    report = add_report(any_database.owner, state="IN_REVIEW")
    with psycopg.connect(any_database.application) as connection:
        connection.execute("UPDATE sentences SET text = 'Edited.' WHERE report_id = %s", [report])
        connection.execute("DELETE FROM sentences WHERE report_id = %s", [report])
        connection.execute("UPDATE reports SET state = 'PRELIMINARY' WHERE id = %s", [report])


@pytest.mark.covers("T31")
def test_temporary_table_does_not_stand_in_for_the_reports(any_database: Database) -> None:
    """A trigger that looked up `reports` by the session's search path would see the attacker's table."""
    add_report(any_database.owner, state="SIGNED")
    with psycopg.connect(any_database.application) as connection:
        connection.execute("CREATE TEMPORARY TABLE reports (id int, state text)")
        connection.execute("SET search_path = pg_temp, public")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE public.sentences SET text = 'other'")


@pytest.mark.covers("S4")
def test_edit_that_races_with_a_signature_is_refused(any_database: Database) -> None:
    """The edit waits for the signature that is being committed, and then sees it."""
    report = add_report(any_database.owner, state="IN_REVIEW")
    outcome: list[type[BaseException]] = []

    def edit() -> None:
        try:
            with psycopg.connect(any_database.application) as connection:
                connection.execute("UPDATE sentences SET text = 'other' WHERE report_id = %s", [report])
        except psycopg.Error as error:
            outcome.append(type(error))

    with psycopg.connect(any_database.application) as signing:
        signing.execute("UPDATE reports SET state = 'SIGNED' WHERE id = %s", [report])
        editor = threading.Thread(target=edit)
        editor.start()
        wait_until_somebody_waits(any_database.owner)
        signing.commit()
        editor.join(30)
    assert outcome == [psycopg.errors.InsufficientPrivilege]


def wait_until_somebody_waits(owner: str) -> None:
    """Wait until a session of this database waits for a lock."""
    with psycopg.connect(owner, autocommit=True) as connection:
        for _ in range(600):
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock' AND pg_sleep(0.02) IS NOT NULL"
            ).fetchone()
            if row and row[0]:
                return
    pytest.fail("nobody waited")


@pytest.mark.covers("A2", "T30")
@pytest.mark.parametrize(
    ("seq", "previous"), [(1, "0" * 64), (3, "a" * 64), (2, "0" * 64), (2, "b" * 64), (0, "a" * 64), (7, "x")]
)
def test_entry_that_does_not_follow_the_head_is_refused(database: Database, seq: int, previous: str) -> None:
    add_entry(database.owner)
    for conninfo in (database.owner, database.application):
        with psycopg.connect(conninfo) as connection, pytest.raises(REFUSED):
            connection.execute(ENTRY, [seq, NOW, previous, "c" * 64])
    with psycopg.connect(database.application) as connection:
        connection.execute(ENTRY, [2, NOW, "a" * 64, "b" * 64])
        assert connection.execute("SELECT seq, digest FROM audit_head").fetchone() == (2, "b" * 64)
