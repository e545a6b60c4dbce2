"""Rows for the store's tests, written as the owner writes them: by SQL."""

from __future__ import annotations

import psycopg

NOW = "2026-11-22T12:00:00+00:00"


def add_report(owner: str, *, state: str, uid: str = "1.2.3") -> int:
    """Add a patient, a study and a report with one sentence and one signature; return the report's number."""
    with psycopg.connect(owner) as connection:
        user = connection.execute(
            "INSERT INTO users (username, printed_name, role, password_hash, disabled, failed_attempts,"
            " created_at) VALUES (%s, 'Dr Test', 'attending', '', false, 0, %s) RETURNING id",
            [f"reader{uid}", NOW],
        ).fetchone()
        patient = connection.execute(
            "INSERT INTO patients (patient_id, issuer, name, birth_date, sex, reference)"
            " VALUES (%s, '', 'DOE^JANE', '19700101', 'F', 'r') RETURNING id",
            [uid],
        ).fetchone()
        assert user
        assert patient
        connection.execute(
            "INSERT INTO studies VALUES (%s, %s, '', '', '', '', '', 'CR', '', 'DRAFTED', '', 1, 0,"
            " 'routine', 'PACS', 'JANUSMED', %s, %s, NULL)",
            [uid, patient[0], NOW, NOW],
        )
        report = connection.execute(
            "INSERT INTO reports (study_uid, revision, ai_model, state, version, updated_at)"
            " VALUES (%s, 1, '', 'IN_REVIEW', 1, %s) RETURNING id",
            [uid, NOW],
        ).fetchone()
        assert report
        connection.execute(
            "INSERT INTO sentences VALUES (%s, 'a', 'findings', 1, 'Clear lungs.', '', 'HUMAN', 'ACCEPTED',"
            " '[]', NULL, NULL)",
            [report[0]],
        )
        connection.execute(
            "INSERT INTO attestations (report_id, report_version, user_id, username, printed_name, role,"
            " meaning, signed_at, text, sha256, key_id, seal)"
            " VALUES (%s, 1, %s, 'reader', 'Dr Test', 'attending', 'm', %s, 't', 's', 'k', 'x')",
            [report[0], user[0], NOW],
        )
        connection.execute("UPDATE reports SET state = %s WHERE id = %s", [state, report[0]])
    return int(report[0])
