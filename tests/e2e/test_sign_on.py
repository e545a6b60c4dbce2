"""Single sign-on in a real browser, with a provider that is not ours (oidc-provider-mock) in between.

The mock names no time of authentication and knows no `prompt`: the confirmation before a signature is covered
in `tests/ui/test_sign_on.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Browser, expect

from app.domain.access import Role
from app.login_settings import OidcSettings
from tests.e2e.browser import PATIENCE_MS
from tests.e2e.reading_room import House, open_house

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PEOPLE = (
    User(sub="0815", claims={"preferred_username": "grace", "name": "Dr. Grace H", "groups": ["readers"]}),
    User(sub="4711", claims={"preferred_username": "cook", "name": "A. Cook", "groups": ["kitchen"]}),
)


@pytest.fixture(scope="module")
def signed_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A reading room whose log-in page leads to a provider."""
    folder = tmp_path_factory.mktemp("sign_on")
    secret = folder / "client.secret"
    secret.write_text("anything")
    secret.chmod(0o600)
    with run_server_in_thread(user_claims=PEOPLE) as server:
        oidc = OidcSettings(
            name="Hospital",
            issuer=f"http://localhost:{server.server_port}",
            client_id="reading-room",
            client_secret_file=secret,
            roles={"readers": Role.ATTENDING},
        )
        with open_house(folder / "ui.log", oidc=oidc) as house:
            yield house


def events(house: House) -> list[tuple[str, str]]:
    from app.domain.audit import AuditFilter

    with house.store.begin() as tx:
        return [(e.event, json.dumps(dict(e.detail))) for e in tx.audit.stream(AuditFilter())]


@pytest.mark.covers("C2", "T36")
def test_log_in_through_the_provider_and_log_out_ends_both_tabs(signed_on: House, chromium: Browser) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if "Content Security Policy" in m.text else None)
    page.goto(f"{signed_on.room.url}/?view=quality")
    page.get_by_role("link", name="Log in with Hospital").click()
    page.get_by_role("button", name="0815").click()
    page.wait_for_selector(".head")
    assert "view=quality" in page.url
    expect(page.locator(".head")).to_contain_text("Dr. Grace H")
    second = context.new_page()
    second.goto(signed_on.room.url)
    second.wait_for_selector(".head")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("http://localhost:*/**")
    second.get_by_role("button", name="Account").click()
    expect(second.get_by_text("Your session has ended.")).to_be_visible()
    second.goto(signed_on.room.url)
    expect(second.locator("#sign-on")).to_be_visible()
    context.close()
    names = [event for event, _ in events(signed_on)]
    assert [name for name in names if name in {"user added", "login", "logout"}] == [
        "user added",
        "login",
        "logout",
    ]
    assert problems == []


@pytest.mark.covers("C2")
def test_person_without_a_role_is_told_so(signed_on: House, chromium: Browser) -> None:
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(signed_on.room.url)
    page.locator("#sign-on").click()
    page.get_by_role("button", name="4711").click()
    expect(page.locator("#message")).to_contain_text("None of your groups has a role")
    context.close()
    assert events(signed_on)[-1] == (
        "login failed",
        json.dumps({"reason": "no group has a role", "purpose": "single sign-on"}),
    )
