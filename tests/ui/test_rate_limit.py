"""How often an address, an account and a session may ask: refused with 429, told once a burst, bounded.

Covered: a real server on a real socket with and without a trusted proxy in front. The pace itself is in
`tests/unit/services/test_pace.py`, DICOMweb callers that are known in `tests/dicomweb/test_limits.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.dicomweb.routes import dicomweb_routes
from app.domain.alert import AlertKind
from app.domain.audit import AuditEvent
from app.domain.errors import TooManyRequests
from app.services.alerts import open_alerts
from app.services.bursts import ALERT_STANDS, end_bursts
from app.ui.csrf import LOGIN_COOKIE, SESSION_COOKIE, csrf_token
from app.ui.limits import BURST_ENDS
from app.ui.middleware import room_middleware
from app.ui.room import Room
from app.ui.server import room_routes, server_config
from app.ui.session import Visit
from app.ui.views import withdraw
from tests.dicomweb.conftest import serving
from tests.ui import seed
from tests.ui.conftest import Hospital
from tests.ui.test_views import sign_as

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
HTML = {"Accept": "text/html"}


def room_with(hospital: Hospital, **settings: Any) -> Room:
    return replace(hospital.room, settings=hospital.room.settings.model_copy(update=settings))


@contextmanager
def served(room: Room) -> Iterator[httpx.Client]:
    """Serve a room as the product does."""
    routes = [*room_routes(room), *(dicomweb_routes(room) if room.settings.dicomweb else ())]
    asgi = Starlette(routes=routes, middleware=room_middleware(room))
    with (
        serving(asgi, server_config(asgi, room.settings)) as origin,
        httpx.Client(base_url=origin, timeout=60) as client,
    ):
        yield client


def try_password(client: httpx.Client, username: str, **headers: str) -> httpx.Response:
    """Send the log-in form with a wrong password."""
    client.cookies.set(LOGIN_COOKIE, "form", domain="127.0.0.1", path="/login")
    form = {"username": username, "password": "not the one", "token": csrf_token("form")}
    return client.post("/login", data=form, headers=HTML | headers)


def alerts(room: Room) -> list[str]:
    return [a.subject for a in open_alerts(room.store) if a.kind is AlertKind.TOO_MANY_REQUESTS]


def refusals(room: Room, what: str) -> float:
    return room.metrics.registry.get_sample_value("janus_med_rate_limited_total", {"what": what}) or 0.0


def noted(hospital: Hospital) -> int:
    """Log-ins that failed, on record."""
    return [event for event, _, _ in hospital.events()].count(AuditEvent.LOGIN_FAILED)


def test_address_that_guesses_is_stopped_before_the_password_is_looked_at(hospital: Hospital) -> None:
    room = room_with(hospital, log_in_attempts_per_minute=6)
    with served(room) as client:
        answers = [try_password(client, f"nobody-{n}") for n in range(12)]
        pages = [client.get("/login").status_code for _ in range(20)]
    assert [answer.status_code for answer in answers[:6]] == [401] * 6
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 5
    assert all(1 <= int(answer.headers["retry-after"]) <= 10 for answer in refused)
    assert "Try again in" in refused[0].text
    assert set(pages) == {200}, "the page itself is for everybody"
    assert refusals(room, "log-in") == len(refused)
    assert alerts(room) == ["log-in"]
    # six guesses and one entry about the burst
    assert noted(hospital) <= len(answers) - len(refused) + 1


def test_account_is_limited_from_wherever_it_is_tried(hospital: Hospital) -> None:
    room = room_with(hospital, log_in_attempts_per_minute=9, ui_tls=True)
    with served(room) as client:
        answers = [try_password(client, "ada", **{"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(6)]
        other = try_password(client, "bea", **{"X-Forwarded-For": "10.0.0.1"})
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 3
    assert "retry-after" in answers[-1].headers
    assert other.status_code == 401


@pytest.mark.parametrize(
    ("tls", "trusted", "is_limited"),
    [(True, "127.0.0.0/8", False), (True, "10.0.0.0/8", True), (False, "127.0.0.0/8", True)],
)
def test_forwarded_address_counts_when_a_trusted_proxy_says_it(
    hospital: Hospital, tls: bool, trusted: str, is_limited: bool
) -> None:
    room = room_with(hospital, log_in_attempts_per_minute=3, ui_tls=tls, ui_trusted_proxies=(trusted,))
    with served(room) as client:
        answers = [
            try_password(client, f"nobody-{n}", **{"X-Forwarded-For": f"10.0.{n}.1"}).status_code
            for n in range(8)
        ]
    assert (429 in answers) is is_limited


def test_log_outs_of_the_provider_are_no_attempts(hospital: Hospital) -> None:
    room = room_with(hospital, log_in_attempts_per_minute=3)
    with served(room) as client:
        answers = [client.post("/login/oidc/backchannel", data={"logout_token": "x"}) for _ in range(8)]
        codes = [client.post("/login/code", data={}).status_code for _ in range(8)]
    assert 429 not in {answer.status_code for answer in answers}
    assert codes.count(429) >= 4


def test_session_is_limited_and_another_one_is_served(hospital: Hospital) -> None:
    room = room_with(hospital, ui_requests_per_second=0.2)
    tokens = [hospital.log_in(name)[0] for name in ("ada", "otto")]
    with served(room) as client:

        def ask(token: str) -> httpx.Response:
            return client.get("/api/studies/1.2.3/report", headers={"Cookie": f"{SESSION_COOKIE}={token}"})

        answers = [ask(tokens[0]).status_code for _ in range(12)]
        other = ask(tokens[1]).status_code
        made_up = [ask(f"made-up-{n}").status_code for n in range(70)]
    assert answers[:2] == [404] * 2
    assert 429 in answers
    assert other == 404
    assert 429 in made_up, "whoever makes up sessions is limited by the address"
    assert alerts(room) == ["requests"]


def test_unknown_tokens_and_wrong_basic_passwords_of_dicomweb_count_as_log_ins(hospital: Hospital) -> None:
    room = room_with(hospital, dicomweb=True, log_in_attempts_per_minute=4)
    with served(room) as client:
        answers = [
            client.get("/dicomweb/studies", headers={"Authorization": f"Bearer {n}"}) for n in range(8)
        ]
        basic = client.get("/dicomweb/studies", auth=("ada", "wrong"))
        session = client.get(
            "/dicomweb/studies", headers={"Cookie": f"{SESSION_COOKIE}={hospital.log_in('ada')[0]}"}
        )
    assert [answer.status_code for answer in answers[:4]] == [401] * 4
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert basic.status_code == 429
    assert session.status_code == 204, "a known caller at the same address is served"


def test_burst_is_told_once_and_a_later_one_again(hospital: Hospital) -> None:
    room = room_with(hospital, log_in_attempts_per_minute=3)
    limits = room.limits

    def overrun(at: datetime) -> int:
        refused = 0
        for _ in range(10):
            try:
                limits.attempt_from("10.1.1.1", now=at)
            except TooManyRequests:
                refused += 1
        return refused

    assert overrun(NOW) == 7
    assert overrun(NOW + timedelta(seconds=1)) == 10
    assert noted(hospital) == 1
    assert alerts(room) == ["log-in"]
    assert end_bursts(room.store, now=NOW + ALERT_STANDS / 2) == 0
    assert end_bursts(room.store, now=NOW + ALERT_STANDS + timedelta(seconds=1)) == 1
    assert alerts(room) == []
    overrun(NOW + ALERT_STANDS + BURST_ENDS)
    assert noted(hospital) == 2
    assert alerts(room) == ["log-in"]


def test_memory_is_bounded_however_many_addresses_ask(hospital: Hospital) -> None:
    limits = room_with(hospital, log_in_attempts_per_minute=60).limits
    for number in range(5000):
        limits.attempt_from(f"10.{number % 250}.{number // 250}.1", now=NOW)
        limits.attempt_from(f"2001:db8:{number:x}::1", now=NOW)
    assert limits._addresses.callers <= 1024


def test_hosts_of_one_network_of_ipv6_are_one_caller(hospital: Hospital) -> None:
    limits = room_with(hospital, log_in_attempts_per_minute=3).limits
    for number in range(3):
        limits.attempt_from(f"2001:db8:0:1::{number:x}", now=NOW)
    with pytest.raises(TooManyRequests):
        limits.attempt_from("2001:db8:0:1::ffff", now=NOW)
    limits.attempt_from("2001:db8:0:2::1", now=NOW)


def test_right_password_is_not_taken_past_the_limit(hospital: Hospital) -> None:
    room = room_with(hospital, log_in_attempts_per_minute=3)
    with served(room) as client:
        for n in range(4):
            try_password(client, f"nobody-{n}")
        client.cookies.set(LOGIN_COOKIE, "form", domain="127.0.0.1", path="/login")
        form = {"username": "ada", "password": seed.PASSWORD, "token": csrf_token("form")}
        answer = client.post("/login", data=form, headers=HTML)
    assert answer.status_code == 429
    assert SESSION_COOKIE not in client.cookies


def test_withdrawal_counts_its_password_as_an_attempt_of_the_account(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = room_with(hospital, log_in_attempts_per_minute=3)
    actor = hospital.log_in("ada")[1]
    study, told = sign_as(hospital, "ada"), []
    with hospital.store.begin() as tx:
        report = tx.reports.of_revision(study, 1)
    assert report is not None
    visit = Visit(room, actor, datetime.now(UTC), "")
    monkeypatch.setattr("streamlit.error", told.append)
    assert not withdraw._withdraw(visit, report, "wrong film", "not the password")
    assert not withdraw._withdraw(visit, report, "wrong film", "not the password")
    assert "more requests" in told[-1]
    assert noted(hospital) == 2, "the second password was not looked at: one entry is about the burst"
