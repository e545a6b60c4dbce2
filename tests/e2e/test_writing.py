"""Writing a report in a real browser: templates, open fields, macros, undo, order, a killed browser.

Not here: speech recognition itself, which no test browser has; only that the screen says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from app.domain.report import Decision, Section, compose_report
from tests.e2e.browser import PATIENCE_MS, Reader
from tests.e2e.reading_room import House
from tests.ui import seed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def undrafted(house: House, name: str, **changes: str) -> str:
    """Bring in a film without a draft."""
    received = house.send(name, "RG1_UNCR.dcm", body_part="CHEST", modality="DX", **changes)
    seed.record(house.store, received, seed.no_draft(), now=seed.now_utc())
    return received.study_uid


@pytest.mark.covers("U5", "U7")
def test_template_is_read_by_key_and_its_fields_are_filled_in_before_the_signature(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = undrafted(house, "template"), reader_of("ada")
    ada.open_study(study)
    findings = ada.page.locator('.section[data-section="findings"] .sentence')
    expect(findings).to_have_count(5)
    expect(findings.first.locator(".facts")).to_contain_text("template")
    expect(findings.first).to_have_attribute("data-unread", "true")
    technique = ada.page.locator('.section[data-section="technique"] .sentence')
    expect(technique).to_have_attribute("data-unread", "false")

    ada.press("t")
    picker = ada.page.locator("dialog.picker[open]")
    ada.page.keyboard.type("knee")
    expect(picker.locator(".option")).to_have_count(1)
    ada.press("Enter")
    expect(technique).to_contain_text("[right|left] knee")
    ada.press("g")
    ada.page.keyboard.press("2")  # the second choice
    expect(technique.locator("textarea")).to_have_value("Radiograph of the left knee, images: 1.")
    ada.press("Tab")
    joint = ada.page.locator('.section[data-section="findings"] textarea')
    expect(joint).to_have_value("Joint space: [preserved|narrowed medially|narrowed laterally].")
    expect(ada.page.locator(".choice")).to_have_count(3)
    ada.page.keyboard.press("1")
    ada.press("Tab")
    ada.page.keyboard.type("Normal knee")
    ada.press("Enter")
    ada.wait_until_saved()

    ada.press("Escape", "j")
    for _ in range(3):
        ada.press("a")
    ada.wait_until_saved()
    report = house.report_of(study)
    assert not any(sentence.is_unread for sentence in report.sentences)
    assert compose_report(report.sentences) == {
        "technique": "Radiograph of the left knee, images: 1.",
        "findings": "No fracture, no dislocation. Joint space: preserved. No joint effusion."
        " Soft tissues are unremarkable.",
        "impression": "Normal knee.",
    }


@pytest.mark.covers("U5")
def test_macro_expands_while_one_types_and_order_and_decision_are_changed_by_key(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("macro"), reader_of("ada")
    ada.open_study(study)
    ada.press("m")
    form = ada.page.locator("dialog.picker[open] form")
    form.get_by_label("Name of the macro").fill("nl")
    form.get_by_label("Text of the macro").fill("No acute finding.")
    form.get_by_label("Text of the macro").press("Enter")
    expect(ada.page.locator("dialog.picker[open] .option")).to_contain_text("No acute finding.")
    ada.press("Escape")

    ada.choose("ai-1")
    ada.press("n")
    ada.page.keyboard.type("Seen. .nl ")
    own = ada.page.locator('.section[data-section="findings"] textarea')
    expect(own).to_have_value("Seen. No acute finding. ")
    ada.press("Enter")
    ada.wait_until_saved()
    expect(ada.sentence("human-1")).to_have_attribute("aria-current", "true")
    ada.press("Alt+ArrowUp")
    findings = ada.page.locator('.section[data-section="findings"] .sentence')
    expect(findings.nth(1)).to_have_attribute("data-key", "human-1")

    ada.choose("ai-1")
    ada.press("r")
    expect(ada.sentence("ai-1")).to_have_attribute("data-decision", "REJECTED")
    ada.press("u")
    expect(ada.sentence("ai-1")).to_have_attribute("data-decision", "UNTOUCHED")
    ada.wait_until_saved()
    report = house.report_of(study)
    assert report.sentence("ai-1").decision is Decision.UNTOUCHED
    first, second, *_ = sorted(
        (s for s in report.sentences if s.section is Section.FINDINGS), key=lambda s: s.position
    )
    assert (first.key, second.text) == ("ai-1", "Seen. No acute finding.")


@pytest.mark.covers("U4")
def test_killed_browser_loses_seconds_and_the_reader_goes_on_in_the_same_text(
    house: House, chromium: Browser, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("killed browser"), reader_of("ada")
    ada.open_study(study)
    ada.choose("ai-2")
    ada.press("e")
    began = datetime.now(UTC)
    ada.page.keyboard.type(" " + "word " * 80, delay=75)  # six seconds
    # the tab's process is gone from one moment to the next: no event of leaving is ever handled
    tab = ada.page.context.new_cdp_session(ada.page)
    tab.send("Page.enable")
    try:
        tab.send("Page.crash")
    except Exception:
        assert datetime.now(UTC) - began > timedelta(seconds=5)
    kept = house.report_of(study).sentence("ai-2").text
    lost = 80 - kept.count("word")
    assert kept.count("word") > 0
    assert lost * 5 * 0.075 <= 5, f"{lost} words of 80 are lost"

    page = ada.page.context.new_page()
    page.goto(f"{house.room.url}/?view=review&study={study}")
    field = page.locator('.sentence[data-key="ai-2"] textarea')
    expect(field).to_be_focused(timeout=PATIENCE_MS)
    expect(field).to_have_value(kept)
    caret = field.evaluate("area => area.selectionStart")
    assert len(kept) - 30 <= caret <= len(kept)


@pytest.mark.covers("U5")
def test_seconds_and_edits_are_recorded_by_section_and_dictation_says_that_it_is_not_set_up(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("seconds"), reader_of("ada")
    ada.open_study(study)
    ada.choose("ai-1")
    ada.press("e")
    ada.page.keyboard.type(" Changed.", delay=300)
    ada.press("Enter")
    ada.page.get_by_role("button", name="Dictate").click()
    expect(ada.page.locator(".note")).to_have_text("Dictation is not set up on this server.")
    with ada.page.expect_response(lambda answer: answer.url.endswith("/times")) as told:
        pass
    assert told.value.status == 200
    with house.store.begin() as tx:
        now = datetime.now(UTC)
        report_id = tx.reports.summaries(study)[-1].report_id
        rows = tx.reading_times.by_section(now - timedelta(hours=1), now + timedelta(minutes=1))
    [own] = [row for row in rows if row.report_id == report_id]
    assert (own.section, own.edits, own.readers) == (Section.FINDINGS, 1, 1)
    assert 1 <= own.seconds <= 60
