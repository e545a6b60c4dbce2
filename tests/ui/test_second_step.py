"""The second step of a log-in over plain HTTP: what the password opens alone, and what the code opens."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pyotp
import pytest
from httpx import Response

from app.domain.access import Role
from app.ui.csrf import SESSION_COOKIE, STEP_COOKIE
from tests.ui import seed
from tests.ui.conftest import Browser, Hospital


@pytest.fixture
def strict(hospital: Hospital) -> Hospital:
    """A hospital whose attendings need a second factor."""
    from dataclasses import replace

    settings = hospital.room.settings.model_copy(update={"totp_roles": (Role.ATTENDING,)})
    hospital.room = replace(hospital.room, settings=settings)
    return hospital


def fields_of(answer: Response) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text))


def type_password(browser: Browser, username: str = "ada") -> Response:
    fields = fields_of(browser.get("/login", params={"to": "/?view=quality"}))
    return browser.post("/login", data=fields | {"username": username, "password": seed.PASSWORD})


def type_code(browser: Browser, code: str) -> Response:
    return browser.post("/login/code", data=fields_of(browser.get("/login/code")) | {"code": code})


@pytest.mark.covers("T34")
def test_role_that_needs_it_sets_it_up_at_log_in_and_uses_it_from_then_on(strict: Hospital) -> None:
    browser = Browser(strict)
    answer = type_password(browser)
    assert answer.headers["location"].startswith("/login/code")
    assert SESSION_COOKIE not in browser.cookies
    page = browser.get(answer.headers["location"])
    assert "<svg" in page.text
    secret = re.search(r"<code>([A-Z2-7]{32})</code>", page.text)
    assert secret
    code = pyotp.TOTP(secret[1]).at(datetime.now(UTC))
    assert type_code(browser, "12345").status_code == 401
    answer = type_code(browser, code)
    assert answer.status_code == 200
    codes = re.findall(r"<li>([a-z0-9-]{14})</li>", answer.text)
    assert len(codes) == 10
    assert SESSION_COOKIE in browser.cookies
    assert STEP_COOKIE not in browser.cookies

    again = Browser(strict)
    page = again.get(type_password(again).headers["location"])
    assert "<svg" not in page.text
    assert type_code(again, code).status_code == 401, "the code that proved the device was used"
    answer = again.post("/login/code", data=fields_of(page) | {"code": codes[0]})
    assert answer.status_code == 403, "every page has a token of its own"
    assert type_code(again, codes[0]).status_code == 303
    assert SESSION_COOKIE in again.cookies


def test_other_roles_log_in_as_before(strict: Hospital) -> None:
    browser = Browser(strict)
    assert type_password(browser, "vera").headers["location"] == "/?view=quality"
    assert SESSION_COOKIE in browser.cookies


def test_second_step_without_the_first_opens_nothing(strict: Hospital) -> None:
    browser = Browser(strict)
    assert browser.get("/login/code").status_code == 401
    fields = fields_of(browser.get("/login"))
    assert browser.post("/login/code", data=fields | {"code": "123456"}).status_code == 401
    browser.cookies.set(STEP_COOKIE, "forged", domain="127.0.0.1")
    assert browser.get("/login/code").status_code == 401
    assert browser.post("/login/code", data={"code": "123456"}).status_code == 403
