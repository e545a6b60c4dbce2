"""Word of changes and the list anew: for who is logged in, without a patient in it, without a longer session.

Not covered: what the page makes of it (`tests/e2e/test_worklist.py`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.errors import TooManyRequests
from app.services import reading
from app.store.change_feed import ChangeFeed
from app.ui.changes import MOST_OF_A_SESSION, Changes
from app.ui.routes import worklist as routes
from tests.ui.conftest import Browser, Hospital

CHANGES, PAGE = "/api/worklist/changes", "/api/worklist/page"


@pytest.fixture
def changes(hospital: Hospital) -> Any:
    """Word of changes that ends with the test."""
    told = Changes(hospital.store.conninfo)
    yield told
    told.close()


@pytest.mark.covers("U2")
def test_draft_wakes_who_waits(hospital: Hospital, changes: Changes) -> None:
    async def wait() -> tuple[int, int, bool]:
        first, _ = await changes.after(0, session_id=1, seconds=30)
        while not changes._feed.listens:
            await asyncio.sleep(0.05)
        known = changes._feed.count
        waiting = asyncio.create_task(changes.after(known, session_id=1, seconds=30))
        await asyncio.to_thread(hospital.chest)
        second, heard = await waiting
        return max(first, known), second, heard

    before, after, heard = asyncio.run(wait())
    assert after > before
    assert heard


def test_nothing_is_told_when_nothing_changes(hospital: Hospital, changes: Changes) -> None:
    async def wait() -> tuple[int, int]:
        await changes.after(0, session_id=1, seconds=30)
        known = changes._feed.count
        return known, (await changes.after(known, session_id=1, seconds=0.5))[0]

    before, after = asyncio.run(wait())
    assert before == after


@pytest.mark.covers("U2")
def test_listening_goes_on_after_somebody_could_not_be_told(hospital: Hospital) -> None:
    told: list[int] = []
    twice = threading.Event()

    def tell(count: int) -> None:
        told.append(count)
        if len(told) == 1:
            raise RuntimeError("Event loop is closed")
        twice.set()

    feed = ChangeFeed(hospital.store.conninfo, tell)
    feed.start()
    try:
        assert twice.wait(30)
        assert feed.listens
    finally:
        feed.close()
    assert told == [1, 2]
    assert not feed.listens


def test_a_session_waits_in_a_few_windows_only(changes: Changes) -> None:
    async def wait() -> list[object]:
        await changes.after(0, session_id=7, seconds=30)
        known = changes._feed.count
        many = [changes.after(known, session_id=1, seconds=1.0) for _ in range(MOST_OF_A_SESSION + 1)]
        return list(await asyncio.gather(*many, return_exceptions=True))

    answers = asyncio.run(wait())
    assert [type(one) for one in answers].count(TooManyRequests) == 1


@pytest.mark.covers("T36")
def test_only_who_is_logged_in_and_may_list_hears_of_changes(
    stranger: Browser, browser_of: Callable[[str], Browser]
) -> None:
    assert stranger.get(CHANGES).status_code == 401
    assert browser_of("aud").get(CHANGES).status_code == 403


def test_answer_says_that_something_changed_and_never_what(
    hospital: Hospital, browser_of: Callable[[str], Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "WAIT_SECONDS", 0.5)
    try:
        answer = browser_of("ada").get(CHANGES).json()
        assert set(answer) == {"count", "heard"}
    finally:
        hospital.room.changes.close()


@pytest.mark.covers("T36")
def test_list_that_asks_by_itself_keeps_no_session_alive(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    hospital.chest()
    browser = browser_of("ada")
    page = browser.post(PAGE, json={"query": {"limit": 50, "modality": "CR"}, "zone": "Asia/Tokyo"})
    assert page.json()["total"] == 1
    before = _last_seen(hospital)
    assert browser.post(PAGE, json={"query": {}}).status_code == 200
    assert _last_seen(hospital) == before


@pytest.mark.parametrize("asked", [{}, {"query": {"sort": "x"}}, {"query": {}, "zone": "no/where"}])
def test_senseless_questions_are_refused(
    browser_of: Callable[[str], Browser], asked: dict[str, object]
) -> None:
    assert browser_of("ada").post(PAGE, json=asked).status_code == 422


def _last_seen(hospital: Hospital) -> datetime:
    from sqlalchemy import text

    with hospital.store.begin() as tx:
        seen = tx.session.execute(text("SELECT max(last_seen_at) FROM sessions")).scalar_one()
        assert isinstance(seen, datetime)
        return seen


@pytest.mark.covers("U3")
def test_open_editor_hears_of_a_takeover_while_it_waits(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    study, at = hospital.chest().study_uid, datetime.now(UTC)
    ada, otto = (hospital.log_in(name)[1] for name in ("ada", "otto"))
    report = reading.open_study(hospital.store, ada, study, now=at).report
    assert report is not None
    browser = browser_of("ada")
    path = f"/api/reports/{report.report_id}/pen"
    try:
        first = browser.get(path).json()
        assert first["pen"] == {"owner": "Dr. Ada Attending", "since": at.isoformat(), "mine": True}
        while not (known := browser.get(path).json())["heard"]:
            pass
        with ThreadPoolExecutor(1) as pool:
            told = pool.submit(browser.get, path, params={"since": known["count"]})
            while not hospital.room.changes._waiting:
                assert not told.done()
            reading.take_over(hospital.store, otto, report.report_id, from_user="ada", now=at)
            answer = told.result(60).json()
        assert (answer["pen"]["owner"], answer["pen"]["mine"]) == ("Dr. Otto Attending", False)
        # who has no pen any more is not kept waiting
        assert browser.get(path, params={"since": answer["count"]}).json()["pen"] == answer["pen"]
    finally:
        hospital.room.changes.close()


@pytest.mark.covers("U3", "T36")
def test_pen_is_shown_to_readers_alone_and_keeps_no_session_alive(
    hospital: Hospital, stranger: Browser, browser_of: Callable[[str], Browser]
) -> None:
    study, at = hospital.chest().study_uid, datetime.now(UTC)
    report = reading.open_study(hospital.store, hospital.log_in("ada")[1], study, now=at).report
    assert report is not None
    path = f"/api/reports/{report.report_id}/pen"
    assert stranger.get(path).status_code == 401
    assert browser_of("aud").get(path).status_code == 403
    browser = browser_of("vera")
    try:
        before = _last_seen(hospital)
        assert browser.get(path).json()["pen"]["mine"] is False
        assert browser.get("/api/reports/999/pen").status_code == 404
        assert browser.get(path, params={"since": "x"}).status_code == 422
        assert _last_seen(hospital) == before
    finally:
        hospital.room.changes.close()
