"""The worklist in a browser: what is urgent moves up by itself, and the chosen case stays chosen.

Not covered: speed (`bench/worklist.py`, `bench/readers.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import Reader
from tests.e2e.reading_room import House, open_house
from tests.ui import seed

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path / "room.log") as house:
        yield house


@pytest.mark.covers("U1", "U2", "U3")
def test_critical_flag_moves_a_study_up_while_another_stays_chosen(house: House, chromium: Browser) -> None:
    house.normal("first")
    chosen = house.normal("second")
    reader = Reader(chromium, house.room.url, "ada")
    page = reader.page
    rows = page.locator(".worklist tbody tr[data-study]")
    expect(rows).to_have_count(2)
    page.keyboard.press("j")
    expect(page.locator(f'tr[data-study="{chosen}"][aria-current]')).to_be_focused()
    page.evaluate("window.notReloaded = true")

    received = house.send("third", "RG1_UNCR.dcm")
    urgent = received.study_uid
    finding = {"name": "Pneumothorax", "probability": 0.9, "decision": "present", "region": None}
    draft = replace(seed.normal_draft(), findings=({**finding, "attention": None},))
    seed.record(house.store, received, draft, now=seed.now_utc())

    expect(rows.first).to_have_attribute("data-study", urgent)
    expect(rows.first.locator(".priority")).to_have_text("AI: possible pneumothorax")
    expect(page.locator(f'tr[data-study="{chosen}"][aria-current]')).to_be_focused()
    assert page.evaluate("window.notReloaded") is True

    # another reader takes it: the list says who, the next case is another one
    other = Reader(chromium, house.room.url, "otto")
    other.page.locator(".worklist").wait_for()
    other.page.keyboard.press("N")
    other.page.locator(".steps").wait_for()
    expect(rows.first.locator(".lock")).to_contain_text("Otto")
    page.keyboard.press("N")
    page.locator(".steps").wait_for()
    assert urgent not in page.url
    assert reader.problems == other.problems == []
