"""Log-in, lockout, sessions and the password before a signature, on a real database."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from app.domain.access import Actor, Role, service_actor
from app.domain.audit import AuditEntry, AuditFilter
from app.domain.errors import AuthenticationFailed, Conflict, NotAuthorised, NotFound, Rejected
from app.services.accounts import (
    add_user,
    change_user,
    list_users,
    log_in,
    log_out,
    reauthenticate,
    resume_session,
)
from app.store.engine import Store
from tests.postgres import Database

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IDLE = timedelta(minutes=15)
CLI = service_actor("cli")
PASSWORD = "correct horse battery"
SOURCE = "192.0.2.7"


@pytest.fixture(autouse=True)
def _fast_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real argon2id with small parameters: the machine hashes a hundred passwords here."""
    from argon2 import PasswordHasher

    monkeypatch.setattr(
        "app.services.passwords.PasswordHasher", lambda: PasswordHasher(time_cost=1, memory_cost=1024)
    )


def enrol(store: Store, username: str = "reader", role: Role = Role.ATTENDING) -> None:
    add_user(
        store, CLI, username=username, printed_name="Dr Ada Reader", role=role, password=PASSWORD, now=NOW
    )


def enter(
    store: Store, password: str = PASSWORD, now: datetime = NOW, username: str = "reader"
) -> tuple[str, Actor]:
    return log_in(store, username=username, password=password, source=SOURCE, now=now)


def refuse(store: Store, password: str, now: datetime = NOW, username: str = "reader") -> str:
    with pytest.raises(AuthenticationFailed) as caught:
        enter(store, password, now, username)
    return str(caught.value)


def entries(store: Store) -> list[AuditEntry]:
    with store.begin() as tx:
        return list(tx.audit.stream(AuditFilter()))


@pytest.mark.covers("A1")
def test_log_in_opens_a_session_and_is_recorded(any_store: Store) -> None:
    enrol(any_store)
    token, actor = enter(any_store)
    assert (actor.username, actor.printed_name, actor.role, actor.source) == (
        "reader", "Dr Ada Reader", Role.ATTENDING, SOURCE,
    )  # fmt: skip
    assert resume_session(any_store, token, source=SOURCE, idle=IDLE, now=NOW) == actor
    added, login = entries(any_store)
    assert (added.event, added.username) == ("user added", "janus-med/cli")
    assert added.detail == {"username": "reader", "role": "attending"}
    assert (login.event, login.outcome, login.username, login.source) == (
        "login",
        "success",
        "reader",
        SOURCE,
    )


@pytest.mark.covers("A1", "T34")
def test_wrong_password_and_unknown_name_read_the_same_and_are_recorded(store: Store) -> None:
    enrol(store)
    wrong = refuse(store, "wrong")
    unknown = refuse(store, "wrong", username="nobody")
    impossible = refuse(store, "wrong", username="\x00' OR 1=1 --")
    assert wrong == unknown == impossible
    failures = entries(store)[1:]
    assert [entry.event for entry in failures] == ["login failed"] * 3
    assert [entry.outcome for entry in failures] == ["failure"] * 3
    assert [entry.detail["reason"] for entry in failures] == [
        "wrong password",
        "unknown user",
        "unknown user",
    ]
    assert [entry.source for entry in failures] == [SOURCE] * 3


def test_what_is_typed_as_a_name_is_not_recorded(store: Store, database: Database) -> None:
    """Somebody typed the password into the first field."""
    refuse(store, "", username="my-secret-password")
    with psycopg.connect(database.owner) as connection:
        row = connection.execute("SELECT string_agg(audit_log::text, '') FROM audit_log").fetchone()
    assert row is not None
    assert "my-secret-password" not in row[0]


@pytest.mark.covers("T34")
def test_fifth_wrong_password_locks_the_account_for_five_minutes(store: Store) -> None:
    enrol(store)
    for _ in range(5):
        refuse(store, "wrong")
    refuse(store, PASSWORD)
    refuse(store, PASSWORD, NOW + timedelta(minutes=4, seconds=59))
    assert [entry.detail.get("reason") for entry in entries(store)][-2:] == ["account locked"] * 2
    enter(store, now=NOW + timedelta(minutes=5))


def test_guesses_while_locked_do_not_lock_for_longer(store: Store) -> None:
    enrol(store)
    for second in range(120):
        refuse(store, "wrong", NOW + timedelta(seconds=second))
    enter(store, now=NOW + timedelta(minutes=5, seconds=5))


def test_right_password_forgets_the_wrong_ones(store: Store) -> None:
    enrol(store)
    for _ in range(3):
        for _ in range(4):
            refuse(store, "wrong")
        enter(store)


@pytest.mark.covers("T34")
def test_guesses_at_the_same_moment_are_counted_one_by_one(any_store: Store) -> None:
    """Of 12 simultaneous guesses five count as wrong passwords; the others meet a locked account."""
    enrol(any_store)
    begin = threading.Barrier(12)

    def guess() -> None:
        begin.wait(30)
        refuse(any_store, "wrong")

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reasons = [entry.detail["reason"] for entry in entries(any_store)[1:]]
    assert sorted(reasons) == ["account locked"] * 7 + ["wrong password"] * 5


@pytest.mark.covers("T36")
def test_session_ends_after_idle_time_and_each_use_renews_it(store: Store) -> None:
    enrol(store)
    token, actor = enter(store)
    for minutes in (14, 28, 42):
        resume_session(store, token, source=SOURCE, idle=IDLE, now=NOW + timedelta(minutes=minutes))
    with pytest.raises(AuthenticationFailed):
        resume_session(store, token, source=SOURCE, idle=IDLE, now=NOW + timedelta(minutes=57))
    with pytest.raises(AuthenticationFailed):
        resume_session(store, token, source=SOURCE, idle=IDLE, now=NOW + timedelta(minutes=43))
    last = entries(store)[-1]
    assert (last.event, last.username, last.detail) == ("logout", actor.username, {"why": "idle"})
    assert [entry.event for entry in entries(store)].count("logout") == 1


@pytest.mark.covers("T36")
def test_automatic_refresh_keeps_no_session_alive(store: Store) -> None:
    enrol(store)
    token, _ = enter(store)
    for minutes in range(1, 15):
        resume_session(
            store, token, source=SOURCE, idle=IDLE, now=NOW + timedelta(minutes=minutes), renew=False
        )
    with pytest.raises(AuthenticationFailed):
        resume_session(store, token, source=SOURCE, idle=IDLE, now=NOW + IDLE, renew=False)


@pytest.mark.covers("T36")
def test_session_that_is_used_all_day_ends_in_the_end(store: Store) -> None:
    enrol(store)
    token, _ = enter(store)
    for minutes in range(10, 12 * 60, 10):
        resume_session(store, token, source=SOURCE, idle=IDLE, now=NOW + timedelta(minutes=minutes))
    with pytest.raises(AuthenticationFailed):
        resume_session(store, token, source=SOURCE, idle=IDLE, now=NOW + timedelta(hours=12))


@pytest.mark.covers("A1", "T36")
def test_logged_out_session_is_over(store: Store) -> None:
    enrol(store)
    token, _ = enter(store)
    other, _ = enter(store)
    log_out(store, token, now=NOW)
    log_out(store, token, now=NOW)
    log_out(store, "no such token", now=NOW)
    with pytest.raises(AuthenticationFailed):
        resume_session(store, token, source=SOURCE, idle=IDLE, now=NOW)
    resume_session(store, other, source=SOURCE, idle=IDLE, now=NOW)
    assert [entry.event for entry in entries(store)].count("logout") == 1


@pytest.mark.covers("T34")
def test_closed_account_is_out_at_once(store: Store) -> None:
    enrol(store)
    token, actor = enter(store)
    change_user(store, CLI, "reader", disabled=True, now=NOW)
    refuse(store, PASSWORD)
    with pytest.raises(AuthenticationFailed):
        resume_session(store, token, source=SOURCE, idle=IDLE, now=NOW)
    with pytest.raises(AuthenticationFailed):
        reauthenticate(store, actor, PASSWORD, now=NOW)
    change_user(store, CLI, "reader", disabled=False, now=NOW)
    enter(store)
    with pytest.raises(AuthenticationFailed):
        resume_session(store, token, source=SOURCE, idle=IDLE, now=NOW)


@pytest.mark.covers("A1", "C2")
def test_new_role_counts_from_the_next_log_in_and_is_recorded(store: Store) -> None:
    enrol(store)
    token, _ = enter(store)
    change_user(store, CLI, "reader", role=Role.VIEWER, now=NOW)
    with pytest.raises(AuthenticationFailed):
        resume_session(store, token, source=SOURCE, idle=IDLE, now=NOW)
    assert enter(store)[1].role is Role.VIEWER
    changed = next(entry for entry in entries(store) if entry.event == "user changed")
    assert changed.detail == {"username": "reader", "role": "viewer"}


def test_new_password_replaces_the_old_and_opens_a_locked_account(store: Store) -> None:
    enrol(store)
    for _ in range(5):
        refuse(store, "wrong")
    change_user(store, CLI, "reader", password="another long password", now=NOW)
    refuse(store, PASSWORD)
    enter(store, "another long password")


@pytest.mark.covers("S3", "T34")
def test_password_before_a_signature_counts_as_at_log_in(store: Store) -> None:
    enrol(store)
    _, actor = enter(store)
    reauthenticate(store, actor, PASSWORD, now=NOW)
    for _ in range(5):
        with pytest.raises(AuthenticationFailed):
            reauthenticate(store, actor, "wrong", now=NOW)
    with pytest.raises(AuthenticationFailed):
        reauthenticate(store, actor, PASSWORD, now=NOW)
    refuse(store, PASSWORD)
    failed = [entry for entry in entries(store) if entry.event == "login failed"]
    assert [entry.detail["purpose"] for entry in failed] == ["signing"] * 6 + ["log-in"]


@pytest.mark.covers("S2", "S3", "T34")
def test_process_and_ended_session_cannot_sign(store: Store) -> None:
    enrol(store)
    token, actor = enter(store)
    log_out(store, token, now=NOW)
    with pytest.raises(AuthenticationFailed):
        reauthenticate(store, actor, PASSWORD, now=NOW)
    with pytest.raises(AuthenticationFailed):
        reauthenticate(store, CLI, PASSWORD, now=NOW)


@pytest.mark.covers("C3")
def test_neither_password_nor_token_is_stored(store: Store, database: Database) -> None:
    enrol(store)
    token, _ = enter(store)
    with psycopg.connect(database.owner) as connection:
        users = str(connection.execute("SELECT * FROM users").fetchall())
        sessions = str(connection.execute("SELECT * FROM sessions").fetchall())
        log = str(connection.execute("SELECT * FROM audit_log").fetchall())
    assert "$argon2id$" in users
    assert PASSWORD not in users + sessions + log
    assert token not in users + sessions + log
    assert hashlib.sha256(token.encode()).hexdigest() in sessions


def test_same_characters_are_the_same_password_whatever_keyboard_made_them(store: Store) -> None:
    composed, decomposed = "Ångström-Größe 1", "A\u030angstro\u0308m-Gro\u0308ße 1"
    add_user(store, CLI, username="reader", printed_name="Dr A", role=Role.VIEWER, password=composed, now=NOW)
    enter(store, decomposed)


def test_outdated_hash_is_renewed_at_log_in(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argon2 import PasswordHasher

    enrol(store)
    monkeypatch.setattr(
        "app.services.passwords.PasswordHasher", lambda: PasswordHasher(time_cost=2, memory_cost=2048)
    )
    enter(store)
    with psycopg.connect(database.owner) as connection:
        row = connection.execute("SELECT password_hash FROM users").fetchone()
    assert row is not None
    assert "m=2048,t=2" in row[0]
    enter(store)


@pytest.mark.covers("C2")
@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.ADMIN, Role.SERVICE}])
def test_only_administrators_manage_accounts(store: Store, role: Role) -> None:
    enrol(store, role=role)
    _, actor = enter(store)
    with pytest.raises(NotAuthorised):
        add_user(
            store, actor, username="friend", printed_name="F", role=Role.ADMIN, password=PASSWORD, now=NOW
        )
    with pytest.raises(NotAuthorised):
        change_user(store, actor, "reader", role=Role.ADMIN, now=NOW)
    with pytest.raises(NotAuthorised):
        list_users(store, actor)
    assert [user.username for user in list_users(store, CLI)] == ["reader"]
    assert [entry.event for entry in entries(store)][-2:] == ["access denied"] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "Reader"}, {"username": "janus-med/listener"}, {"username": "a"}, {"username": "a" * 41},
        {"username": "1reader"}, {"username": "reader\n"}, {"printed_name": ""}, {"printed_name": "A^B"},
        {"printed_name": "A\nB"}, {"printed_name": "x" * 65}, {"password": "short"}, {"password": "x" * 1025},
        {"password": "my name is reader"}, {"role": Role.SERVICE},
    ],
)  # fmt: skip
def test_account_that_could_do_harm_is_refused(store: Store, wrong: dict[str, object]) -> None:
    sound = {"username": "reader", "printed_name": "Dr A", "role": Role.VIEWER, "password": PASSWORD}
    with pytest.raises(Rejected):
        add_user(store, CLI, now=NOW, **(sound | wrong))  # type: ignore[arg-type]
    assert list_users(store, CLI) == ()


def test_user_name_is_given_once(store: Store) -> None:
    enrol(store)
    with pytest.raises(Conflict):
        enrol(store)
    with pytest.raises(NotFound):
        change_user(store, CLI, "nobody", disabled=True, now=NOW)
    assert len(entries(store)) == 1
