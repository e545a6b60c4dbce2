"""Second factors on a real database: given, asked for at log-in and signature, used up, reset."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pyotp
import pytest

from app.domain.access import Actor, Role, service_actor
from app.domain.account import EVERYBODY, LoginPolicy
from app.domain.audit import AuditEntry, AuditFilter
from app.domain.errors import (
    AuthenticationFailed,
    Conflict,
    NotAuthorised,
    NotFound,
    SecondFactorNeeded,
)
from app.domain.one_time import make_secret
from app.services import second_factor
from app.services.accounts import (
    add_user,
    change_user,
    end_other_sessions,
    log_in,
    reauthenticate,
    resume_session,
)
from app.services.reauthentication import Proof, proof_of
from app.services.second_factor import begin_second_step, enrol, finish_log_in, read_ticket, reset
from app.store.engine import Store, open_database
from tests.postgres import TEST_KEYS, Database

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STEP = timedelta(seconds=30)
CLI = service_actor("cli")
PASSWORD = "correct horse battery"
MUST = LoginPolicy(second_factor_roles=frozenset({Role.ATTENDING}))


@pytest.fixture(autouse=True)
def _fast_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    monkeypatch.setattr(
        "app.services.passwords.PasswordHasher", lambda: PasswordHasher(time_cost=1, memory_cost=1024)
    )


class Person:
    """An account and its authenticator."""

    def __init__(self, store: Store, *, has_factor: bool = True) -> None:
        self.store, self.secret = store, make_secret()
        user = add_user(
            store,
            CLI,
            username="reader",
            printed_name="Dr Ada Reader",
            role=Role.ATTENDING,
            password=PASSWORD,
            now=NOW,
        )
        self.actor = user.act(source="192.0.2.7")
        self.recovery_codes: tuple[str, ...] = ()
        if has_factor:
            self.recovery_codes = enrol(
                store, self.actor, self.secret, password=PASSWORD, code=self.code(NOW - STEP), now=NOW - STEP
            )

    def code(self, at: datetime) -> str:
        return pyotp.TOTP(self.secret).at(at)

    def begin(self, now: datetime = NOW, policy: LoginPolicy = EVERYBODY) -> str:
        """Type the password; return the sealed ticket."""
        with pytest.raises(SecondFactorNeeded) as needed:
            log_in(
                self.store, username="reader", password=PASSWORD, source="192.0.2.7", policy=policy, now=now
            )
        return begin_second_step(self.store, needed.value, now=now)

    def enter(self, code: str, now: datetime = NOW) -> tuple[str, Actor]:
        ticket = read_ticket(self.store, self.begin(now), now=now)
        token, actor, _ = finish_log_in(self.store, ticket, code, source="192.0.2.7", now=now)
        return token, actor

    def is_refused(self, code: str, now: datetime = NOW) -> bool:
        with pytest.raises(AuthenticationFailed):
            self.enter(code, now)
        return True


def entries(store: Store, event: str) -> list[AuditEntry]:
    with store.begin() as tx:
        return [entry for entry in tx.audit.stream(AuditFilter()) if entry.event == event]


@pytest.mark.covers("T34")
def test_password_alone_opens_nothing_and_the_code_opens_one_session(store: Store) -> None:
    person = Person(store)
    person.begin()
    with store.begin() as tx:
        assert tx.users.open_sessions_of(person.actor.user_id or 0) == ()
    token, actor = person.enter(person.code(NOW))
    assert resume_session(store, token, source="x", idle=STEP, now=NOW).session_id == actor.session_id
    assert entries(store, "login")[-1].detail == {"second_factor": "one-time password"}


@pytest.mark.covers("T34")
def test_code_counts_once_also_the_one_that_proved_the_device(store: Store) -> None:
    person = Person(store)
    assert person.is_refused(person.code(NOW - STEP))
    person.enter(person.code(NOW))
    assert person.is_refused(person.code(NOW))
    assert person.is_refused(person.code(NOW - STEP))
    reasons = [entry.detail["reason"] for entry in entries(store, "login failed")]
    assert reasons == ["one-time password used before"] * 3
    person.enter(person.code(NOW + STEP))


@pytest.mark.covers("T34")
def test_code_that_arrives_twice_at_once_opens_one_session(any_store: Store) -> None:
    person = Person(any_store)
    tickets = [read_ticket(any_store, person.begin(), now=NOW) for _ in range(4)]
    begin, opened = threading.Barrier(4), []

    def enter(number: int) -> None:
        begin.wait(30)
        with contextlib.suppress(AuthenticationFailed):
            opened.append(
                finish_log_in(any_store, tickets[number], person.code(NOW), source="192.0.2.7", now=NOW)
            )

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1


@pytest.mark.covers("T34")
def test_wrong_codes_lock_the_account_and_the_password_between_does_not_forget_them(store: Store) -> None:
    person = Person(store)
    for _ in range(5):
        assert person.is_refused("000000" if person.code(NOW) != "000000" else "000001")
    with pytest.raises(AuthenticationFailed) as caught:
        log_in(store, username="reader", password=PASSWORD, source="192.0.2.7", now=NOW)
    assert not isinstance(caught.value, SecondFactorNeeded)
    later = NOW + timedelta(minutes=5)
    person.enter(person.code(later), later)


def test_recovery_code_opens_one_log_in(store: Store) -> None:
    person = Person(store)
    person.enter(f" {person.recovery_codes[0].upper()} ")
    assert person.is_refused(person.recovery_codes[0])
    person.enter(person.recovery_codes[1])
    assert entries(store, "login")[-1].detail == {"second_factor": "recovery code"}


@pytest.mark.covers("T34", "S3")
def test_signature_takes_password_and_fresh_code_together(store: Store) -> None:
    person = Person(store)
    assert proof_of(store, person.actor) is Proof.PASSWORD_AND_CODE
    for wrong in (PASSWORD, f"wrong{person.code(NOW)}", f"{PASSWORD}000000", person.recovery_codes[0]):
        with pytest.raises(AuthenticationFailed):
            reauthenticate(store, person.actor, wrong, now=NOW)
    reauthenticate(store, person.actor, PASSWORD + person.code(NOW), now=NOW)
    with pytest.raises(AuthenticationFailed):
        reauthenticate(store, person.actor, PASSWORD + person.code(NOW), now=NOW)
    failed = entries(store, "login failed")
    assert failed[0].detail == {"reason": "second factor missing", "purpose": "signing"}
    assert {entry.detail["purpose"] for entry in failed} == {"signing"}


@pytest.mark.covers("T34")
def test_role_that_needs_a_second_factor_gets_it_at_log_in(store: Store) -> None:
    person = Person(store, has_factor=False)
    ticket = read_ticket(store, person.begin(policy=MUST), now=NOW)
    with pytest.raises(AuthenticationFailed):
        finish_log_in(store, ticket, "12345", source="x", now=NOW)
    assert not second_factor.holders(store, CLI)
    code = pyotp.TOTP(ticket.secret).at(NOW)
    _, _, recovery_codes = finish_log_in(store, ticket, code, source="x", now=NOW)
    assert len(recovery_codes) == 10
    assert [entry.detail for entry in entries(store, "second factor set")] == [{"username": "reader"}]
    with pytest.raises(AuthenticationFailed, match="has changed"):
        finish_log_in(store, ticket, pyotp.TOTP(ticket.secret).at(NOW + STEP), source="x", now=NOW + STEP)


def test_sessions_of_a_role_that_needs_one_by_now_end(store: Store) -> None:
    Person(store, has_factor=False)
    token, _ = log_in(store, username="reader", password=PASSWORD, source="x", now=NOW)
    assert second_factor.end_sessions_without(store, (Role.VIEWER,), now=NOW) == 0
    assert second_factor.end_sessions_without(store, (Role.ATTENDING,), now=NOW) == 1
    with pytest.raises(AuthenticationFailed):
        resume_session(store, token, source="x", idle=STEP, now=NOW)
    assert entries(store, "logout")[-1].detail == {"why": "second factor needed"}


def test_ticket_is_bound_to_time_key_and_password(store: Store) -> None:
    person = Person(store)
    sealed = person.begin()
    for wrong in ("", "nonsense", sealed[:-8] + "AAAAAAA="):
        with pytest.raises(AuthenticationFailed):
            read_ticket(store, wrong, now=NOW)
    with pytest.raises(AuthenticationFailed):
        read_ticket(store, sealed, now=NOW + timedelta(minutes=5))
    ticket = read_ticket(store, sealed, now=NOW)
    change_user(store, CLI, "reader", password="another long password", now=NOW)
    with pytest.raises(AuthenticationFailed, match="has changed"):
        finish_log_in(store, ticket, person.code(NOW), source="x", now=NOW)


@pytest.mark.covers("A1")
def test_reset_is_an_administrators_and_ends_the_sessions(store: Store) -> None:
    person = Person(store)
    token, actor = person.enter(person.code(NOW))
    with pytest.raises(NotAuthorised):
        reset(store, actor, "reader", now=NOW)
    reset(store, CLI, "reader", now=NOW)
    with pytest.raises(AuthenticationFailed):
        resume_session(store, token, source="x", idle=STEP, now=NOW)
    log_in(store, username="reader", password=PASSWORD, source="x", now=NOW)
    with pytest.raises(NotFound):
        reset(store, CLI, "reader", now=NOW)
    assert [entry.detail for entry in entries(store, "second factor removed")] == [{"username": "reader"}]


def test_second_factor_is_set_once_and_with_the_password(store: Store) -> None:
    person = Person(store, has_factor=False)
    for password, code in (("wrong", person.code(NOW)), (PASSWORD, "000"), (PASSWORD, "")):
        with pytest.raises(AuthenticationFailed):
            enrol(store, person.actor, person.secret, password=password, code=code, now=NOW)
    enrol(store, person.actor, person.secret, password=PASSWORD, code=person.code(NOW), now=NOW)
    with pytest.raises(Conflict):
        enrol(store, person.actor, make_secret(), password=PASSWORD, code="1", now=NOW)


@pytest.mark.covers("C3")
def test_database_alone_does_not_give_the_secret(store: Store, database: Database) -> None:
    person = Person(store)
    with psycopg.connect(database.owner) as connection:
        tables = [
            str(connection.execute(f"SELECT * FROM {name}").fetchall())
            for name in ("second_factors", "recovery_codes", "audit_log")
        ]
    whole = "".join(tables)
    assert person.secret not in whole
    assert not any(code in whole for code in person.recovery_codes)
    with open_database(database.application, replace(TEST_KEYS, login=bytes(31) + b"9")) as other:
        with pytest.raises(AuthenticationFailed):
            reauthenticate(other, person.actor, PASSWORD + person.code(NOW), now=NOW)
        reason = entries(other, "login failed")[-1].detail["reason"]
    assert reason == "the key in the keys folder does not open the second factor"


@pytest.mark.covers("T36")
def test_other_sessions_end_and_this_one_stays(store: Store) -> None:
    Person(store, has_factor=False)
    first, _ = log_in(store, username="reader", password=PASSWORD, source="x", now=NOW)
    second, actor = log_in(store, username="reader", password=PASSWORD, source="x", now=NOW)
    assert end_other_sessions(store, actor, now=NOW) == 1
    resume_session(store, second, source="x", idle=STEP, now=NOW)
    with pytest.raises(AuthenticationFailed):
        resume_session(store, first, source="x", idle=STEP, now=NOW)


def test_only_the_accounts_named_may_log_in_with_a_password(store: Store) -> None:
    Person(store, has_factor=False)
    only = LoginPolicy(local_names=frozenset({"rescue"}))
    with pytest.raises(AuthenticationFailed):
        log_in(store, username="reader", password=PASSWORD, source="x", policy=only, now=NOW)
    assert entries(store, "login failed")[-1].detail["reason"] == "log-in by password is off"
    allowed = LoginPolicy(local_names=frozenset({"reader"}))
    log_in(store, username="reader", password=PASSWORD, source="x", policy=allowed, now=NOW)
