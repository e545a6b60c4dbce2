"""One's own account, and what is asked before a signature, run without a browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from app.domain.account import User
from app.domain.one_time import make_secret
from app.services import second_factor
from tests.ui import seed
from tests.ui.conftest import Hospital
from tests.ui.test_views import Page, page_of

__all__ = ["page_of"]


def give_factor(hospital: Hospital, username: str) -> str:
    """Give a person a second factor a minute ago; return its secret."""
    secret, then = make_secret(), datetime.now(UTC) - timedelta(minutes=2)
    _, actor = hospital.log_in(username)
    code = pyotp.TOTP(secret).at(then)
    second_factor.enrol(hospital.store, actor, secret, password=seed.PASSWORD, code=code, now=then)
    return secret


def holder_count(hospital: Hospital) -> int:
    with hospital.store.begin() as tx:
        return len(tx.factors.holders())


@pytest.mark.covers("T34")
def test_person_sets_up_a_second_factor_with_password_and_code(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    page = page_of("ada").open(view="account")
    secret = next(c.value for c in page._app.code if len(c.value) == 32)
    for password, code in (("wrong", pyotp.TOTP(secret).now()), (seed.PASSWORD, "12")):
        page._app.text_input(key="enrol_password").input(password)
        page._app.text_input(key="enrol_code").input(code)
        page.press("Use this second factor")
        assert "Not set up" in page.texts
        assert holder_count(hospital) == 0
    page._app.text_input(key="enrol_password").input(seed.PASSWORD)
    page._app.text_input(key="enrol_code").input(pyotp.TOTP(secret).now())
    page.press("Use this second factor")
    assert not page._app.exception
    assert holder_count(hospital) == 1
    assert len(page._app.code[0].value.split()) == 10
    assert secret not in str([c.value for c in page._app.code])
    page.open(view="account")
    assert not page._app.code, "recovery codes are shown once"
    assert any("one-time password" in note for note in page.notes)


def test_person_of_a_provider_is_sent_there(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    with hospital.store.begin() as tx:
        user: User = tx.users.add(
            username="ada.l",
            printed_name="Ada",
            role=seed.PEOPLE["ada"][1],
            password_hash="",
            now=datetime.now(UTC),
            identity=("https://sso.example", "1"),
        )
    assert not user.is_local
    page = page_of("ada.l").open(view="account")
    assert any("identity provider" in note for note in page.notes)
    assert not page._app.text_input


def test_administrator_resets_a_second_factor(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    give_factor(hospital, "ada")
    page = page_of("adam").open(view="users")
    page.press("Reset second factor")
    assert not page._app.exception
    assert holder_count(hospital) == 0
    assert ("second factor removed", "success", "adam") in hospital.events()


@pytest.mark.covers("T36")
def test_other_sessions_are_ended_from_the_account(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    hospital.log_in("ada")
    page = page_of("ada").open(view="account")
    page.press("End my other sessions")
    assert "1 sessions ended" in page.texts
