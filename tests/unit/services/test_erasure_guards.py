"""What the database refuses: erasing past the function, and more than blanking within an erasure."""

from __future__ import annotations

import psycopg
import pytest

from tests.postgres import Database
from tests.unit.services.conftest import House
from tests.unit.services.test_erasure import settle


@pytest.mark.covers("T40", "R2")
def test_application_role_erases_through_the_function_alone(house: House, database: Database) -> None:
    house.signed("s1")
    settle(house)
    call = "SELECT janus_erase_patient('id-of-s1', 'HOSPITAL', 'r', '{}', 'me', 'why', now())"
    transaction = "pg_current_xact_id()::text::bigint"
    attempts = [
        "UPDATE attestations SET text = ''",
        "UPDATE sentences SET text = '', ai_text = ''",
        "DELETE FROM studies",
        "DELETE FROM patients",
        f"INSERT INTO erasures (transaction, patient_ref, study_uids, username, reason, erased_at)"
        f" SELECT {transaction}, 'r', array_agg(study_uid), 'u', 'w', now() FROM studies",
        call,  # without its audit entry
    ]
    for attempt in attempts:
        with (
            psycopg.connect(database.application) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(attempt.encode())
    erasing = (
        f"INSERT INTO erasures (transaction, patient_ref, study_uids, username, reason, erased_at)"
        f" SELECT {transaction}, 'r', array_agg(study_uid), 'u', 'w', now() FROM studies"
    )
    # the owner, in the middle of an erasure: blanks alone, other words never
    for change in ("text = 'other'", "text = '', sha256 = 'x'", "text = '', username = 'x'"):
        with psycopg.connect(database.owner) as connection:
            connection.execute(erasing.encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"UPDATE attestations SET {change}".encode())
    with psycopg.connect(database.owner) as connection:
        connection.execute(erasing.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(b"UPDATE sentences SET text = 'other', ai_text = ''")
