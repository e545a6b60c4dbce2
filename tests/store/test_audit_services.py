"""Viewing and exporting the audit log: recorded first, complete, for auditors only, with flat memory."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TextIO

import psycopg
import pytest

from app.domain.access import Actor, Role
from app.domain.audit import GENESIS, AuditEntry, AuditEvent, AuditFact, AuditFilter, digest_entry
from app.domain.audit_proof import LogState
from app.domain.errors import NotAuthorised, Rejected
from app.services.audit import export_audit, verify_file, verify_log, view_audit
from app.store.engine import Store
from tests.conftest import ROOT
from tests.postgres import Database

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AUDITOR = Actor(username="audrey", printed_name="Audrey", role=Role.AUDITOR, source="192.0.2.9")
FORMATS: tuple[Literal["csv", "jsonl"], ...] = ("csv", "jsonl")


def write(store: Store, count: int) -> None:
    for number in range(1, count + 1):
        with store.begin() as tx:
            tx.audit.append(
                AuditFact(
                    event=AuditEvent.STUDY_OPENED,
                    actor=Actor(f"reader{number % 2}", "R", Role.ATTENDING, "192.0.2.1"),
                    at=NOW + timedelta(minutes=number),
                    patient_ref=tx.audit.patient_ref(f"P{number % 3}", ""),
                    study_uid=f"1.2.{number}",
                )
            )


@pytest.mark.covers("A3")
@pytest.mark.parametrize("format_", FORMATS)
def test_export_verifies_and_holds_its_own_entry(
    any_store: Store, tmp_path: Path, format_: Literal["csv", "jsonl"]
) -> None:
    write(any_store, 5)
    path = tmp_path / "log"
    with path.open("w", encoding="utf-8", newline="") as out:
        done = export_audit(any_store, AUDITOR, AuditFilter(), format=format_, out=out, now=NOW)
    assert done.count == done.head_seq == 7
    assert verify_file(path) == (7, done.head_digest)
    assert verify_log(any_store, AUDITOR, now=NOW) == LogState(7, done.head_digest, 1, 6)
    assert ["audit exported" in line for line in path.read_text().splitlines()[-3:-1]] == [True, False]
    assert "audit checkpoint" in path.read_text().splitlines()[-2]


@pytest.mark.covers("A3")
@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (AuditFilter(username="reader1"), 3),
        (AuditFilter(patient_id="P1"), 3),
        (AuditFilter(study_uid="1.2.4"), 2),
        (AuditFilter(since=NOW + timedelta(minutes=2), until=NOW + timedelta(minutes=4)), 2),
        (AuditFilter(username="reader1", patient_id="P1"), 1),
        (AuditFilter(username="nobody"), 0),
    ],
)
def test_export_by_user_patient_study_and_time(
    store: Store, tmp_path: Path, wanted: AuditFilter, count: int
) -> None:
    """What was asked for, and where it is about the same patient or study, the export's own entry."""
    write(store, 6)
    for format_ in FORMATS:
        path = tmp_path / format_
        with path.open("w", encoding="utf-8", newline="") as out:
            done = export_audit(store, AUDITOR, wanted, format=format_, out=out, now=NOW + timedelta(days=1))
        expected = count + (
            FORMATS.index(format_) if wanted.study_uid or (wanted.patient_id and count > 1) else 0
        )
        assert done.count == expected
        verified, text = verify_file(path)
        assert verified == expected
        assert "a selection" in text
        assert "P1" not in path.read_text()


class _Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.covers("A3", "T32")
def test_export_is_recorded_before_the_first_entry_is_read(store: Store) -> None:
    """Even one that fails half way, so that nobody reads entries without a trace."""
    write(store, 2)
    out: TextIO = _Broken()
    with pytest.raises(OSError, match="No space left"):
        export_audit(store, AUDITOR, AuditFilter(), format="csv", out=out, now=NOW)
    with store.begin() as tx:
        seal, newest = tx.audit.select(AuditFilter(), limit=2)
    assert seal.event == "audit checkpoint"
    assert (newest.event, newest.username, newest.source) == ("audit exported", "audrey", "192.0.2.9")


@pytest.mark.covers("A1", "C2")
@pytest.mark.parametrize("role", [Role.VIEWER, Role.RESIDENT, Role.ATTENDING, Role.ADMIN])
def test_others_neither_view_nor_export_nor_verify(store: Store, role: Role) -> None:
    actor = Actor("somebody", "S", role, "192.0.2.1")
    out = io.StringIO()
    with pytest.raises(NotAuthorised):
        view_audit(store, actor, AuditFilter(), limit=1, now=NOW)
    with pytest.raises(NotAuthorised):
        export_audit(store, actor, AuditFilter(), format="csv", out=out, now=NOW)
    with pytest.raises(NotAuthorised):
        verify_log(store, actor, now=NOW)
    assert out.getvalue() == ""
    with store.begin() as tx:
        assert [entry.event for entry in tx.audit.stream(AuditFilter())] == ["access denied"] * 3


@pytest.mark.covers("A1")
def test_view_is_its_own_newest_entry_and_says_what_was_asked(store: Store) -> None:
    write(store, 3)
    first, *rest = view_audit(store, AUDITOR, AuditFilter(study_uid="1.2.2"), limit=10, now=NOW)
    assert (first.event, first.study_uid) == ("audit viewed", "1.2.2")
    assert first.detail == {"filter": {"study_uid": "1.2.2"}}
    assert [entry.study_uid for entry in rest] == ["1.2.2"]


def test_filter_without_a_zone_and_odd_pages_are_refused(store: Store) -> None:
    naive = datetime(2026, 1, 1)
    with pytest.raises(Rejected, match="no zone"):
        view_audit(store, AUDITOR, AuditFilter(since=naive), limit=1, now=NOW)
    for limit in (0, -1, 1001):
        with pytest.raises(Rejected, match="1 to 1000"):
            view_audit(store, AUDITOR, AuditFilter(), limit=limit, now=NOW)
    with pytest.raises(Rejected, match="no zone"):
        export_audit(store, AUDITOR, AuditFilter(until=naive), format="csv", out=io.StringIO(), now=NOW)


def fill(database: Database, count: int) -> None:
    """Write a long sound log as fast as the database takes it, past the guards of single appends."""
    previous = GENESIS
    with psycopg.connect(database.owner) as connection:
        connection.execute("SET session_replication_role = replica")
        with connection.cursor().copy("COPY audit_log FROM STDIN") as copy:
            for seq in range(1, count + 1):
                at, study = NOW + timedelta(seconds=seq), f"1.2.840.113619.2.5.{seq}"
                who = ("study opened", "success", "reader", "attending", "192.0.2.1", "0" * 32, study)
                digest = digest_entry(AuditEntry(seq, at, *who, {"revision": 1}, previous, "").body())
                copy.write_row((seq, at, *who, '{"revision": 1}', previous, digest))
                previous = digest
        connection.execute("UPDATE audit_head SET seq = %s, digest = %s", [count, previous])


EXPORT = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from app.domain.access import service_actor
from app.services.audit import AuditFilter, export_audit, verify_file, verify_log
from app.store.engine import open_database
from tests.postgres import TEST_KEYS

def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

store = open_database(sys.argv[1], TEST_KEYS)
actor, now = service_actor("cli"), datetime.now(UTC)
path = Path(sys.argv[2])
def work(wanted):
    with path.open("w", encoding="utf-8", newline="") as out:
        done = export_audit(store, actor, wanted, format=sys.argv[3], out=out, now=now)
    return done.count, verify_file(path)[0], verify_log(store, actor, now=now).count

work(AuditFilter(username="nobody"))
before = peak_mib()
counts = work(AuditFilter())
print(*counts, peak_mib() - before)
"""


@pytest.mark.slow
@pytest.mark.covers("A3")
@pytest.mark.parametrize("format_", FORMATS)
def test_memory_of_export_and_verification_does_not_grow_with_the_log(
    database: Database, tmp_path: Path, format_: str
) -> None:
    """Held as a whole, 20,000 entries take some 40 MiB."""
    fill(database, 20_000)
    path = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, database.application, str(path), format_],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    exported, verified, counted, growth = done.stdout.split()
    # export, checkpoint and verification of the warm-up are entries, then another export with its checkpoint
    assert (exported, verified, counted) == ("20005", "20005", "20005")
    assert path.stat().st_size > 6 * 2**20
    assert float(growth) < 16, f"{growth} MiB"
