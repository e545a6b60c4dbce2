"""Log-in and log-out over plain HTTP: the cookie, the form's token, the end of a session everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from app.ui.csrf import CSRF_HEADER, LOGIN_COOKIE, SESSION_COOKIE
from tests.ui import seed
from tests.ui.conftest import Browser, Hospital


def fill_form(browser: Browser, **fields: str) -> dict[str, str]:
    """Open the form and return its fields with what a person types."""
    page = browser.get("/login").text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    return hidden | {"username": "ada", "password": seed.PASSWORD} | fields


def test_right_password_opens_a_session_in_a_cookie_out_of_reach_of_scripts(stranger: Browser) -> None:
    answer = stranger.post("/login", data=fill_form(stranger))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie  # no TLS in this setting


@pytest.mark.covers("A1")
def test_wrong_password_opens_nothing_and_is_recorded(hospital: Hospital, stranger: Browser) -> None:
    answer = stranger.post("/login", data=fill_form(stranger, password="not the password"))
    assert answer.status_code == 401
    assert SESSION_COOKIE not in stranger.cookies
    assert ("login failed", "failure") in [event[:2] for event in hospital.events()]


@pytest.mark.covers("T34")
def test_fifth_wrong_password_locks_the_account_against_the_right_one(stranger: Browser) -> None:
    for _ in range(5):
        assert stranger.post("/login", data=fill_form(stranger, password="wrong")).status_code == 401
    assert stranger.post("/login", data=fill_form(stranger)).status_code == 401


@pytest.mark.parametrize("change", [{"token": "0" * 64}, {"token": ""}])
def test_form_without_its_token_is_refused(stranger: Browser, change: dict[str, str]) -> None:
    assert stranger.post("/login", data=fill_form(stranger, **change)).status_code == 403
    assert SESSION_COOKIE not in stranger.cookies


def test_form_of_another_site_is_refused(stranger: Browser) -> None:
    fields = fill_form(stranger)
    answer = stranger.post("/login", data=fields, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


def test_token_of_another_form_is_refused(stranger: Browser) -> None:
    fields = fill_form(stranger)
    stranger.cookies.set(LOGIN_COOKIE, "another", domain="127.0.0.1", path="/login")
    assert stranger.post("/login", data=fields).status_code == 403


@pytest.mark.parametrize(
    ("asked", "reached"),
    [
        ("/?view=review&study=1.2.3", "/?view=review&amp;study=1.2.3"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ('/?a="><script>alert(1)</script>', "/"),
    ],
)
def test_log_in_leads_to_our_own_pages_only(stranger: Browser, asked: str, reached: str) -> None:
    page = stranger.get("/login", params={"to": asked}).text
    assert f'name="to" value="{reached}"' in page


@pytest.mark.covers("T36")
def test_log_out_ends_the_session_for_every_tab(browser_of: Callable[[str], Browser]) -> None:
    browser = browser_of("ada")
    token = browser.cookies[SESSION_COOKIE]
    assert browser.post("/logout").status_code == 204
    browser.cookies.set(SESSION_COOKIE, token, domain="127.0.0.1")  # another tab still sends it
    assert browser.get("/pixels/1.2.3").status_code == 401


def test_log_out_takes_the_token_of_the_session(browser_of: Callable[[str], Browser]) -> None:
    browser = browser_of("ada")
    browser.headers.pop(CSRF_HEADER)
    assert browser.post("/logout").status_code == 403
