"""Checks and changes in a real browser: the panel follows the text, keys lead through it, no stop is skipped.

Not covered here: what is found (`tests/unit/checks`), the dialog's logic (`tests/ui/test_checks_view.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from app.domain.report import ReportState
from tests.e2e.axe import breaches
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House
from tests.e2e.test_access_rules import settle
from tests.ui.seed import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.covers("U5", "U7", "U8")
def test_stops_and_warnings_are_seen_while_writing_and_answered_by_keys(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("checks"), reader_of("ada")
    ada.open_study(study)
    panel = ada.page.locator(".checks")
    stops = panel.locator('li[data-stop="true"]')
    expect(panel).to_contain_text("1 stop(s)")
    expect(stops).to_contain_text("5 left")

    ada.choose("ai-1")
    ada.press("e")
    expect(ada.page.locator("textarea.field")).to_have_attribute("lang", "en")
    expect(ada.page.locator("textarea.field")).to_have_attribute("spellcheck", "")
    ada.page.keyboard.type(" The prostate measures 14 [size].")
    ada.press("Enter")
    expect(panel.locator('li[data-code="placeholder"]')).to_contain_text("not filled in")
    ada.choose("ai-4")
    panel.locator('li[data-code="placeholder"] button').click()
    expect(ada.sentence("ai-1")).to_have_attribute("aria-current", "true")
    ada.press("j", "a", "a", "a", "a")
    ada.wait_until_saved()
    expect(panel).to_contain_text("1 stop(s)")
    ada.press("s")
    dialog = ada.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cannot be signed yet")
    expect(dialog.get_by_label("Your password")).to_have_count(0)
    ada.press("Escape")
    dialog.wait_for(state="detached")

    ada.choose("ai-1")
    ada.press("e")
    for _ in range(len(" [size].")):
        ada.press("Backspace")
    ada.press("Enter")
    expect(panel).to_contain_text("0 stop(s), 2 warning(s)")

    ada.press("d")
    changes = ada.page.locator("dialog.changes")
    expect(changes.locator('li[data-fate="edited"] ins')).to_contain_text("The prostate measures 14")
    expect(changes.locator('li[data-fate="accepted"]')).to_have_count(4)
    assert breaches(ada.page) == []
    ada.press("a")  # keys belong to the dialog while it is open
    ada.press("Escape")
    expect(changes).to_be_hidden()

    ada.press("s")
    confirm = dialog.get_by_role("button", name="Confirm 2 warning(s)")
    expect(confirm).to_be_visible()
    settle(ada.page)
    assert breaches(ada.page) == []
    expect(dialog.get_by_label("Your password")).to_have_count(0)
    ada.press("w")
    expect(dialog.get_by_label("Your password")).to_be_focused()
    ada.page.keyboard.type(PASSWORD)
    ada.press("Enter")
    expect(ada.page.locator(".banners")).to_contain_text("SIGNED")
    assert house.report_of(study).state is ReportState.SIGNED
    expect(panel).to_be_hidden()
    ada.press("d")
    expect(changes.locator('li[data-fate="edited"] del')).to_have_count(0)
    expect(changes.locator('li[data-fate="edited"] ins')).to_contain_text("The prostate measures 14")
