"""The steps of a single sign-on: to the provider, back, and what is left of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from httpx import Response

from app.domain.access import Role
from app.domain.audit import AuditEntry, AuditFilter
from app.domain.errors import AuthenticationFailed
from app.login_settings import OidcSettings
from app.services import accounts
from app.services.openid_provider import open_provider
from app.ui.csrf import SESSION_COOKIE
from tests.ui.conftest import Browser, Hospital
from tests.ui.provider import CLIENT_ID, SECRET, Provider, open_provider_server

ROLES = {"chiefs": Role.ATTENDING, "radiologists": Role.RESIDENT}


@pytest.fixture(scope="session")
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
