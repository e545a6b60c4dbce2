"""A reading day: two people and one report, kills while typing, normal studies by keyboard alone.

Covered: what is in the database after the server or the browser died in the middle of a word; how many keys a
normal study takes. Not covered here: a server that comes back while the page is open, the takeover
(`test_reading_room.py`). `JANUS_TEST_CASES=50` signs fifty studies.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from statistics import median

import pytest
from playwright.sync_api import Browser, Error, expect

from app.domain.report import Decision, Origin, ReportState
from tests.e2e.browser import CHROMIUM, CHROMIUM_OPTIONS, Reader
from tests.e2e.reading_room import House
from tests.reliability import record
from tests.ui.seed import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CASES = int(os.environ.get("JANUS_TEST_CASES", "3"))
MOST_KEYS = 5
LOST_SECONDS = 5.0
WORDS = 45
PACE_SECONDS = 0.15


def decide_everything(reader: Reader) -> None:
    """Accept every sentence, one key each."""
    reader.choose("ai-1")
    reader.press("a", "a", "a", "a", "a")
    reader.wait_until_saved()


@pytest.mark.covers("U3", "S2", "U7")
def test_resident_signs_preliminary_and_attending_changes_it_and_signs_final(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, rana, ada = house.chest("two-readers"), reader_of("rana"), reader_of("ada")
    rana.open_study(study)
    expect(ada.page.locator(f'tr[data-study="{study}"] .lock')).to_contain_text("Dr. Rana Resident")
    ada.open_study(study)
    expect(ada.page.locator(".banners")).to_contain_text("Dr. Rana Resident is editing since")
    expect(ada.page.locator(".sentence button")).to_have_count(0)

    decide_everything(rana)
    rana.press("s")
    rana.confirm_and_sign(PASSWORD)
    expect(rana.page.locator(".banners")).to_contain_text("PRELIMINARY")
    assert house.report_of(study).state is ReportState.PRELIMINARY
    rana.press("w")
    rana.page.locator(".worklist").wait_for()

    ada.press("w")
    ada.open_study(study)
    ada.choose("ai-2")
    ada.press("e")
    ada.page.keyboard.type(" It has grown.")
    ada.press("Enter")
    ada.wait_until_saved()
    rana.open_study(study)
    expect(rana.page.locator(".banners")).to_contain_text("Dr. Ada Attending is editing since")
    ada.press("s")
    ada.confirm_and_sign(PASSWORD)
    expect(ada.page.locator(".banners")).to_contain_text("SIGNED")
    expect(rana.page.locator(".banners")).to_contain_text("SIGNED")

    report = house.report_of(study)
    assert report.state is ReportState.SIGNED
    assert report.sentence("ai-2").text.endswith("It has grown.")
    assert report.sentence("ai-2").decision is Decision.EDITED
    signed = [who for event, who in house.events(study) if event == "report signed"]
    assert signed == ["rana", "ada"]


def type_until(reader: Reader, kill: Callable[[], None]) -> list[float]:
    """Type numbered words at an even pace and kill in the middle; return when each word was typed."""
    reader.choose("ai-1")
    reader.press("e")
    typed = []
    with contextlib.suppress(Error):
        for number in range(WORDS):
            reader.page.keyboard.type(f" w{number:03d}")
            typed.append(time.monotonic())
            time.sleep(PACE_SECONDS)
    kill()
    return typed


def lost_seconds(house: House, study: str, typed: list[float], killed: float) -> float:
    """How much typing before the kill is not in the database."""
    text = house.report_of(study).sentence("ai-1").text
    missing = [at for number, at in enumerate(typed) if f"w{number:03d}" not in text]
    return killed - min(missing) if missing else 0.0


@pytest.mark.covers("U4")
def test_what_was_typed_until_five_seconds_before_a_kill_of_the_server_is_in_the_database(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("server-killed"), reader_of("ada")
    ada.open_study(study)
    typed = type_until(ada, house.room.kill)
    killed = time.monotonic()
    lost = lost_seconds(house, study, typed, killed)
    house.room.start()
    ada.wait_until_saved()
    assert lost_seconds(house, study, typed, killed) == 0.0, "the page that lives on loses nothing"
    record(
        "typing_server_killed",
        f"{WORDS} words typed at an even pace, then `kill -9` of the web server",
        f"{lost:.1f} s of typing were not in the database at the kill; none once the server was back",
        figures={"lost_seconds": lost},
    )
    assert len(typed) == WORDS
    assert lost <= LOST_SECONDS


@pytest.mark.covers("U4")
def test_what_was_typed_until_five_seconds_before_a_crash_of_the_browser_is_there_for_the_same_reader(
    house: House, reader_of: Callable[[str], Reader], chromium: Browser
) -> None:
    study = house.chest("browser-killed")
    mortal = chromium.browser_type.launch(executable_path=str(CHROMIUM), args=CHROMIUM_OPTIONS)
    ada = Reader(mortal, house.room.url, "ada")
    ada.open_study(study)

    def crash() -> None:
        with contextlib.suppress(Error):
            mortal.new_browser_cdp_session().send("Browser.crash")

    typed = type_until(ada, crash)
    killed = time.monotonic()
    lost = lost_seconds(house, study, typed, killed)
    record(
        "typing_browser_killed",
        f"{WORDS} words typed at an even pace, then the browser's process crashes",
        f"{lost:.1f} s of typing were lost",
        figures={"lost_seconds": lost},
    )
    assert not mortal.is_connected()
    assert lost <= LOST_SECONDS
    again = reader_of("ada")
    again.open_study(study)
    expect(again.page.locator(".banners")).not_to_contain_text("is editing since")
    expect(again.sentence("ai-1").locator(".text")).to_contain_text(f"w{WORDS // 2:03d}")
    expect(again.sentence("ai-1").locator("button")).to_have_count(3)


@pytest.mark.covers("U5")
def test_normal_studies_are_read_and_signed_by_keyboard_alone(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    """Every key is counted but those of the password, which each signature asks for anew."""
    studies = [house.normal(f"normal-{n}", "CT_small.dcm", requested_priority="STAT") for n in range(CASES)]
    ada = reader_of("ada")
    ada.page.locator("tr[data-study]").nth(CASES - 1).wait_for()
    keys, seconds = [], []
    for _ in studies:
        began, count = time.monotonic(), ada.pressed
        ada.read_normal(PASSWORD)
        keys.append(ada.pressed - count)
        seconds.append(time.monotonic() - began)
    reports = [house.report_of(study) for study in studies]
    record(
        "normal_studies_by_keyboard" if CASES >= 50 else "normal_studies_by_keyboard_quick",
        f"{CASES} normal studies opened, read (four sentences), signed by keyboard alone",
        f"{max(keys)} keys at most beside the password, the one to the next case included; "
        f"{median(seconds):.1f} s each in the median of a script that does not read",
        figures={"keys": max(keys), "seconds": median(seconds)},
    )
    assert [report.state for report in reports] == [ReportState.SIGNED] * CASES
    ai = [s for report in reports for s in report.sentences if s.origin is Origin.AI]
    assert {s.decision for s in ai} == {Decision.ACCEPTED}
    assert max(keys) <= MOST_KEYS
    accepted = [event for event, _ in house.events(studies[0]) if event == "sentence accepted"]
    assert len(accepted) == 4, "each sentence is on record for itself"


@pytest.mark.covers("U7")
def test_one_key_never_accepts_what_is_present_undecided_or_unsure(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("not-normal"), reader_of("ada")
    ada.open_study(study)
    ada.press("A", "A", "A")
    ada.wait_until_saved()
    ai = [s for s in house.report_of(study).sentences if s.origin is Origin.AI]
    decisions = {s.key: s.decision for s in ai}
    untouched = {key for key, decision in decisions.items() if decision is Decision.UNTOUCHED}
    # the third and fourth deny what the model calls absent; the others say that something is there
    assert untouched == {"ai-1", "ai-2", "ai-5"}
