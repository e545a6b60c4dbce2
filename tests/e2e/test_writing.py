"""Writing a report in a real browser: templates, fields, macros, undo, order, a killed browser, dictation.

The microphone is a file that Chromium plays, spoken by espeak-ng; the recogniser is the real one. Not here:
the browser's own speech recognition, which no test browser has.
"""

from __future__ import annotations

import os
import re
import signal
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from app.domain.dictation_sound import RATE
from app.domain.report import Decision, Section, compose_report, in_order
from bench.dictation import speak
from tests.conftest import need
from tests.e2e.browser import CHROMIUM, CHROMIUM_OPTIONS, PATIENCE_MS, Reader
from tests.e2e.reading_room import House, open_house
from tests.ui import seed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A hospital whose server listens to dictations."""
    with open_house(tmp_path_factory.mktemp("house") / "ui.log", dictation="local") as house:
        yield house


# keeps what the page gets of the microphone in sight
WATCH_MICROPHONE = """() => {
  window.microphones = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await open(wanted);
    window.microphones.push(...stream.getTracks());
    return stream;
  };
}"""


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
    ada.press("F")
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
    expect(findings.nth(3)).to_have_attribute("data-key", "human-1")
    ada.press("Alt+ArrowUp")
    expect(findings.nth(2)).to_have_attribute("data-key", "human-1")

    ada.choose("ai-1")
    ada.press("r")
    expect(ada.sentence("ai-1")).to_have_attribute("data-decision", "REJECTED")
    ada.press("u")
    expect(ada.sentence("ai-1")).to_have_attribute("data-decision", "UNTOUCHED")
    ada.wait_until_saved()
    report = house.report_of(study)
    assert report.sentence("ai-1").decision is Decision.UNTOUCHED
    third = in_order(report.sentences, Section.FINDINGS)[2]
    assert (third.key, third.text) == ("human-1", "Seen. No acute finding.")


@pytest.mark.covers("U5")
def test_sentence_is_split_at_the_cursor_and_joined_again(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("split"), reader_of("ada")
    ada.open_study(study)
    whole = house.report_of(study).sentence("ai-1").text
    head, tail = whole[:4].strip(), whole[4:].strip()
    ada.choose("ai-1")
    ada.press("e", "Home", *["ArrowRight"] * 4, "Control+Enter")
    own = ada.page.locator('.section[data-section="findings"] textarea')
    expect(own).to_be_focused()
    expect(own).to_have_value(tail)
    ada.wait_until_saved()
    in_findings = in_order(house.report_of(study).sentences, Section.FINDINGS)
    assert [s.text for s in in_findings[:2]] == [head, tail]

    ada.press("Home", "ArrowRight", "Backspace")  # not at the start: a character goes, no sentence
    expect(own).to_have_value(tail[1:])
    ada.press("Backspace")
    joined = ada.sentence("ai-1").locator("textarea")
    expect(joined).to_be_focused()
    expect(joined).to_have_value(f"{head} {tail[1:]}")
    ada.page.keyboard.type("|")
    expect(joined).to_have_value(f"{head}| {tail[1:]}")
    ada.wait_until_saved()
    said = compose_report(house.report_of(study).sentences)["findings"]
    assert said.startswith(f"{head}| {tail[1:]}")
    assert said.count(tail[1:]) == 1, "what was joined is not said twice"


@pytest.mark.covers("U4")
def test_killed_browser_loses_at_most_five_seconds_of_typing(
    house: House, chromium: Browser, tmp_path: Path
) -> None:
    study, profile = house.chest("killed browser"), tmp_path / "profile"
    context = chromium.browser_type.launch_persistent_context(
        profile, executable_path=CHROMIUM, args=CHROMIUM_OPTIONS, timeout=PATIENCE_MS
    )
    page = context.pages[0]
    page.goto(house.room.url)
    page.fill("#username", "ada")
    page.fill("#password", seed.PASSWORD)
    page.keyboard.press("Enter")
    page.locator(f'tr[data-study="{study}"]').click()
    chosen = page.locator('.sentence[data-key="ai-1"]')
    chosen.click(timeout=PATIENCE_MS)
    page.keyboard.press("e")
    expect(chosen.locator("textarea")).to_be_focused()
    typed_at = []
    for _ in range(60):
        page.keyboard.type(" word")
        typed_at.append(time.monotonic())
        time.sleep(0.1)
    _kill_browser_of(profile)
    killed_at = time.monotonic()
    kept = house.report_of(study).sentence("ai-1").text.count("word")
    assert kept > 0
    lost = [at for at in typed_at[kept:] if killed_at - at > 5]
    assert lost == [], f"{len(lost)} words older than five seconds are lost, {kept} of 60 kept"


def _kill_browser_of(profile: Path) -> None:
    """Send SIGKILL to the browser that this test started, and to nothing else."""
    option = f"--user-data-dir={profile}"
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if option in command and not any(part.startswith("--type=") for part in command):
                os.kill(int(folder.name), signal.SIGKILL)


@pytest.mark.covers("U4")
def test_reader_goes_on_in_the_same_text_at_the_same_place_after_a_reload(
    house: House, reader_of: Callable[[str], Reader]
) -> None:
    study, ada = house.chest("same place"), reader_of("ada")
    ada.open_study(study)
    ada.choose("ai-2")
    ada.press("e")
    ada.page.keyboard.type(" Seen")
    for _ in range(4):
        ada.press("ArrowLeft")
    ada.page.keyboard.type("Not ")
    ada.wait_until_saved()
    ada.page.reload()
    field = ada.sentence("ai-2").locator("textarea")
    expect(field).to_be_focused()
    ada.page.keyboard.type("yet ")
    expect(field).to_have_value(re.compile("Not yet Seen$"))


@pytest.mark.covers("U5")
def test_seconds_and_edits_are_recorded_by_section(house: House, reader_of: Callable[[str], Reader]) -> None:
    study, ada = house.chest("seconds"), reader_of("ada")
    ada.open_study(study)
    ada.choose("ai-1")
    ada.press("e")
    ada.page.keyboard.type(" Changed.", delay=300)
    ada.press("Enter")
    with ada.page.expect_response(lambda answer: answer.url.endswith("/times")) as told:
        pass
    assert told.value.status == 200
    with house.store.begin() as tx:
        now = datetime.now(UTC)
        report_id = tx.reports.summaries(study)[-1].report_id
        rows = tx.reading_times.by_section(now - timedelta(hours=1), now + timedelta(minutes=1))
    [own] = [row for row in rows if row.report_id == report_id]
    assert (own.section, own.edits, len(own.readers)) == (Section.FINDINGS, 1, 1)
    assert 1 <= own.seconds <= 60


@pytest.mark.covers("U5")
def test_spoken_words_arrive_at_the_cursor_and_doubtful_ones_wait_for_a_look(
    house: House, chromium: Browser, tmp_path: Path
) -> None:
    need(Path("/usr/bin/espeak-ng").is_file(), "espeak-ng (apt-get install espeak-ng)")
    study = house.chest("dictation")
    spoken = record(tmp_path / "spoken.wav", "there is no pleural effusion or pneumothorax period")
    speaking = chromium.browser_type.launch(
        executable_path=CHROMIUM,
        args=[
            *CHROMIUM_OPTIONS,
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={spoken}%noloop",
        ],
    )
    ada = Reader(speaking, house.room.url, "ada")
    ada.open_study(study)
    ada.choose("ai-1")
    ada.press("n")
    ada.page.keyboard.type("Lungs are clear. Unchanged.")
    for _ in range(len("Unchanged.")):
        ada.press("ArrowLeft")
    ada.press("Control+d")
    field = ada.page.locator('.section[data-section="findings"] textarea')
    expect(field).to_have_value("Lungs are clear. There is no pleural effusion or pneumothorax. Unchanged.")
    note = ada.page.locator(".editor footer .note")
    expect(note).to_have_text("Dictating; Ctrl+D ends it.")
    ada.press("Control+d")
    expect(note).to_have_text("")

    words = [{"text": "mass", "confidence": 0.2, "doubtful": True}]
    held_back = {"words": words, "reason": "heard with doubt as a whole"}
    ada.page.route("**/api/dictation?rate=16000", lambda route: route.fulfill(json=held_back))
    ada.press("Control+d")
    line = ada.page.locator(".sentence .heard:visible")
    expect(line).to_contain_text("Not inserted, heard with doubt as a whole: mass")
    ada.press("Enter")
    ada.wait_until_saved()
    ada.press("s")
    expect(note).to_have_text("Look at what was heard with doubt first (Alt+Enter).")
    ada.press("Alt+Enter")
    expect(field).to_have_value(re.compile("Unchanged. Mass$"))
    expect(line).to_have_text(re.compile("Heard with doubt: mass"))
    ada.press("Alt+Enter")
    expect(line).to_have_count(0)
    ada.press("Enter")
    ada.wait_until_saved()
    said = compose_report(house.report_of(study).sentences)["findings"]
    assert "There is no pleural effusion or pneumothorax. Unchanged. Mass" in said

    ada.page.evaluate(WATCH_MICROPHONE)
    ada.press("e", "Control+d")
    expect(note).to_have_text("Dictating; Ctrl+D ends it.")
    assert ada.page.evaluate("window.microphones.map(({ readyState }) => readyState)") == ["live"]
    ada.page.get_by_role("button", name="Worklist").click()
    expect(ada.page.locator(".editor")).to_have_count(0)
    assert ada.page.evaluate("window.microphones.map(({ readyState }) => readyState)") == ["ended"]

    rana = Reader(speaking, house.room.url, "rana", locale="de-DE")
    rana.open_study(house.chest("diktat"))
    rana.press("j")
    rana.page.get_by_role("button", name="Diktieren").click()
    expect(rana.page.locator(".editor footer .note")).to_contain_text("Dieser Server erkennt nur Englisch")
    assert [*ada.problems, *rana.problems] == []
    speaking.close()


def record(path: Path, said: str) -> Path:
    """Write what a synthesiser says into a file, with quiet around it."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(bytes(RATE) + speak(said.split(), "en-us") + bytes(6 * RATE))
    return path
