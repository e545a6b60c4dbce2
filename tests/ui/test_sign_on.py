"""Single sign-on over HTTP with a real provider of the tests: what opens a session, and what does not.

Not covered here: a real browser between both (`tests/e2e/test_sign_on.py`); Keycloak and other products.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from app.domain.access import Role
from app.ui.csrf import SESSION_COOKIE
from tests.ui.conftest import Browser, Hospital
from tests.ui.provider import CLIENT_ID, Provider
from tests.ui.sign_on_steps import (
    come_back,
    entries,
    is_live,
    leave,
    log_in,
    message_of,
    provider,
    server,
)

__all__ = ["provider", "server"]


@pytest.mark.covers("C2", "A1")
def test_first_log_in_makes_the_account_and_later_ones_find_it(
    hospital: Hospital, provider: Provider
) -> None:
    browser, answer = log_in(hospital, provider)
    assert (answer.status_code, message_of(answer)) == (200, "You are logged in.")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert is_live(hospital, browser)
    log_in(hospital, provider)
    with hospital.store.begin() as tx:
        user = tx.users.by_username("ada.l")
    assert user is not None
    assert (user.printed_name, user.role, user.subject, user.password_hash) == (
        "Dr. Ada Lovelace", Role.RESIDENT, "0815", "",
    )  # fmt: skip
    assert len(entries(hospital, "user added")) == 1
    assert [e.detail["by"] for e in entries(hospital, "login")] == ["identity provider"] * 2


def test_request_to_the_provider_is_bound_to_this_browser_and_log_in(
    hospital: Hospital, provider: Provider
) -> None:
    first, second = (dict(parse_qsl(urlsplit(leave(Browser(hospital))).query)) for _ in range(2))
    assert first["code_challenge_method"] == "S256"
    assert (first["response_type"], first["scope"]) == ("code", "openid profile")
    assert first["redirect_uri"] == "http://127.0.0.1/login/oidc/callback"
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]
        assert len(first[name]) >= 40


@pytest.mark.covers("C2", "A1")
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1_700_000_000, "iat": 1_699_999_000}, "ID token: expired_token exp"),
        ({"nonce": "another"}, "ID token: invalid_claim nonce"),
        ({"nonce": None}, "ID token: missing_claim nonce"),
        ({"aud": "somebody else"}, "ID token: invalid_claim aud"),
        ({"aud": [CLIENT_ID, "somebody else"]}, "ID token: missing_claim azp"),
        ({"aud": [CLIENT_ID, "somebody else"], "azp": "somebody else"}, "ID token: invalid_claim azp"),
        ({"iss": "https://evil.example"}, "ID token: invalid_claim iss"),
        ({"exp": None}, "ID token: missing_claim exp"),
        ({"sub": None}, "ID token: missing_claim sub"),
        ({"sub": 815}, "ID token: "),
        ({"exp": "soon"}, "ID token: "),
        ({"iat": 4_000_000_000}, "ID token: "),
        ({"groups": ["cooks"]}, "no group has a role"),
        ({"groups": None}, "no group has a role"),
        ({"groups": {"radiologists": True}}, "no group has a role"),
        ({"preferred_username": "janus-med/cli"}, "user name or printed name cannot be used"),
        ({"preferred_username": None}, "user name or printed name cannot be used"),
        ({"name": "A^B"}, "user name or printed name cannot be used"),
    ],
)  # fmt: skip
def test_token_that_fails_a_check_opens_nothing_and_is_recorded(
    hospital: Hospital, provider: Provider, claims: dict[str, Any], reason: str
) -> None:
    browser, answer = log_in(hospital, provider, **claims)
    assert answer.status_code == 401
    assert SESSION_COOKIE not in browser.cookies
    assert message_of(answer)
    (failed,) = entries(hospital, "login failed")
    assert failed.detail["reason"].startswith(reason)
    assert failed.detail["purpose"] == "single sign-on"
    assert entries(hospital, "user added") == []


@pytest.mark.covers("C2")
@pytest.mark.parametrize(
    "how", ["sign_with_public_key", "sign_with_nothing", "sign_with_foreign_key", "sign_with_unknown_key"]
)
def test_token_of_another_signature_opens_nothing(hospital: Hospital, provider: Provider, how: str) -> None:
    browser, answer = log_in(hospital, provider, sign=getattr(provider, how))
    assert answer.status_code == 401
    assert SESSION_COOKIE not in browser.cookies
    assert entries(hospital, "login failed")[-1].detail["reason"].startswith("token: ")


@pytest.mark.covers("C2")
def test_new_key_of_the_provider_is_fetched(
    hospital: Hospital, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(hospital, provider)
    provider.rotate()
    provider.seconds_ahead = 60
    monkeypatch.setattr("app.ui.routes.sign_on.now", lambda: datetime.now(UTC) + timedelta(minutes=1))
    browser, answer = log_in(hospital, provider)
    assert answer.status_code == 200
    assert SESSION_COOKIE in browser.cookies
    assert provider.asked.count("/keys") == 2
    log_in(hospital, provider, sign=provider.sign_with_unknown_key)
    assert provider.asked.count("/keys") == 2, "unknown keys do not make us ask again and again"


@pytest.mark.covers("C2")
def test_answer_counts_once_in_its_own_browser_and_in_time(
    hospital: Hospital, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(hospital)
    address = leave(browser)
    code = provider.grant(address)
    grant = provider.grants[code]
    assert come_back(Browser(hospital), address, code).status_code == 401
    kept = dict(browser.cookies)
    assert come_back(browser, address, code).status_code == 200
    assert come_back(browser, address, code).status_code == 401
    thief = Browser(hospital)
    for name, value in kept.items():
        thief.cookies.set(name, value, domain="127.0.0.1")
    assert come_back(thief, address, code).status_code == 401, "the provider knows the code no more"
    provider.grants[code] = grant
    assert come_back(thief, address, code).status_code == 401, "not even if it would"
    late = Browser(hospital)
    address = leave(late)
    monkeypatch.setattr("app.ui.routes.sign_on.now", lambda: datetime.now(UTC) + timedelta(minutes=10))
    assert come_back(late, address, provider.grant(address)).status_code == 401
    assert [entry.detail["reason"] for entry in entries(hospital, "login failed")] == [
        "state is not of this browser",
        "state is not of this browser",
        "provider answers 400",
        "ID token used before",
        "the answer came too late",
    ]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({}, "state is missing"),
        ({"code": "x", "state": "x"}, "state is missing"),
        ({"code": "x", "state": "0" * 64}, "state is not of this browser"),
    ],
)
def test_answer_that_nobody_asked_for_opens_nothing(
    hospital: Hospital, provider: Provider, query: dict[str, str], reason: str
) -> None:
    answer = Browser(hospital).get("/login/oidc/callback", params=query)
    assert answer.status_code == 401
    assert "log in again" in message_of(answer)
    assert entries(hospital, "login failed")[-1].detail["reason"] == reason


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"error": "access_denied"}, "provider says access_denied"),
        ({"error": "<script>alert(1)</script>"}, "provider says an error"),
        ({"iss": "https://evil.example"}, "answer of another issuer"),
        ({"code": ""}, "no code"),
    ],
)
def test_refusal_of_the_provider_is_told_and_recorded(
    hospital: Hospital, provider: Provider, query: dict[str, str], reason: str
) -> None:
    browser = Browser(hospital)
    address = leave(browser)
    answer = come_back(browser, address, provider.grant(address), **query)
    assert answer.status_code == 401
    assert "<script>" not in answer.text
    assert entries(hospital, "login failed")[-1].detail["reason"] == reason


@pytest.mark.parametrize(
    ("discovery", "reason"),
    [
        ({"issuer": "https://evil.example"}, "discovery: another issuer"),
        (
            {"token_endpoint": "http://evil.example/token"},
            "discovery: token_endpoint is missing or not https",
        ),
        ({"authorization_endpoint": None}, "discovery: authorization_endpoint is missing or not https"),
        ({"jwks_uri": "{issuer}/huge"}, "the provider's answer is too large"),
        ({"jwks_uri": "{issuer}/nothing"}, "provider answers 404"),
        ({"jwks_uri": "http://127.0.0.1:9/keys"}, "provider does not answer: ConnectError"),
    ],
)
def test_provider_that_is_broken_or_away_is_told_in_words(
    hospital: Hospital, provider: Provider, discovery: dict[str, Any], reason: str
) -> None:
    provider.discovery = {
        name: value.format(issuer=provider.issuer) if value else value for name, value in discovery.items()
    }
    answer = Browser(hospital).get("/login/oidc")
    assert answer.status_code == 401
    assert "administrator" in message_of(answer)
    assert entries(hospital, "login failed")[-1].detail["reason"].startswith(reason)
    assert 'id="username"' in answer.text, "the other way in stays open"


@pytest.mark.slow
def test_slow_provider_keeps_few_threads_waiting(hospital: Hospital, provider: Provider) -> None:
    """Readers are served by the same threads: who comes while another waits is told so after a second."""
    provider.discovery = {"jwks_uri": f"{provider.issuer}/slow"}
    threads = [threading.Thread(target=Browser(hospital).get, args=("/login/oidc",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reasons = [entry.detail["reason"] for entry in entries(hospital, "login failed")]
    assert len(reasons) == 4
    assert reasons.count("provider does not answer: others wait") >= 1


@pytest.mark.covers("C2")
def test_first_log_in_in_two_tabs_at_once_makes_one_account(hospital: Hospital, provider: Provider) -> None:
    tabs = [Browser(hospital) for _ in range(4)]
    addresses = [leave(tab) for tab in tabs]
    begin, statuses = threading.Barrier(4), []

    def finish(tab: Browser, address: str) -> None:
        begin.wait(30)
        statuses.append(come_back(tab, address, provider.grant(address)).status_code)

    threads = [threading.Thread(target=finish, args=pair) for pair in zip(tabs, addresses, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 4
    assert len(entries(hospital, "user added")) == 1
