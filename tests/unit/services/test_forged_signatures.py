"""Forged signatures: whoever rules the database, but not the key, gets none accepted (T35).

Covered: 1,000 mutations of real signatures (facts, text, digest, seal, key, moved, swapped, with every public
digest computed anew), 40 of them written into a real database as its owner, with the triggers away; delivery
and review of forged signatures. Not covered: an attacker who has the key file (docs/threat_model.md).
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import rfc8785
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.domain.access import service_actor
from app.domain.attestation import Attestation, Meaning, digest_of, sealed_bytes
from app.domain.delivery import DeliveryState
from app.domain.errors import Conflict, NotAuthorised
from app.services.delivery import load_order
from app.services.signatures import verify_signatures
from app.services.signing import sign
from app.services.withdrawal import withdraw
from app.store.attestations import check_seal
from app.store.signing_keys import file_signer, public_pem, sealing_key
from tests.postgres import TEST_KEYS, Database
from tests.reliability import record
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House

AT = NOW + QUIET
CHECKER, DELIVERER = service_actor("cli"), service_actor("deliver")
CASES, SEED = 1000, 35
OURS = TEST_KEYS.attestation
FOREIGN = sealing_key(file_signer(b"\x07" * 32))
Forgery = Callable[[random.Random, Attestation, Attestation], Attestation]


def signatures(house: House) -> tuple[Attestation, ...]:
    """Real signatures of three kinds: a resident's, an attending's, a withdrawal."""
    report = house.accepted(house.drafted("s1"), "resident")
    sign(
        house.store, house["resident"], report.report_id,
        version=report.version, password=PASSWORD, destinations=[PACS], now=AT,
    )  # fmt: skip
    other = house.signed("s2")
    withdraw(
        house.store, house["attending"], other.report_id,
        version=other.version, password=PASSWORD, reason="wrong patient", now=AT,
    )  # fmt: skip
    house.signed("s3", "colleague")
    with house.store.begin() as tx:
        return tuple(tx.reports.attestations.every())


def retold(signature: Attestation, **changes: Any) -> Attestation:
    """Change a signature as somebody would who knows its form: text and digest follow the facts."""
    changed = replace(signature, **changes)
    said = json.loads(signature.text) | {
        "report_id": changed.report_id,
        "version": changed.report_version,
        "signed_by": changed.username,
        "printed_name": changed.printed_name,
        "meaning": changed.meaning.value,
        "signed_at": changed.signed_at.isoformat(),
    }
    text = rfc8785.dumps(said).decode()
    return replace(changed, text=text, sha256=digest_of(text))


def _one_character(chance: random.Random, text: str) -> str:
    place = chance.randrange(len(text))
    return text[:place] + chr((ord(text[place]) + chance.randint(1, 90)) % 0xD800) + text[place + 1 :]


def change_text(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    return replace(real, text=_one_character(chance, real.text))


def change_text_and_digest(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    text = _one_character(chance, real.text)
    return replace(real, text=text, sha256=digest_of(text))


def change_digest(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    return replace(real, sha256=_one_character(chance, real.sha256))


def change_sections(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    said = json.loads(real.text)
    key = "sections" if "sections" in said else "reason"
    text = rfc8785.dumps(said | {key: {"findings": "Normal."} if key == "sections" else "x"}).decode()
    return replace(real, text=text, sha256=digest_of(text))


def change_name(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    return retold(real, printed_name=_one_character(chance, real.printed_name))


def change_login(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    return retold(real, username=_one_character(chance, real.username))


def change_role(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    return replace(
        real, role=chance.choice([r for r in ("resident", "attending", "admin") if r != real.role])
    )


def change_meaning(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    return retold(real, meaning=chance.choice([m for m in Meaning if m is not real.meaning]))


def change_time(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    return retold(real, signed_at=real.signed_at + timedelta(microseconds=chance.randint(1, 10**9)))


def strip_facts(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    said = json.loads(real.text)
    del said[chance.choice(["printed_name", "signed_by", "signed_at", "meaning", "report_id", "version"])]
    text = rfc8785.dumps(said).decode()
    return replace(real, text=text, sha256=digest_of(text))


def move_to_another_report(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    forge = chance.choice([replace, retold])
    return forge(real, report_id=real.report_id + chance.randint(1, 50))


def move_to_another_version(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    forge = chance.choice([replace, retold])
    return forge(real, report_version=real.report_version + chance.randint(1, 50))


def swap_seals(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    return replace(real, seal=other.seal, key_id=other.key_id)


def take_another_text(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    return replace(real, text=other.text, sha256=other.sha256)


def change_seal(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    raw = bytearray(bytes.fromhex(real.seal))
    raw[chance.randrange(64)] ^= 1 << chance.randrange(8)
    return replace(real, seal=raw.hex())


def strip_seal(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    return replace(real, seal="", key_id=chance.choice([real.key_id, ""]))


def seal_with_own_key(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    forged = retold(real, printed_name="Dr. Nobody")
    seal = FOREIGN.seal(sealed_bytes(forged))
    return replace(forged, seal=seal, key_id=chance.choice([FOREIGN.key_id, OURS.key_id]))


def seal_with_key_in_database(chance: random.Random, real: Attestation, other: Attestation) -> Attestation:
    forged = retold(real, printed_name="Dr. Nobody")
    pem = public_pem(FOREIGN.signer.public_key)
    return replace(forged, seal=FOREIGN.seal(sealed_bytes(forged)), key_id=pem)


FORGERIES: tuple[Forgery, ...] = (
    change_text, change_text_and_digest, change_digest, change_sections, change_name, change_login,
    change_role, change_meaning, change_time, strip_facts, move_to_another_report, move_to_another_version,
    swap_seals, take_another_text, change_seal, strip_seal, seal_with_own_key, seal_with_key_in_database,
)  # fmt: skip


@pytest.mark.covers("T35", "S3")
def test_none_of_a_thousand_forged_signatures_is_accepted(house: House) -> None:
    real = signatures(house)
    assert [signature.problem for signature in real] == [""] * 4, "the test itself is sound"
    chance = random.Random(SEED)
    accepted, tried = [], Counter[str]()
    for number in range(CASES):
        forge = FORGERIES[number % len(FORGERIES)]
        one, other = chance.sample(real, 2)
        forged = check_seal(replace(forge(chance, one, other), is_sealed=True), OURS)
        assert forged != one, "the test itself is sound"
        tried[forge.__name__] += 1
        if forged.verifies():
            accepted.append((forge.__name__, forged))
    record(
        "forged_signatures",
        f"{CASES} forged signatures of {len(tried)} kinds, every public digest computed anew",
        f"accepted {len(accepted)} of {sum(tried.values())}",
        seed=SEED,
        figures={"accepted": len(accepted), **tried},
    )
    assert accepted == []


@pytest.mark.covers("T35", "T40")
@pytest.mark.parametrize(
    "changed",
    [
        {"report_id": 99},
        {"report_version": 99},
        {"username": "nobody"},
        {"printed_name": "Dr. Nobody"},
        {"role": "resident"},
        {"meaning": Meaning.WITHDRAWN},
        {"signed_at": AT + timedelta(seconds=1)},
        {"sha256": "0" * 64},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_seal_holds_every_fact_also_when_the_text_was_erased(house: House, changed: dict[str, Any]) -> None:
    real = replace(signatures(house)[-1], text="")
    assert check_seal(real, OURS).is_sealed
    assert check_seal(real, OURS).problem.startswith("its text was erased")
    forged = check_seal(replace(real, **changed), OURS)
    assert not forged.is_sealed
    assert forged.problem.startswith("its seal does not fit")


@pytest.mark.covers("T35", "S3", "O6")
def test_forgeries_written_by_the_owner_of_the_database_are_found_and_never_leave(
    house: House, database: Database
) -> None:
    real = signatures(house)
    with house.store.begin() as tx:
        waiting = {
            delivery.attestation_id: delivery.delivery_id
            for signature in real
            for delivery in tx.deliveries.of_report(signature.report_id)
            if delivery.state is DeliveryState.PENDING
        }
    chance, found, refused = random.Random(SEED), 0, 0
    for number in range(40):
        one, other = chance.sample(real, 2)
        forged = FORGERIES[number % len(FORGERIES)](chance, one, other)
        if forged.report_id != one.report_id:  # the database takes reports that there are, alone
            forged = replace(forged, report_id=one.report_id % 3 + 1)
        with _written(database, one, forged):
            check = verify_signatures(house.store, CHECKER, now=AT)
            found += one.attestation_id in dict(check.problems)
            if one.attestation_id in waiting:
                with pytest.raises(Conflict, match="does not verify"):
                    load_order(house.store, DELIVERER, waiting[one.attestation_id], now=AT)
                refused += 1
    record(
        "forged_signatures_in_the_database",
        "forgeries written by the owner of the tables, triggers and constraint away",
        f"found {found} of 40; {refused} of {refused} that waited for delivery were refused",
        seed=SEED,
        figures={"found": found, "refused": refused},
    )
    assert found == 40
    assert refused > 5
    assert verify_signatures(house.store, CHECKER, now=AT).problems == (), "the test itself is sound"


@contextmanager
def _written(database: Database, real: Attestation, forged: Attestation) -> Iterator[None]:
    """Write a forgery over a real signature as the owner of the tables, with everything out of the way."""
    with psycopg.connect(database.owner, autocommit=True) as owner:
        owner.execute("ALTER TABLE attestations DISABLE TRIGGER ALL")
        owner.execute("ALTER TABLE attestations DROP CONSTRAINT IF EXISTS attestations_are_sealed")
        owner.execute(_UPDATE, _row(forged, real.attestation_id))
        yield
        owner.execute(_UPDATE, _row(real, real.attestation_id))


_COLUMNS = (
    "report_id", "report_version", "username", "printed_name", "role", "meaning", "signed_at", "text",
    "sha256", "key_id", "seal",
)  # fmt: skip
_UPDATE = "UPDATE attestations SET {} WHERE id = %(id)s".format(", ".join(f"{n} = %({n})s" for n in _COLUMNS))


def _row(signature: Attestation, attestation_id: int) -> dict[str, Any]:
    values = {name: getattr(signature, name) for name in _COLUMNS}
    return values | {"meaning": signature.meaning.value, "id": attestation_id}


@pytest.mark.covers("S3")
def test_signature_without_a_seal_cannot_be_added_by_the_application(house: House) -> None:
    report = house.signed()
    statement = (
        "INSERT INTO attestations (report_id, report_version, user_id, username, printed_name, role, meaning,"
        " signed_at, text, sha256) SELECT report_id, report_version, user_id, username, printed_name, role,"
        " meaning, signed_at, text, sha256 FROM attestations WHERE report_id = :report"
    )
    with pytest.raises(IntegrityError, match="attestations_are_sealed"), house.store.begin() as tx:
        tx.session.execute(text(statement), {"report": report.report_id})


@pytest.mark.covers("A1")
def test_verification_is_on_record_with_its_result(house: House) -> None:
    house.signed()
    check = verify_signatures(house.store, CHECKER, now=AT)
    assert (check.count, check.problems) == (1, ())
    entry = house.log("signatures verified")[-1]
    assert (entry.outcome, entry.detail) == ("success", {"signatures": 1, "erased": 0, "problems": []})
    with pytest.raises(NotAuthorised):
        verify_signatures(house.store, house["attending"], now=AT)
