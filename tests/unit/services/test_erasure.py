"""Erasure of a patient: what goes, what stays, and what stands against it.

Covered: signed and unsigned studies, orders, priors, critical results, merged identifiers, holds, refusals,
the audit chain and signatures afterwards. Not covered: the bytes of the images
and the whole data folder (`tests/e2e/test_canary.py`), every column (`tests/store/test_every_table.py`), the
guards of the database (`test_erasure_guards.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text

from app.domain.access import service_actor
from app.domain.audit import verify_chain
from app.domain.critical import Category, Communication, Means
from app.domain.errors import Conflict, NotAuthorised, NotFound, Rejected
from app.domain.patient_data import PatientKey
from app.domain.prior import FoundStudy
from app.services import critical
from app.services.delivery import record_sent
from app.services.erasure import end_patient_hold, erase_patient, hold_patient, list_patient_holds
from app.services.priors import record_found
from app.services.quality import quality_board
from app.services.reading import open_study
from app.services.retention import hold_study, purge_studies, removable_instances
from app.services.signatures import verify_signatures
from tests.postgres import Database
from tests.unit.services.conftest import NOW, QUIET, House, image, uid
from tests.unit.services.test_retention import LATER, POLICY

AT = NOW + QUIET
DELIVERER = service_actor("deliver")
PATIENT = PatientKey("id-of-s1", "HOSPITAL")
OTHER = PatientKey("id-of-s2", "HOSPITAL")
WHY = "asked for it, ticket 12"


def settle(house: House) -> None:
    """Deliver everything and empty the queue."""
    with house.store.begin() as tx:
        numbers = tx.session.scalars(text("SELECT id FROM deliveries WHERE state <> 'SENT'")).all()
        tx.session.execute(text("DELETE FROM report_locks"))
    for number in numbers:
        record_sent(house.store, DELIVERER, number, now=AT)
    with house.store.begin() as tx:
        tx.session.execute(text("DELETE FROM procrastinate_jobs"))


def erase(house: House, patient: PatientKey = PATIENT) -> object:
    return erase_patient(house.store, house["admin"], patient, WHY, now=LATER)


def everything(database: Database) -> str:
    """All rows of all tables, as text."""
    with psycopg.connect(database.owner) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        ).fetchall()
        rows = [
            str(row[0])
            for (table,) in tables
            for row in connection.execute(f"SELECT to_jsonb(t)::text FROM {table} AS t".encode())
        ]
    return "\n".join(rows)


@pytest.mark.covers("T40")
def test_nothing_names_an_erased_patient_and_the_chain_still_verifies(
    house: House, database: Database
) -> None:
    report = house.signed("s1")
    loop = critical.open_loop(
        house.store, house["attending"], uid("s1"), "Nodule of s1", Category.HOURS, now=AT
    )
    told = Communication("Dr Attending", "Dr Who", AT, Means.TELEPHONE)
    critical.close_loop(house.store, house["attending"], loop.critical_id, told, now=AT)
    house.drafted("s2")
    prior = FoundStudy(uid("s1"), "20200101", "", "chest of s1", ("CR",), 1)
    record_found(house.store, service_actor("priors"), uid("s2"), [prior], source="PACS", now=AT)
    settle(house)
    before = everything(database)
    for word in ("id-of-s1", "Name^S1", "acc-s1", "chest of s1", "Nodule in the left lung", "Nodule of s1"):
        assert word in before, word
    erased = erase(house)
    assert (erased.studies, erased.signed, erased.instances) == (1, 1, 1)
    after = everything(database)
    for word in ("id-of-s1", "Name^S1", "acc-s1", "chest of s1", "Nodule of s1", "Dr Who"):
        assert word not in after, word
    assert "id-of-s2" in after, "nobody else was touched"
    assert house.report(report.report_id).sentences[0].text == ""
    with house.store.begin() as tx:
        verify_chain(tx.audit.stream(_everything()), head=tx.audit.head())
        [entry] = [e for e in tx.audit.stream(_everything()) if e.event == "patient erased"]
        assert entry.patient_ref == tx.audit.patient_ref("id-of-s1", "HOSPITAL")
    assert [i.sop_uid for i in removable_instances(house.store)] == [uid("s1", "image", 1)]


@pytest.mark.covers("T40", "T35")
def test_signature_still_says_who_signed_which_digest_and_is_no_forgery(house: House) -> None:
    report = house.signed("s1")
    settle(house)
    with house.store.begin() as tx:
        [before] = tx.reports.attestations.of_report(report.report_id)
    erase(house)
    with house.store.begin() as tx:
        [after] = tx.reports.attestations.of_report(report.report_id)
    assert after.text == ""
    assert (after.sha256, after.username, after.signed_at) == (
        before.sha256,
        before.username,
        before.signed_at,
    )
    assert after.is_sealed
    assert not after.verifies()
    check = verify_signatures(house.store, service_actor("cli"), now=LATER)
    assert (check.count, check.problems, check.erased) == (1, (), 1)


@pytest.mark.covers("T35")
def test_text_that_went_without_an_erasure_is_a_problem(house: House, database: Database) -> None:
    house.signed("s1")
    with psycopg.connect(database.owner) as connection:
        connection.execute("ALTER TABLE attestations DISABLE TRIGGER attestation_is_final")
        connection.execute("UPDATE attestations SET text = ''")
    check = verify_signatures(house.store, service_actor("cli"), now=LATER)
    assert (check.count, len(check.problems), check.erased) == (1, 1, 0)


@pytest.mark.covers("T40")
def test_unsigned_study_goes_altogether_and_may_come_again(house: House) -> None:
    house.drafted("s1")
    settle(house)
    erase(house)
    assert house.count("studies") == house.count("drafts") == house.count("reports") == 0
    assert house.receive(image("s1"), now=LATER).new_studies == (uid("s1"),)


@pytest.mark.covers("T40")
def test_images_of_an_erased_signed_study_that_come_again_wait_for_a_person(house: House) -> None:
    house.signed("s1")
    settle(house)
    erase(house)
    report = house.receive(image("s1"), now=LATER)
    assert [reason for _, reason in report.quarantined]
    opened = open_study(house.store, house["attending"], uid("s1"), now=LATER)
    assert (opened.study.patient.patient_id, opened.study.patient.name) == ("erased-1", "erased")


@pytest.mark.covers("T40")
def test_merged_identifiers_are_one_person(house: House, database: Database) -> None:
    house.drafted("s1")
    house.drafted("s2")
    settle(house)
    with house.store.begin() as tx:
        surviving = tx.studies.get(uid("s2")).patient
        tx.patients.merge_identity("id-of-s1", "HOSPITAL", surviving, now=AT)
    assert erase(house, OTHER).studies == 2
    assert "id-of-s1" not in everything(database)


def _hold(house: House) -> None:
    hold_patient(house.store, house["admin"], PATIENT, "court case", now=AT)


def _hold_study(house: House) -> None:
    hold_study(house.store, house["admin"], uid("s1"), "teaching file", now=AT)


def _late_image(house: House) -> None:
    house.receive(image("s1", 2), now=LATER)


def _correct(house: House) -> None:
    house.receive(image("s2"))
    with house.store.begin() as tx:
        tx.patients.set_of_study(uid("s1"), tx.studies.get(uid("s2")).patient, now=AT)


def _read(house: House) -> None:
    open_study(house.store, house["resident"], uid("s1"), now=LATER)


def _sign(house: House) -> None:
    house.accepted(uid("s1"), "attending")
    report = open_study(house.store, house["attending"], uid("s1"), now=AT).report
    assert report is not None
    from app.services.signing import sign
    from tests.unit.services.conftest import PACS, PASSWORD

    sign(
        house.store, house["attending"], report.report_id,
        version=report.version, password=PASSWORD, destinations=[PACS], now=AT,
    )  # fmt: skip
    with house.store.begin() as tx:
        tx.session.execute(text("DELETE FROM procrastinate_jobs"))


@pytest.mark.covers("R2", "T40")
@pytest.mark.parametrize(
    ("obstacle", "reason"),
    [
        (_hold, "the patient is on hold: court case"),
        (_hold_study, "on hold: teaching file"),
        (_late_image, "not processed: RECEIVING"),
        (_correct, "another one"),
        (_read, "has its report in hand"),
        (_sign, "a delivery is PENDING"),
    ],
)
def test_what_stands_against_erasing_is_named_and_nothing_is_erased(
    house: House, database: Database, obstacle: Callable[[House], None], reason: str
) -> None:
    house.drafted("s1")
    settle(house)
    obstacle(house)
    before = everything(database)
    with pytest.raises(Rejected, match=reason):
        erase(house)
    assert everything(database) == before


@pytest.mark.covers("R2")
def test_study_whose_draft_runs_is_not_erased(house: House) -> None:
    house.receive(image("s1"))
    house.complete()
    with pytest.raises(Rejected, match="not processed: COMPLETE"):
        erase(house)
    house.draft("s1")
    with pytest.raises(Rejected, match="work on it waits or runs"):
        erase(house)


def test_unknown_patient_and_unknown_issuer_are_told_apart(house: House) -> None:
    house.drafted("s1")
    with pytest.raises(NotFound, match="nothing here names"):
        erase(house, PatientKey("nobody", ""))
    with pytest.raises(NotFound, match="HOSPITAL"):
        erase(house, PatientKey("id-of-s1", ""))
    with pytest.raises(Rejected, match="of many people"):
        erase(house, PatientKey(" ", ""))
    with pytest.raises(Rejected, match="must not name the patient"):
        erase_patient(house.store, house["admin"], PATIENT, "ID-of-S1 asked", now=AT)


@pytest.mark.covers("R2", "A1")
def test_held_patient_is_not_purged_until_the_hold_ends(house: House) -> None:
    house.signed("s1")
    settle(house)
    admin = house["admin"]
    with pytest.raises(NotAuthorised):
        hold_patient(house.store, house["attending"], PATIENT, "court case", now=AT)
    hold_patient(house.store, admin, PATIENT, "court case", now=AT)
    with pytest.raises(Conflict, match="held already"):
        hold_patient(house.store, admin, PATIENT, "another case", now=AT)
    [hold] = list_patient_holds(house.store, admin, now=AT)
    assert (hold.patient, hold.reason, hold.username, hold.held_at) == (PATIENT, "court case", "admin", AT)
    assert purge_studies(house.store, DELIVERER, POLICY, now=LATER) == ()
    end_patient_hold(house.store, admin, PATIENT, now=LATER)
    with pytest.raises(NotFound):
        end_patient_hold(house.store, admin, PATIENT, now=LATER)
    assert purge_studies(house.store, DELIVERER, POLICY, now=LATER) == (uid("s1"),)
    held, ended = house.log("patient held"), house.log("patient hold ended")
    assert len(held) == len(ended) == 1


def test_quality_board_still_counts_decisions(house: House) -> None:
    house.signed("s1")
    settle(house)
    before = quality_board(house.store, house["admin"], now=AT + timedelta(days=1))
    [model] = before
    erase(house)
    after = quality_board(house.store, house["admin"], now=AT + timedelta(days=1))
    assert after[0].total == model.total
    assert not after[0].findings, "which finding it was goes with the patient"


def _everything() -> object:
    from app.domain.audit import AuditFilter

    return AuditFilter()
