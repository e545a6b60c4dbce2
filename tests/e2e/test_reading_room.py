"""The reading room in a real browser: pixels, overlay, editor, locks, signature, export.

Every test also proves that no request left the house and that no page broke its content security policy.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from app.domain.identifiers import derived_uid
from app.domain.report import Decision, ReportState
from app.services.audit import verify_file
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House
from tests.ui import seed
from tests.ui.seed import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.covers("O2")
def test_overlay_is_off_at_first_and_never_touches_window_or_pixels(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("overlay"), reader_of("ada")
    ada.open_study(study)
    viewer, before = ada.page.locator(".viewer"), ada.layer("image")
    expect(viewer).to_have_attribute("data-overlay", "off")
    assert ada.overlay_is_empty()
    expect(ada.page.locator(".legend")).to_be_hidden()

    ada.press("o")
    expect(viewer).to_have_attribute("data-overlay", "on")
    assert not ada.overlay_is_empty()
    assert ada.layer("image") == before
    expect(ada.page.locator(".legend")).to_contain_text("AI attention - not a measurement")
    assert _colour_bar_is_seen(ada), "nothing may cover the legend"
    expect(ada.page.locator(".legend")).to_contain_text("janus-tiny (3f3f3f3f3f3f)")

    strong = ada.layer("overlay")
    ada.press("[", "[")
    assert ada.layer("overlay") != strong
    ada.press("o")
    assert ada.overlay_is_empty()
    assert ada.layer("image") == before


def _colour_bar_is_seen(reader: Reader) -> bool:
    """Whether the screen shows the colour bar: bright at its top, dark violet at its bottom."""
    bar = reader.page.locator(".legend canvas").bounding_box()
    assert bar is not None
    with Image.open(io.BytesIO(reader.page.screenshot(clip=bar))) as picture:  # type: ignore[arg-type]
        shown = picture.convert("RGB")
        middle = shown.width // 2
        top, bottom = shown.getpixel((middle, 2)), shown.getpixel((middle, shown.height - 3))
    return sum(top[:2]) > 400 and sum(bottom) < 200  # type: ignore[index,arg-type]


@pytest.mark.covers("O2")
def test_window_and_level_change_the_pixels_and_not_the_overlay(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("window"), reader_of("ada")
    ada.open_study(study)
    ada.press("o")
    image, overlay = ada.layer("image"), ada.layer("overlay")
    stage = ada.page.locator(".stage").bounding_box()
    assert stage is not None
    x, y = stage["x"] + 200, stage["y"] + 300
    ada.page.mouse.move(x, y)
    ada.page.mouse.down()
    ada.page.mouse.move(x + 90, y + 60, steps=4)
    ada.page.mouse.up()
    assert ada.layer("image") != image
    assert ada.layer("overlay") == overlay
    ada.press("1")
    assert ada.layer("image") == image
    ada.press("i")
    assert ada.layer("image") != image


@pytest.mark.covers("O3")
def test_sentence_and_region_find_each_other_and_a_denial_shows_nothing(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("regions"), reader_of("ada")
    ada.open_study(study)
    ada.choose("ai-3")  # "No pneumothorax is seen."
    assert ada.overlay_is_empty()
    ada.choose("ai-2")
    assert not ada.overlay_is_empty()
    ada.press("Escape")
    assert ada.overlay_is_empty()
    x, y = _on_screen(ada, 1270, 910)  # inside the region of the first sentence
    ada.page.mouse.click(x, y)
    expect(ada.sentence("ai-1")).to_have_attribute("aria-current", "true")


def _on_screen(reader: Reader, column: float, row: float) -> tuple[float, float]:
    """Where a pixel of RG1 lies on the screen while the whole image is fitted into the stage."""
    stage = reader.page.locator(".stage").bounding_box()
    assert stage is not None
    columns, rows = 1841, 1955
    zoom = min(stage["width"] / columns, stage["height"] / rows)
    left = stage["x"] + (stage["width"] - columns * zoom) / 2
    top = stage["y"] + (stage["height"] - rows * zoom) / 2
    return left + column * zoom, top + row * zoom


@pytest.mark.covers("U4")
def test_what_was_typed_survives_a_reload_and_a_killed_server(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("autosave"), reader_of("ada")
    ada.open_study(study)
    ada.choose("ai-1")
    ada.press("e")
    ada.page.keyboard.type(" Seen before.")
    ada.wait_until_saved()
    ada.press("Control+d")
    expect(ada.page.locator(".editor footer .note")).to_have_text("Dictation is not set up on this server.")
    ada.page.reload()
    ada.expect_text("ai-1", "Seen before.")

    ada.wait_for_image()
    ada.press("Escape")
    ada.choose("ai-2")
    ada.press("e")
    house.room.kill()
    ada.page.keyboard.type(" Typed while the server was away.")
    expect(ada.page.locator(".saved")).to_have_attribute("data-state", "failed")
    house.room.start()
    ada.wait_until_saved()
    assert house.report_of(study).sentence("ai-2").text.endswith("Typed while the server was away.")
    ada.page.reload()
    ada.expect_text("ai-2", "away.")


@pytest.mark.covers("U3")
def test_second_reader_sees_the_owner_and_takes_over_only_after_a_confirmation(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("lock"), reader_of("ada")
    ada.open_study(study)
    otto = reader_of("otto")
    expect(otto.page.locator(f'tr[data-study="{study}"] .lock')).to_contain_text("Dr. Ada Attending")
    otto.open_study(study)
    expect(otto.page.locator(".banners")).to_contain_text("Dr. Ada Attending is editing since")
    expect(otto.page.locator(".sentence button")).to_have_count(0)
    otto.press("j", "a")
    assert house.report_of(study).sentence("ai-1").decision is Decision.UNTOUCHED

    ada.choose("ai-1")
    ada.press("e")
    ada.page.keyboard.type(" Saved.")
    ada.wait_until_saved()
    ada.page.route("**/api/reports/*/sentences/*", lambda route: route.abort())
    ada.page.keyboard.type(" Never saved")
    take_over(otto, "At the screen now.", "Last saved 0 min ago.", "not signed: 1")
    otto.page.locator(".sign").wait_for()

    # her page is told although it can save nothing, and what she types on is no command
    expect(ada.page.locator(".banners")).to_contain_text("TAKEN OVER")
    expect(ada.page.locator(".banners")).to_contain_text("Dr. Otto Attending has taken over")
    kept = ada.page.locator(".rescue textarea")
    expect(kept).to_be_focused()
    ada.page.keyboard.type(" words w N")
    expect(kept).to_have_value(re.compile("Saved. Never saved$"))
    expect(ada.sentence("ai-1").locator(".text")).to_have_text(re.compile("Saved.$"))
    assert house.report_of(study).sentence("ai-1").text.endswith(" Saved.")
    ada.page.get_by_role("button", name="Copy", exact=True).click()
    expect(ada.page.get_by_role("button", name="Copied")).to_be_visible()
    assert ("report taken over", "otto") in house.events(study)

    # with the pen again, nothing has to be typed twice
    ada.page.unroute_all()
    take_over(ada, "Nothing was saved.")
    ada.page.get_by_role("button", name="Add to the report").click()
    expect(ada.page.locator(".rescue")).to_be_hidden()
    ada.wait_until_saved()
    assert [s.text for s in house.report_of(study).sentences if s.text.endswith("Never saved")]


def take_over(reader: Reader, *told: str) -> None:
    """Ask for the pen, read what the dialog says, and confirm."""
    reader.page.get_by_role("button", name="Take over ...").click()
    dialog = reader.page.get_by_role("dialog")
    for text in told:
        expect(dialog).to_contain_text(text)
    dialog.get_by_role("button", name="Take over").click()


@pytest.mark.covers("U3")
def test_reader_is_told_before_the_pen_is_put_down_for_idleness(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("idle"), reader_of("ada")
    ada.open_study(study)
    notice = ada.page.locator(".banner.idle")
    expect(notice).to_be_hidden()
    ada.page.clock.install()
    ada.page.clock.fast_forward("13:05")
    expect(notice).to_contain_text("In 2 min this report is free for others")
    with ada.page.expect_response("**/report") as renewed:
        ada.press("K")
    assert renewed.value.ok
    expect(notice).to_be_hidden()


@pytest.mark.covers("U5", "U7", "S3", "S4", "T34", "T38")
def test_attending_reads_and_signs_by_keyboard_alone(
    house: House, reader_of: Callable[[str], Reader], downloads: Path
) -> None:
    study, ada = house.chest("sign", requested_priority="STAT"), reader_of("ada")
    ada.page.locator(f'tr[data-study="{study}"]').wait_for()
    ada.press("j", "k", "Enter")  # STAT comes first
    ada.wait_for_image()
    expect(ada.page.locator(".banners")).to_contain_text("AI DRAFT - not reviewed")

    ada.press("?")
    expect(ada.page.locator("dialog.help")).to_contain_text("Accept the sentence")
    ada.press("Escape", "j", "s")
    expect(ada.page.get_by_role("dialog")).to_contain_text("Cannot be signed yet")
    ada.press("Escape")
    ada.page.get_by_role("dialog").wait_for(state="detached")

    ada.choose("ai-1")
    ada.press("e")
    ada.page.keyboard.type(" Known metastases.")
    ada.press("Enter", "j", "a", "a", "r", "a")
    expect(ada.page.locator(".banners")).to_contain_text("REVIEWED")
    ada.wait_until_saved()
    ada.press("s")
    dialog = ada.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Known metastases.")
    expect(dialog).not_to_contain_text("The heart is not enlarged.")  # the fourth was rejected

    ada.sign("not the password")
    expect(dialog).to_contain_text("The password is wrong")
    assert house.report_of(study).state is ReportState.IN_REVIEW
    ada.sign(PASSWORD)
    expect(ada.page.locator(".banners")).to_contain_text("SIGNED")
    assert house.report_of(study).state is ReportState.SIGNED
    expect(ada.page.locator(".sign")).to_be_hidden()
    expect(ada.page.locator(".sentence button")).to_have_count(0)
    expect(ada.page.locator(".signature")).to_contain_text("verified")
    ada.press("j", "e")
    expect(ada.page.locator("textarea")).to_have_count(0)

    _export_and_verify(reader_of("aud"), downloads / "audit.jsonl")


def _export_and_verify(auditor: Reader, file: Path) -> None:
    auditor.page.get_by_text("without the filter").click()
    with auditor.page.expect_download() as download:
        auditor.page.get_by_role("button", name="Export JSONL").click()
    download.value.save_as(file)
    count, _ = verify_file(file)
    assert count > 10
    assert "report signed" in file.read_text()


@pytest.mark.covers("S7")
def test_critical_result_is_opened_by_one_key_and_closed_with_a_receiver(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("critical"), reader_of("ada")
    ada.open_study(study)
    ada.choose("ai-1")
    ada.press("c")
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_label("Finding").fill("Tension pneumothorax")
    dialog.get_by_role("button", name="Open the loop").click()
    loop = ada.page.get_by_text("Tension pneumothorax, category 1: within minutes")
    loop.wait_for()
    ada.page.get_by_role("button", name="Communicated ...").click()
    ada.page.get_by_label("Who was told").fill("Dr. Ward")
    ada.page.get_by_text("by telephone").click()
    ada.page.get_by_role("button", name="Close the loop").click()
    ada.page.get_by_text("Dr. Ada Attending told Dr. Ward by telephone").wait_for()
    told = [event for event, _ in house.events(study) if event.startswith("critical")]
    assert told == ["critical result opened", "critical result communicated"]


def test_sentence_of_ones_own_is_written_and_kept(house: House, reader_of: Callable[[str], Reader]) -> None:
    study, rana = house.chest("own"), reader_of("rana")
    rana.open_study(study)
    rana.choose("ai-5")
    rana.press("n")
    rana.page.keyboard.type("CT is advised.")
    rana.wait_until_saved()
    rana.page.keyboard.type(" Within two weeks.")
    rana.press("Enter")
    rana.wait_until_saved()
    own = [s for s in house.report_of(study).sentences if s.origin.value == "HUMAN"]
    assert [(s.section.value, s.text) for s in own] == [("impression", "CT is advised. Within two weeks.")]
    expect(rana.sentence(own[0].key).locator(".text")).to_have_text("CT is advised. Within two weeks.")


@pytest.mark.covers("L12")
def test_late_image_is_told_to_the_open_editor_and_stops_the_signature(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("late"), reader_of("ada")
    ada.open_study(study)
    second = house.send("late", "RG3_UNCR.dcm", sop_uid=derived_uid("late", "second image"))
    expect(ada.page.locator(".banners")).to_contain_text("SUPERSEDED")
    expect(ada.page.locator(".sign")).to_be_hidden()
    ada.press("j", "a")
    assert house.report_of(study).state is ReportState.SUPERSEDED
    assert house.report_of(study).sentence("ai-1").decision is Decision.UNTOUCHED

    seed.record(house.store, second, seed.no_draft(), now=seed.now_utc(), revision=2)
    ada.page.get_by_role("button", name="Open the new one").click()
    expect(ada.page.locator(".banners")).to_contain_text("NO AI DRAFT")
    expect(ada.page.locator(".patient")).to_contain_text("revision 2")


@pytest.mark.covers("T27")
def test_markup_in_names_and_sentences_is_never_live(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    markup = '<img src=x onerror="window.broken = true">'
    study = house.chest("markup", patient_name=markup, description=markup, lesion_text=markup)
    ada = reader_of("ada")
    # an equals sign ends the alphabetic group of a name (PS3.5 6.2.1.1)
    expect(ada.page.locator(f'tr[data-study="{study}"]')).to_contain_text("<img src")
    ada.open_study(study)
    expect(ada.sentence("ai-1").locator(".text")).to_have_text(markup)
    expect(ada.page.locator(".patient .name")).to_contain_text("<img src")
    ada.press("a", "s")
    ada.page.get_by_role("dialog").wait_for()
    assert ada.page.evaluate("window.broken") is None
    assert ada.page.locator("img").count() == 0


@pytest.mark.covers("T36")
def test_log_out_in_one_tab_ends_the_other(house: House, reader_of: Callable[[str], Reader]) -> None:
    ada = reader_of("ada")
    other = ada.new_tab()
    other.locator(".worklist").wait_for()
    ada.page.get_by_role("button", name="Log out").click()
    ada.page.locator("#username").wait_for()
    other.get_by_label("Search").fill("anything")
    other.keyboard.press("Enter")
    other.get_by_text("Your session has ended").wait_for()
    expect(other.locator(".worklist")).to_have_count(0)
