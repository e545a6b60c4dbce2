"""Accounts and sessions that a provider opens: renewed, never another's, ended by either side, confirmed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from httpx import Response

from app.domain.access import Role, service_actor
from app.domain.errors import AuthenticationFailed, Conflict, Rejected
from app.services import accounts
from app.services.reauthentication import Proof, proof_of
from app.ui.csrf import CSRF_HEADER, SESSION_COOKIE, csrf_token
from tests.ui import seed
from tests.ui.conftest import Browser, Hospital
from tests.ui.provider import ADA, CLIENT_ID, Provider
from tests.ui.sign_on_steps import (
    come_back,
    entries,
    is_live,
    leave,
    log_in,
    message_of,
    provider,
    server,
    settings_of,
    use,
)

__all__ = ["provider", "server"]


@pytest.mark.covers("C2", "A1")
def test_role_and_name_are_those_of_the_newest_token(hospital: Hospital, provider: Provider) -> None:
    browser, _ = log_in(hospital, provider)
    log_in(hospital, provider, groups=["radiologists", "chiefs"], name="Prof. Ada Lovelace")
    with hospital.store.begin() as tx:
        user = tx.users.by_username("ada.l")
    assert user is not None
    assert (user.role, user.printed_name) == (Role.ATTENDING, "Prof. Ada Lovelace")
    (changed,) = entries(hospital, "user changed")
    assert changed.detail == {
        "username": "ada.l", "issuer": provider.issuer, "role": "attending", "changed": "printed name",
    }  # fmt: skip
    assert not is_live(hospital, browser), "what was opened in the old role has ended"


@pytest.mark.covers("C2")
def test_no_account_takes_another_ones_name(hospital: Hospital, provider: Provider) -> None:
    browser, answer = log_in(hospital, provider, preferred_username="ada")
    assert answer.status_code == 401
    assert "belongs to another account" in message_of(answer)
    log_in(hospital, provider)
    _, answer = log_in(hospital, provider, sub="4711")
    assert answer.status_code == 401
    about = {
        "printed_name": "X",
        "role": Role.VIEWER,
        "password": "a long password",
        "now": datetime.now(UTC),
    }
    with pytest.raises(Conflict):
        accounts.add_user(hospital.store, service_actor("cli"), username="ada.l", **about)
    for change in ({"password": "a long password"}, {"role": Role.ADMIN}):
        with pytest.raises(Rejected, match="identity provider"):
            accounts.change_user(
                hospital.store, service_actor("cli"), "ada.l", now=datetime.now(UTC), **change
            )
    with pytest.raises(AuthenticationFailed):
        accounts.log_in(
            hospital.store, username="ada.l", password="", source="127.0.0.1", now=datetime.now(UTC)
        )
    assert SESSION_COOKIE not in browser.cookies


@pytest.mark.covers("T34")
def test_closed_account_stays_closed(hospital: Hospital, provider: Provider) -> None:
    log_in(hospital, provider)
    now = datetime.now(UTC)
    accounts.change_user(hospital.store, service_actor("cli"), "ada.l", disabled=True, now=now)
    _, answer = log_in(hospital, provider, groups=["chiefs"])
    assert (answer.status_code, "closed" in message_of(answer)) == (401, True)
    assert entries(hospital, "login failed")[-1].detail["reason"] == "account closed"


@pytest.mark.covers("T36")
def test_session_ends_when_its_time_is_up_however_much_it_is_used(
    hospital: Hospital, provider: Provider, tmp_path: Path
) -> None:
    use(hospital, settings_of(provider, tmp_path / "client.secret", session_minutes=5))
    browser, _ = log_in(hospital, provider)
    token = browser.cookies[SESSION_COOKIE]
    about = {"source": "127.0.0.1", "idle": hospital.room.idle}
    accounts.resume_session(hospital.store, token, now=datetime.now(UTC) + timedelta(minutes=4), **about)
    with pytest.raises(AuthenticationFailed):
        accounts.resume_session(hospital.store, token, now=datetime.now(UTC) + timedelta(minutes=5), **about)


@pytest.mark.covers("T36")
def test_log_out_ends_our_session_and_leads_to_the_providers(hospital: Hospital, provider: Provider) -> None:
    browser, _ = log_in(hospital, provider)
    token = browser.cookies[SESSION_COOKIE]
    answer = browser.post("/logout", headers={CSRF_HEADER: csrf_token(token)})
    address = urlsplit(answer.json()["address"])
    assert address.path == "/end"
    assert dict(parse_qsl(address.query))["post_logout_redirect_uri"] == "http://127.0.0.1/login?why=out"
    browser.cookies.set(SESSION_COOKIE, token, domain="127.0.0.1")
    assert not is_live(hospital, browser)


@pytest.mark.covers("T36")
@pytest.mark.parametrize("named", [{}, {"sub": ADA["sub"], "sid": None}, {"sub": ADA["sub"]}])
def test_log_out_at_the_provider_ends_the_session_here(
    hospital: Hospital, provider: Provider, named: dict[str, Any]
) -> None:
    browser, _ = log_in(hospital, provider)
    other, _ = log_in(hospital, provider, sub="4711", preferred_username="otto.l", sid="s-2")
    token = provider.logout_token(**named)
    assert browser.post("/login/oidc/backchannel", data={"logout_token": token}).status_code == 200
    assert not is_live(hospital, browser)
    assert is_live(hospital, other)
    assert entries(hospital, "logout")[-1].detail == {"why": "by the identity provider"}
    answer = browser.post("/login/oidc/backchannel", data={"logout_token": token})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.covers("T36")
@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "somebody else"}, {"iss": "https://evil.example"}, {"exp": 1_700_000_000}, {"nonce": "x"},
        {"events": {}}, {"events": None}, {"jti": None}, {"sid": None}, {"sid": 7},
    ],
)  # fmt: skip
def test_what_is_no_logout_token_ends_nothing(
    hospital: Hospital, provider: Provider, wrong: dict[str, Any]
) -> None:
    browser, _ = log_in(hospital, provider)
    answer = browser.post("/login/oidc/backchannel", data={"logout_token": provider.logout_token(**wrong)})
    assert answer.status_code == 400
    assert is_live(hospital, browser)
    assert entries(hospital, "login failed")[-1].detail["purpose"] == "log-out by the provider"


def test_id_token_is_no_logout_token_and_nonsense_is_none(hospital: Hospital, provider: Provider) -> None:
    browser, _ = log_in(hospital, provider)
    for token in (
        provider.sign(ADA | {"iss": provider.issuer, "aud": CLIENT_ID}),
        "",
        "x.y.z",
        "x" * 100_000,
    ):
        answer = browser.post("/login/oidc/backchannel", data={"logout_token": token})
        assert answer.status_code == 400
    assert is_live(hospital, browser)


@pytest.mark.covers("S3", "T34")
def test_confirmation_at_the_provider_counts_for_one_signature_within_two_minutes(
    hospital: Hospital, provider: Provider
) -> None:
    browser, _ = log_in(hospital, provider)
    about = {"source": "127.0.0.1", "idle": hospital.room.idle, "now": datetime.now(UTC)}
    actor = accounts.resume_session(hospital.store, browser.cookies[SESSION_COOKIE], **about)
    assert proof_of(hospital.store, actor) is Proof.PROVIDER

    def sign(seconds: int = 0) -> None:
        now = datetime.now(UTC) + timedelta(seconds=seconds)
        accounts.reauthenticate(hospital.store, actor, "", now=now)

    def confirm(**claims: Any) -> Response:
        address = leave(browser, "/login/oidc/confirm")
        query = dict(parse_qsl(urlsplit(address).query))
        assert (query["prompt"], query["max_age"]) == ("login", "0")
        return come_back(browser, address, provider.grant(address, **claims))

    with pytest.raises(AuthenticationFailed, match="confirm"):
        sign()
    assert confirm().status_code == 200
    sign()
    with pytest.raises(AuthenticationFailed):
        sign()
    assert confirm().status_code == 200
    with pytest.raises(AuthenticationFailed):
        sign(121)
    for wrong in ({"auth_time": 1_700_000_000}, {"auth_time": None}, {"sub": "4711"}):
        assert confirm(**wrong).status_code == 401
    assert len(entries(hospital, "identity confirmed")) == 2
    assert [e.detail["reason"] for e in entries(hospital, "login failed")] == [
        "not confirmed at the identity provider",
        "not confirmed at the identity provider",
        "not confirmed at the identity provider",
        "auth_time is missing or not fresh",
        "auth_time is missing or not fresh",
        "confirmed by another person",
    ]


def test_nobody_confirms_without_a_session(hospital: Hospital, provider: Provider) -> None:
    answer = Browser(hospital).get("/login/oidc/confirm")
    assert answer.status_code == 401
    assert "log in first" in message_of(answer)


def test_log_in_page_offers_the_provider_and_passwords_can_be_switched_off(
    hospital: Hospital, provider: Provider, tmp_path: Path
) -> None:
    assert "Log in with Hospital" in Browser(hospital).get("/login").text
    use(hospital, settings_of(provider, tmp_path / "client.secret", only=True, break_in=("otto",)))
    for username, status in (("ada", 401), ("otto", 303)):
        browser = Browser(hospital)
        page = browser.get("/login").text
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        fields |= {"username": username, "password": seed.PASSWORD}
        assert browser.post("/login", data=fields).status_code == status
    assert entries(hospital, "login failed")[-1].detail["reason"] == "log-in by password is off"


def test_without_a_provider_there_is_no_such_door(hospital: Hospital) -> None:
    assert "sign-on" not in Browser(hospital).get("/login").text
    assert Browser(hospital).get("/login/oidc").status_code == 404
