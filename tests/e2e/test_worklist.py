"""The worklist in a browser: what is urgent moves up, the chosen case stays chosen, drafts are followed.

Not covered: speed (`bench/worklist.py`, `bench/readers.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import text

from app.domain.waiting_draft import DraftStep
from app.domain.work import draft_lock
from app.services.watch import ProcessReport, record_report
from app.store.draft_queue import DRAFT_STEP, QUEUE_WORKER, STEPS
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House
from tests.ui import seed

pytestmark = pytest.mark.slow


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


@pytest.mark.covers("U1", "P5")
def test_draft_that_is_waited_for_is_followed_without_a_reload(house: House, chromium: Browser) -> None:
    with house.store.begin() as tx:
        tx.session.execute(text("DELETE FROM procrastinate_jobs"))
    reader = Reader(chromium, house.room.url, "ada")
    waits = house.send("waits", "RG1_UNCR.dcm").study_uid
    seed.complete(house.store, now=seed.now_utc())
    state = reader.page.locator(f'tr[data-study="{waits}"] .state').first
    expect(state).to_contain_text("no worker is running")
    reader.page.evaluate("window.notReloaded = true")

    say_alive(house)
    expect(state).to_have_text("waits for draftnext")
    house.send("sooner", "RG1_UNCR.dcm", requested_priority="STAT")
    seed.complete(house.store, now=seed.now_utc())
    expect(state).to_contain_text("1 ahead")

    with house.store.begin() as tx:
        number = tx.session.scalar(text("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id"))
        held = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = :n WHERE queueing_lock = :lock"
        tx.session.execute(text(held), {"n": number, "lock": draft_lock(waits, 1)})
    say_alive(house, **{QUEUE_WORKER: number, DRAFT_STEP: STEPS.index(DraftStep.READING) + 1})
    expect(state).to_contain_text("the model reads, since")
    assert reader.page.evaluate("window.notReloaded") is True
    assert reader.problems == []


def say_alive(house: House, **gauges: float) -> None:
    """Say what a drafting worker says of itself."""
    now = seed.now_utc()
    report = ProcessReport("drafting", "test:1", now, gauges=gauges, is_news=True)
    record_report(house.store, report, now=now)


# Two pages in one document while the second is being drawn: whose key is it?
KEYS = """
async () => {
  const url = performance.getEntriesByType("resource").map(({ name }) => name)
    .find((name) => name.endsWith("/js/keys.js"));
  const { bindKeys, preferKeysOf } = await import(url);
  const heard = [];
  const owners = ["left behind", "new"].map((name) => ({ name }));
  const stops = owners.map((owner) =>
    bindKeys(owner, [{ keys: ["F13"], label: "", group: "", run: () => heard.push(owner.name) }]));
  const press = () => document.dispatchEvent(new KeyboardEvent("keydown", { key: "F13" }));
  press();
  preferKeysOf(owners[0]);
  press();
  stops.forEach((stop) => stop());
  press();
  return heard;
}
"""


def test_key_belongs_to_what_was_drawn_last(house: House, reader_of: Callable[[str], Reader]) -> None:
    ada = reader_of("ada")
    ada.page.locator(".worklist").wait_for()
    assert ada.page.evaluate(KEYS) == ["new", "left behind"]
