"""The operations view in a real browser: what is stuck is seen, and an alert is acknowledged.

Not covered: choosing a line of a table, which Streamlit draws on a canvas (the services cover the act).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from app.domain.alert import AlertKind
from app.services.alerts import raise_alert
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House
from tests.ui import seed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.covers("R1")
def test_admin_sees_a_silent_source_and_acknowledges_it(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    with house.store.begin() as tx:
        raise_alert(tx, AlertKind.SOURCE_SILENT, "CT1", "no association for 3 h", now=seed.now_utc())
    adam = reader_of("adam")
    adam.page.goto(f"{house.room.url}/?view=operations")
    expect(adam.page.get_by_role("tab", name="Alerts (1)")).to_be_visible(timeout=60_000)
    expect(adam.page.get_by_text("no association for 3 h")).to_be_visible()
    adam.page.get_by_role("button", name="Acknowledge").click()
    expect(adam.page.get_by_text("Seen by adam")).to_be_visible(timeout=60_000)
    adam.page.get_by_role("tab", name="System").click()
    expect(adam.page.get_by_text("Processes", exact=True)).to_be_visible()
