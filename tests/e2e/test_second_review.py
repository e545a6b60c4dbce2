"""A second review in a real browser, by keyboard alone; the case breaks no rule of axe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pydicom.data import get_testdata_file

from app.domain.access import service_actor
from app.services.second_review import draw_second_reviews, waiting_reviews
from tests.e2e.axe import breaches
from tests.e2e.beside import put_prior
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House
from tests.ui import seed
from tests.ui.quality_seed import fill_board

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.covers("R3")
def test_signed_report_is_scored_blind_by_keyboard_alone(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    now, spool = seed.now_utc(), house.room.settings.spool_dir
    film = Path(str(get_testdata_file("CT_small.dcm", download=False)))
    fill_board(house.store, spool, film, days=10, a_day=2, until=now - timedelta(days=7))
    keeper = service_actor("keep")
    with house.store.begin() as tx:
        account = tx.users.by_username("ada")
    assert account is not None
    reviewer = account.act(source="127.0.0.1")
    assert draw_second_reviews(house.store, keeper, percent=100, seed=3, now=now - timedelta(days=7)) > 2
    first = waiting_reviews(house.store, reviewer, now=now)[0].study_uid
    report = "FINDINGS\nSmall left pleural effusion.\nSigned by Dr. Otto Attending"
    earlier = put_prior(house, first, "earlier", report=report)

    ada = reader_of("ada")
    ada.page.goto(f"{house.room.url}/?view=second_review")
    ada.page.get_by_role("button", name="Next second review").wait_for()
    ada.press("n")
    ada.wait_for_image()
    case = ada.page.locator(".second-review")
    expect(case).to_contain_text("Findings")
    assert "Otto" not in ada.page.locator("body").inner_text()
    expect(ada.page.locator(".sentence")).to_have_count(0)
    assert ada.overlay_is_empty()
    ada.press("p", "h")
    expect(ada.page.locator(".is-prior .prior-banner")).to_contain_text("PRIOR of 2025-01-14")
    expect(case.locator(".earlier-report")).to_contain_text("Small left pleural effusion.")
    assert "Otto" not in ada.page.locator("body").inner_text()
    assert breaches(ada.page) == []
    assert ("prior viewed", "ada") in house.events(earlier)
    ada.press("h", "p")
    expect(case.locator(".earlier-report")).to_be_hidden()
    expect(ada.page.locator(".is-prior")).to_have_count(0)
    ada.page.goto(f"{house.room.url}/?view=review&study={first}")
    ada.page.get_by_role("button", name="Back to the second reviews").wait_for()
    assert breaches(ada.page) == []
    ada.page.get_by_role("button", name="Back to the second reviews").press("Enter")
    ada.page.get_by_role("button", name="Next second review").wait_for()
    ada.press("n")
    ada.wait_for_image()

    ada.press("y", "ArrowDown", "Control+Enter")
    expect(case.get_by_role("alert")).to_contain_text("a discrepancy is scored with a comment")
    ada.press("Tab")
    ada.page.keyboard.type("Old fracture of a rib.")
    ada.press("Control+Enter")
    ada.page.get_by_text("is scored").wait_for()
