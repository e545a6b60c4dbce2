"""Single sign-on over HTTP with a real provider of the tests: what opens a session, and what does not.

Not covered here: a real browser between both (`tests/e2e/test_sign_on.py`); Keycloak and other products.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from httpx import Response

from app.domain.access import Role, service_actor
from app.domain.audit import AuditEntry, AuditFilter
from app.domain.errors import AuthenticationFailed, Conflict, Rejected
from app.login_settings import OidcSettings
from app.services import accounts
from app.services.openid_provider import open_provider
from app.services.reauthentication import Proof, proof_of
from app.ui.csrf import CSRF_HEADER, SESSION_COOKIE, csrf_token
from tests.ui import seed
from tests.ui.conftest import Browser, Hospital
from tests.ui.provider import ADA, CLIENT_ID, SECRET, Provider, open_provider_server

ROLES = {"chiefs": Role.ATTENDING, "radiologists": Role.RESIDENT}


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with open_provider_server() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider, hospital: Hospital, tmp_path: Path) -> Provider:
    """A provider that the hospital's reading room asks, as new."""
    server.__init__(server.issuer, key=server.key)  # type: ignore[misc]
    secret = tmp_path / "client.secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    use(hospital, settings_of(server, secret))
    return server


def settings_of(server: Provider, secret: Path, **changes: Any) -> OidcSettings:
    return OidcSettings(
        name="Hospital", issuer=server.issuer, client_id=CLIENT_ID, client_secret_file=secret, roles=ROLES,
        **changes,
    )  # fmt: skip


def use(hospital: Hospital, settings: OidcSettings) -> None:
    hospital.room = replace(
        hospital.room,
        provider=open_provider(settings),
        settings=hospital.room.settings.model_copy(update={"oidc": settings}),
    )


def leave(browser: Browser, path: str = "/login/oidc") -> str:
    """Go to the provider; return the address there."""
    answer = browser.get(path)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def come_back(browser: Browser, address: str, granted: str, **query: str) -> Response:
    state = dict(parse_qsl(urlsplit(address).query))["state"]
    return browser.get("/login/oidc/callback", params={"code": granted, "state": state} | query)


def log_in(hospital: Hospital, provider: Provider, **claims: Any) -> tuple[Browser, Response]:
    browser = Browser(hospital)
    address = leave(browser)
    return browser, come_back(browser, address, provider.grant(address, **claims))


def message_of(answer: Response) -> str:
    found = re.search(r'id="message">([^<]*)<', answer.text)
    return found[1] if found else ""


def entries(hospital: Hospital, event: str) -> list[AuditEntry]:
    with hospital.store.begin() as tx:
        return [entry for entry in tx.audit.stream(AuditFilter()) if entry.event == event]


def is_live(hospital: Hospital, browser: Browser) -> bool:
    try:
        accounts.resume_session(
            hospital.store,
            browser.cookies[SESSION_COOKIE],
            source="127.0.0.1",
            idle=hospital.room.idle,
            now=datetime.now(UTC),
        )
    except AuthenticationFailed:
        return False
    return True


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
