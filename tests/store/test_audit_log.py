"""The audit log in the database: one chain whoever writes, every change found, no act without its entry."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from app.domain.access import Role, service_actor
from app.domain.audit import AuditEvent, AuditFact, AuditFilter, verify_chain
from app.domain.errors import AuditBroken, DatabaseUnavailable
from app.services import accounts
from app.services.audit import verify_log, view_audit
from app.services.checkpoints import checkpoint_when_due
from app.store.connection import make_engine
from app.store.engine import Store
from tests.postgres import TEST_KEYS, Database
from tests.reliability import record

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
ACTOR = service_actor("listener")


def fact(number: int = 0, **changes: object) -> AuditFact:
    return AuditFact(
        event=AuditEvent.STUDY_RECEIVED,
        actor=ACTOR,
        at=NOW + timedelta(seconds=number),
        study_uid=f"1.2.{number}",
        detail={"instances": number, "nested": {"é": [1, 2.5, True, None]}},
        **changes,  # type: ignore[arg-type]
    )


def write(store: Store, count: int, first: int = 1) -> None:
    for number in range(first, first + count):
        with store.begin() as tx:
            tx.audit.append(fact(number))


@contextmanager
def guards_off(database: Database) -> Iterator[psycopg.Connection]:
    """Act as a superuser who switches the triggers off: what only the chain can show."""
    with psycopg.connect(database.owner) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.mark.covers("T30", "A2")
@pytest.mark.parametrize("writers", [8, pytest.param(64, marks=pytest.mark.slow)])
def test_many_writers_make_one_chain(any_database: Database, writers: int) -> None:
    """64 writers on 15 connections and more: no gap, no fork, nothing lost."""
    each = 5
    failures: list[BaseException] = []
    begin = threading.Barrier(writers)
    engine = make_engine(any_database.application, pool_size=22)
    store = Store(engine, TEST_KEYS, conninfo=any_database.application)

    def work(writer: int) -> None:
        try:
            begin.wait(60)
            write(store, each, first=1 + writer * each)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(writers)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    sealed = 0
    while any(thread.is_alive() for thread in threads):
        sealed += checkpoint_when_due(store, ACTOR, every=20, now=NOW) is not None
        time.sleep(0.01)
    seconds = time.perf_counter() - began
    assert failures == []
    state = verify_log(store, ACTOR, now=NOW)
    assert (state.count, state.checkpoints) == (writers * each + sealed, sealed)
    with store.begin() as tx:
        entries = [entry for entry in tx.audit.stream(AuditFilter()) if "instances" in entry.detail]
    assert {entry.detail["instances"] for entry in entries} == set(range(1, writers * each + 1))
    record(
        f"audit_appenders_{any_database.server.name}" + ("" if writers == 64 else "_quick"),
        f"{writers} writers append to the audit log, checkpoints meanwhile ({any_database.server.name})",
        f"{state.count} entries, {sealed} checkpoints: one chain, 0 gaps, 0 forks; "
        f"{state.count / seconds:.0f} entries a second",
        figures={"entries": state.count, "checkpoints": sealed, "per_second": round(state.count / seconds)},
    )
    store.close()


LENGTH = 7
TAMPERINGS = {
    "altered text": "UPDATE audit_log SET username = 'somebody' WHERE seq = {seq}",
    "altered detail": "UPDATE audit_log SET detail = detail || '{{\"instances\": 99}}' WHERE seq = {seq}",
    "altered time": "UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = {seq}",
    "unreadable number": "UPDATE audit_log SET detail = '{{\"n\": 12345678901234567890}}' WHERE seq = {seq}",
    "deleted": "DELETE FROM audit_log WHERE seq = {seq}",
    "inserted": "UPDATE audit_log SET seq = seq + 1 WHERE seq >= {seq};"
    " INSERT INTO audit_log SELECT seq - 1, at, event, outcome, username, role, source, patient_ref,"
    " study_uid, detail, previous, digest FROM audit_log WHERE seq = {seq} + 1",
    "swapped": "UPDATE audit_log SET seq = -1 WHERE seq = {seq};"
    " UPDATE audit_log SET seq = {seq} WHERE seq = {seq} % {length} + 1;"
    " UPDATE audit_log SET seq = {seq} % {length} + 1 WHERE seq = -1",
}


@pytest.mark.covers("A2", "T28")
@pytest.mark.parametrize("kind", TAMPERINGS)
def test_every_tampering_at_every_place_is_found_and_named(
    store: Store, database: Database, kind: str
) -> None:
    write(store, LENGTH)
    with psycopg.connect(database.owner) as connection:
        connection.execute("CREATE TABLE untouched AS SELECT * FROM audit_log")
        connection.execute("GRANT SELECT ON untouched TO janus_app")
    for seq in range(1, LENGTH + 1):
        with guards_off(database) as connection:
            # primary keys collide half way through a renumbering
            connection.execute("ALTER TABLE audit_log DROP CONSTRAINT IF EXISTS audit_log_pkey")
            connection.execute(TAMPERINGS[kind].format(seq=seq, length=LENGTH).encode())
        with pytest.raises(AuditBroken, match=first_bad(kind, seq)):
            verify(store)
        with guards_off(database) as connection:
            connection.execute("DELETE FROM audit_log")
            connection.execute("INSERT INTO audit_log SELECT * FROM untouched")
    assert verify_log(store, ACTOR, now=NOW).count == LENGTH, (
        "the restored log verifies: the test itself is sound"
    )


def verify(store: Store) -> None:
    """Verify as `verify_log` does, without the entry that it leaves."""
    with store.begin(snapshot=True) as tx:
        verify_chain(tx.audit.stream(AuditFilter()), head=tx.audit.head())


def first_bad(kind: str, seq: int) -> str:
    """The entry that verification must name."""
    if kind == "inserted":
        return rf"entry {seq + 1} "
    if kind == "swapped":
        return rf"entry {min(seq, seq % LENGTH + 1)} "
    return rf"entry {seq} "


@pytest.mark.covers("A2", "T29")
def test_cut_tail_is_found(store: Store, database: Database) -> None:
    write(store, 5)
    with guards_off(database) as connection:
        connection.execute("DELETE FROM audit_log WHERE seq > 3")
    with pytest.raises(AuditBroken, match="entry 4 is gone"):
        verify_log(store, ACTOR, now=NOW)


@pytest.mark.covers("A1", "A2")
def test_verification_is_recorded_whatever_it_finds(store: Store, database: Database) -> None:
    write(store, 3)
    verify_log(store, ACTOR, now=NOW)
    with guards_off(database) as connection:
        connection.execute("UPDATE audit_log SET source = 'x' WHERE seq = 2")
    with pytest.raises(AuditBroken, match="entry 2 was altered"):
        verify_log(store, ACTOR, now=NOW)
    with store.begin() as tx:
        newest, older = tx.audit.select(AuditFilter(), limit=2)
    assert (newest.event, newest.outcome, newest.detail["problem"][:7]) == (
        "audit verified",
        "failure",
        "entry 2",
    )
    assert (older.event, older.outcome, older.detail) == (
        "audit verified",
        "success",
        {"entries": 3, "checkpoints": 0, "covered": 0},
    )


@pytest.mark.covers("A1", "T32")
def test_act_without_its_audit_entry_does_not_happen(any_database: Database) -> None:
    """Somebody holds the head of the log for longer than we wait: the account is not made."""
    impatient = any_database.application.replace("lock_timeout=10s", "lock_timeout=200ms")
    store = Store(make_engine(impatient), TEST_KEYS, conninfo=impatient)

    def add(name: str) -> None:
        accounts.add_user(
            store, service_actor("cli"), username=name, printed_name="Dr No", role=Role.VIEWER,
            password="long enough, surely", now=NOW,
        )  # fmt: skip

    with psycopg.connect(any_database.owner) as holder:
        holder.execute("SELECT * FROM audit_head FOR UPDATE")
        with pytest.raises(DatabaseUnavailable):
            add("first")
        with pytest.raises(DatabaseUnavailable):
            accounts.log_in(store, username="nobody", password="x", source="1.2.3.4", now=NOW)
        with pytest.raises(DatabaseUnavailable):
            view_audit(store, service_actor("cli"), AuditFilter(), limit=10, now=NOW)
    with store.begin() as tx:
        assert tx.users.all() == ()
        assert tx.audit.head()[0] == 0
    add("second")
    with store.begin() as tx:
        assert tx.audit.head()[0] == 1
    store.close()


@pytest.mark.covers("A1")
def test_entry_of_a_failed_act_is_not_written(store: Store) -> None:
    def fail() -> None:
        with store.begin() as tx:
            tx.audit.append(fact(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    write(store, 1)
    assert verify_log(store, ACTOR, now=NOW).count == 1


@pytest.mark.covers("A2", "T27")
def test_text_from_the_network_is_recorded_whatever_it_is(any_store: Store) -> None:
    hostile = "a\x00b\ud800 \x7f\u202e\r\n=cmd|' /C calc'!A0 'quoted' 😀"
    with any_store.begin() as tx:
        tx.audit.append(
            AuditFact(
                event=AuditEvent.ASSOCIATION_REJECTED,
                actor=service_actor(hostile),
                at=NOW,
                study_uid=hostile,
                detail={"calling_ae": hostile, hostile: [hostile, {"deep": hostile}]},
            )
        )
    assert verify_log(any_store, ACTOR, now=NOW).count == 1


@pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), float("inf"), b"bytes", NOW, {1, 2}])
def test_detail_that_could_not_be_verified_later_is_refused(store: Store, value: object) -> None:
    wrong = AuditFact(event=AuditEvent.LOGIN, actor=ACTOR, at=NOW, detail={"value": value})
    with pytest.raises(TypeError, match="audit detail"), store.begin() as tx:
        tx.audit.append(wrong)


def test_numbers_come_back_as_they_were_digested(any_store: Store) -> None:
    values = [0, -0.0, 1.0, 0.1, 1e-7, 1e15 + 0.5, 2**53 - 1, -(2**53) + 1, 1 / 3, 5e-324, True]
    with any_store.begin() as tx:
        tx.audit.append(AuditFact(event=AuditEvent.LOGIN, actor=ACTOR, at=NOW, detail={"values": values}))
    assert verify_log(any_store, ACTOR, now=NOW).count == 1


@pytest.mark.covers("A3", "T40")
def test_patient_is_found_by_id_and_never_named(store: Store, database: Database) -> None:
    with store.begin() as tx:
        theirs = tx.audit.patient_ref("PID-CANARY", "HOSPITAL")
        others = tx.audit.patient_ref("PID-CANARY", "ELSEWHERE")
        tx.audit.append(fact(1, patient_ref=theirs))
        tx.audit.append(fact(2, patient_ref=others))
    with psycopg.connect(database.owner) as connection:
        connection.execute(
            "INSERT INTO patients (patient_id, issuer, name, birth_date, sex, reference)"
            " VALUES ('PID-CANARY', 'HOSPITAL', 'CANARY^NAME', '', '', %s)",
            [theirs],
        )
    found = view_audit(
        store,
        service_actor("cli"),
        AuditFilter(patient_id="PID-CANARY"),
        limit=10,
        now=NOW + timedelta(hours=1),
    )
    assert [entry.seq for entry in found if entry.event == "study received"] == [1]
    with psycopg.connect(database.owner) as connection:
        row = connection.execute("SELECT string_agg(audit_log::text, '') FROM audit_log").fetchone()
    assert row is not None
    assert "CANARY" not in row[0]


@pytest.mark.covers("A3")
def test_filter_by_time_user_and_study(store: Store) -> None:
    write(store, 6)

    def seqs(**wanted: object) -> list[int]:
        with store.begin() as tx:
            return [entry.seq for entry in tx.audit.stream(AuditFilter(**wanted))]  # type: ignore[arg-type]

    assert seqs(since=NOW + timedelta(seconds=3)) == [3, 4, 5, 6]
    assert seqs(until=NOW + timedelta(seconds=3)) == [1, 2]
    assert seqs(since=NOW + timedelta(seconds=2), until=NOW + timedelta(seconds=4)) == [2, 3]
    assert seqs(study_uid="1.2.5") == [5]
    assert seqs(username="janus-med/listener") == [1, 2, 3, 4, 5, 6]
    assert seqs(username="somebody") == []
    assert seqs(patient_id="nobody") == []


def test_pages_go_from_the_newest_back(store: Store) -> None:
    write(store, 5)
    with store.begin() as tx:
        first = [entry.seq for entry in tx.audit.select(AuditFilter(), limit=2)]
        second = [entry.seq for entry in tx.audit.select(AuditFilter(), limit=2, before_seq=first[-1])]
    assert (first, second) == ([5, 4], [3, 2])
