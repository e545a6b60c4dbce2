"""Addendum and correction in a real browser: dialogs stay open after a refusal and keep what was typed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from app.domain.report import ReportState
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House
from tests.ui.seed import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def sign_all(ada: Reader, study: str) -> None:
    """Accept every sentence of a chest's draft and sign it."""
    ada.open_study(study)
    ada.choose("ai-1")
    for _ in range(5):
        ada.press("a")
    expect(ada.page.locator(".banners")).to_contain_text("REVIEWED")
    ada.wait_until_saved()
    ada.press("s")
    ada.sign(PASSWORD)
    expect(ada.page.locator(".banners")).to_contain_text("SIGNED")


def open_dialog(ada: Reader, button: str) -> Locator:
    ada.page.get_by_role("button", name=button).click()
    dialog = ada.page.get_by_role("dialog")
    dialog.wait_for()
    return dialog


def sign_again_over_warnings(dialog: Locator, button: str) -> None:
    """Sign, read the warnings, and sign the same text again: that confirms them."""
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_role("button", name=button).click()
    expect(dialog).to_contain_text("sign again to confirm these warnings")
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_role("button", name=button).click()


@pytest.mark.covers("S3", "S4", "T27", "U8")
def test_attending_adds_and_corrects_in_the_browser(house: House, reader_of: Callable[[str], Reader]) -> None:
    study, ada = house.chest("amend"), reader_of("ada")
    sign_all(ada, study)

    dialog = open_dialog(ada, "Addendum ...")
    dialog.get_by_label("Addendum").fill('Compared with 2020 <img src=x onerror="window.broken = true">.')
    dialog.get_by_label("Your password").fill("not the password")
    dialog.get_by_role("button", name="Sign the addendum").click()
    expect(dialog).to_contain_text("Nothing was signed")
    assert house.report_of(study).state is ReportState.SIGNED
    expect(dialog.get_by_label("Addendum")).to_have_value(
        'Compared with 2020 <img src=x onerror="window.broken = true">.'
    )
    sign_again_over_warnings(dialog, "Sign the addendum")  # "compared", and there is no prior
    dialog.wait_for(state="detached")
    expect(ada.page.get_by_role("heading", name="Addendum 1")).to_be_visible()
    expect(ada.page.get_by_text("Compared with 2020 <img src=x")).to_be_visible()
    assert ada.page.evaluate("window.broken") is None
    assert house.report_of(study).state is ReportState.ADDENDED

    dialog = open_dialog(ada, "Correction ...")
    dialog.get_by_label("Findings").fill("The lungs are clear.")
    dialog.get_by_label("Impression").fill("Normal chest.")
    dialog.get_by_label("Reason").fill("Wrong film.")
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign the correction").click()
    dialog.wait_for(state="detached")
    expect(ada.page.get_by_text("Correction 2 replaces the text below. Reason: Wrong film.")).to_be_visible()
    expect(ada.page.get_by_role("heading", name="Correction 2")).to_be_visible()
    assert house.report_of(study).state is ReportState.CORRECTED
    told = [event for event, _ in house.events(study) if event in {"report addended", "report corrected"}]
    assert told == ["report addended", "report corrected"]
