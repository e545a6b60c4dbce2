"""Rules of accessibility (WCAG 2.2 AA, and what axe advises): no view, dialog or log-in page breaks one.

The views come from `frame.places()`, so a new one cannot be forgotten. Not covered here: what no rule sees;
for keyboard, sizes and light see `test_access_screens.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from app.domain.access import PERMISSIONS, Actor, Role
from app.domain.critical import Category
from app.services import critical
from app.ui.views.frame import places
from tests.e2e.axe import breaches
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House
from tests.ui import seed
from tests.ui.quality_seed import spend_times

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LANGUAGES = ("en", "de", "es", "zh")


@pytest.fixture(scope="module")
def study(house: House) -> str:
    """A study with a draft, and with a critical result that is open; sections with times on the board."""
    spend_times(house.store, [house.chest(f"timed {n}") for n in range(6)], at=seed.now_utc())
    study = house.chest("rules", accession_number="A-1", requested_priority="STAT")
    finding, now = "Tension pneumothorax", seed.now_utc()
    ada = Actor("ada", "Dr. Ada Attending", Role.ATTENDING, "127.0.0.1")
    critical.open_loop(house.store, ada, study, finding, Category.MINUTES, now=now)
    return study


def test_log_in_pages_break_no_rule(house: House, chromium: Browser) -> None:
    reader = Reader(chromium, house.room.url, "", log_in=False)
    for address in ("/login", "/login?why=idle"):
        reader.page.goto(house.room.url + address)
        assert breaches(reader.page) == []
    reader.page.fill("#username", "ada")
    reader.page.fill("#password", "wrong")
    reader.press("Enter")
    expect(reader.page.get_by_role("alert")).to_be_visible()
    assert breaches(reader.page) == []
    reader.close()


@pytest.mark.parametrize("username", seed.PEOPLE)
def test_no_view_breaks_a_rule(
    username: str, study: str, house: House, reader_of: Callable[[str], Reader]
) -> None:
    """Each view once, by the first role that may see it, and in another language than the one before."""
    role = seed.PEOPLE[username][1]
    found = {}
    names = [name for name in places() if _first_with(name) is role]
    if not names:
        return
    reader = reader_of(username)
    for name in names:
        language = LANGUAGES[list(places()).index(name) % len(LANGUAGES)]
        speak(reader, language)
        show(reader.page, f"{house.room.url}/?{urlencode({'view': name, 'study': study})}")
        found[name, language] = breaches(reader.page)
    assert {place: broken for place, broken in found.items() if broken} == {}


def test_no_dialog_breaks_a_rule(study: str, house: House, reader_of: Callable[[str], Reader]) -> None:
    ada, otto = reader_of("ada"), reader_of("otto")
    found = {}
    for reader in (ada, otto):
        speak(reader, "en")
    ada.open_study(study)
    ada.press("?")
    found["keys"] = breaches(ada.page)
    ada.press("Escape", "c")
    found["critical"] = of_dialog(ada)
    otto.open_study(study)
    otto.page.get_by_role("button", name="Take over").first.click()
    found["takeover"] = of_dialog(otto)
    for key in ("ai-1", "ai-2", "ai-3", "ai-4", "ai-5"):
        ada.choose(key)
        ada.press("a")
    ada.wait_until_saved()
    ada.press("s")
    expect(ada.page.get_by_role("dialog").get_by_label("Your password")).to_be_visible()
    found["sign"] = of_dialog(ada, leave=False)
    ada.sign(seed.PASSWORD)
    expect(ada.page.locator(".banners")).to_contain_text("SIGNED")
    for name in ("Addendum ...", "Correction ...", "Withdraw this report ..."):
        ada.page.get_by_role("button", name=name).click()
        found[name] = of_dialog(ada)
    assert {place: broken for place, broken in found.items() if broken} == {}


def of_dialog(reader: Reader, *, leave: bool = True) -> list[str]:
    """Return what breaks a rule while a dialog is open; close it."""
    reader.page.get_by_role("dialog").get_by_role("button").last.wait_for()
    settle(reader.page)
    broken = breaches(reader.page)
    if leave:
        reader.press("Escape")
        reader.page.get_by_role("dialog").wait_for(state="detached")
    return broken


def show(page: Page, address: str) -> None:
    """Go to a view, and wait until its script has run and its components are there."""
    page.goto(address)
    page.wait_for_selector(".head .user strong")
    settle(page)


def settle(page: Page) -> None:
    """Wait until the script of the page rests, and what it showed has its size."""
    page.wait_for_selector('.stApp[data-test-script-state="notRunning"]')
    page.evaluate("() => document.fonts.ready.then(() => undefined)")
    page.wait_for_timeout(400)


def speak(reader: Reader, language: str) -> None:
    """Choose a language in the head of the page."""
    reader.page.locator(".head select").select_option(language)
    expect(reader.page.locator("html")).to_have_attribute("lang", language)
    settle(reader.page)


def _first_with(name: str) -> Role:
    action = places()[name].action
    return next(role for _, role in seed.PEOPLE.values() if action in PERMISSIONS[role])
