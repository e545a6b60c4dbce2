"""From case to case by one key, with a page that is slow to follow.

Not covered: how long it takes (`bench/reading.py`), which case comes next (`tests/unit/services`).
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import Reader
from tests.e2e.reading_room import House

pytestmark = pytest.mark.slow

LATE_MS = 1500
# What Streamlit's server says arrives later, in the order in which it was sent.
SLOW_PAGE = """
const listen = WebSocket.prototype.addEventListener;
WebSocket.prototype.addEventListener = function (name, hear, ...rest) {
  const late = (event) => window.setTimeout(() => hear.call(this, event), window.lateMs ?? 0);
  return listen.call(this, name, name === "message" ? late : hear, ...rest);
};
"""


@pytest.mark.covers("U3")
def test_next_case_is_not_taken_back_by_word_that_the_pen_was_put_down(
    house: House, chromium: Browser
) -> None:
    cases = [house.normal(f"case {number}") for number in range(3)]
    ada = Reader(chromium, house.room.url, "ada", scripts=[SLOW_PAGE])
    ada.open_study(cases[0])
    viewer, seen = ada.page.locator(".viewer"), [cases[0]]
    ada.page.evaluate(f"window.lateMs = {LATE_MS}")
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    for _ in range(2):
        # the server puts the report down that is left, and its editor hears of it before the page changes
        ada.press("N")
        expect(viewer).not_to_have_attribute("data-study", seen[-1])
        seen.append(str(viewer.get_attribute("data-study")))
        ada.page.locator('.sentence[data-ai="true"]').first.wait_for()
        expect(ada.page.locator(".banners")).not_to_contain_text("TAKEN")
    assert sorted(seen) == sorted(cases), "each case once"
    assert any("/pen?since=" in url and "since=-1" not in url for url in asked)
    ada.page.evaluate("window.lateMs = 0")
    opened = [event for study in cases for event, _ in house.events(study) if event == "study opened"]
    assert len(opened) == len(cases), "none was opened twice"
    problems = ada.problems
    ada.close()
    assert problems == []
