"""From the scanner's C-STORE to the signed report in the PACS, with nothing left out: `janus-med up`, DCMTK's
storescu, a person in Chromium, a real Orthanc, dsrdump.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from pydicom import dcmread

from app.settings import Destination, Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import open_store
from app.store.migrate import upgrade
from app.workers.child import answers
from tests.conftest import ROOT, need
from tests.e2e.browser import Reader
from tests.e2e.orthanc import Orthanc, run_orthanc
from tests.ports import free_port
from tests.postgres import OpenFolder
from tests.ui import seed
from tests.workers.conftest import wait_until
from tests.workers.processes import Process

STORESCU, DSRDUMP = Path("/usr/bin/storescu"), Path("/usr/bin/dsrdump")
WEIGHTS = ROOT / "janus_med" / "weights" / "tiny" / "manifest.json"
DRAFTED_MS = 240_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Site:
    """The system as `janus-med up` runs it, with the PACS beside it."""

    settings: Settings
    orthanc: Orthanc
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.ui_port}"

    def send(self, file: Path) -> str:
        """Send a file as a modality does; return its StudyInstanceUID."""
        command = [
            STORESCU,
            "-aet",
            "SCANNER",
            "-aec",
            "JANUSMED",
            "127.0.0.1",
            str(self.settings.dicom_port),
        ]
        done = subprocess.run([*command, file], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return str(dcmread(file, stop_before_pixels=True).StudyInstanceUID)

    def report_in_pacs(self) -> Path:
        """Wait for the structured report and fetch it back."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if reports := self.orthanc.reports():
                path = self.folder / "report.dcm"
                path.write_bytes(reports[0])
                return path
            time.sleep(0.5)
        raise AssertionError("the report did not reach the PACS")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The whole system, running."""
    need(STORESCU.is_file() and DSRDUMP.is_file(), "DCMTK (apt-get install dcmtk)")
    with OpenFolder() as folder, run_orthanc(tmp_path) as orthanc:
        settings = Settings(
            data_dir=folder,
            ui_port=free_port(),
            dicom_port=free_port(),
            allowed_ae_titles=("SCANNER",),
            quiet_seconds=1,
            institution="General Hospital",
            destinations=(
                Destination(name="PACS", ae_title="ORTHANC", host="127.0.0.1", port=orthanc.dicom_port),
            ),
        )
        upgrade(settings)
        with open_store(settings) as store:
            seed.add_people(store, now=seed.now_utc())
        try:
            with Process(settings, "up") as up:
                up.wait_until_ready()  # the first of its processes
                wait_until(lambda: answers(f"http://127.0.0.1:{settings.ui_port}/live"))
                yield Site(settings, orthanc, tmp_path)
        finally:
            EmbeddedPostgres(settings).stop()


@pytest.fixture
def attending(site: Site, chromium: Browser) -> Iterator[Reader]:
    """An attending at the worklist."""
    reader = Reader(chromium, site.url, "ada")
    yield reader
    reader.close()
    assert reader.problems == []


def dump(report: Path) -> str:
    """What dsrdump reads in a structured report; it refuses what is none."""
    done = subprocess.run([DSRDUMP, "+Pl", report], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sign(reader: Reader) -> None:
    reader.press("s")
    reader.sign(seed.PASSWORD)
    expect(reader.page.locator(".banners")).to_contain_text("SIGNED")


def wait_for_delivery(reader: Reader) -> None:
    """Wait until the open page shows by itself that the PACS has acknowledged the report."""
    expect(reader.page.locator("[data-delivery]")).to_have_attribute("data-delivery", "SENT", timeout=120_000)


def wait_for_row(reader: Reader, study: str, text: str) -> None:
    """Wait until the worklist shows a study so, without a reload by hand."""
    row = reader.page.locator(f'tr[data-study="{study}"]')
    _keep_present(reader, lambda: row.filter(has_text=text).count() == 1)


def _keep_present(reader: Reader, done: Callable[[], bool]) -> None:
    """Move the mouse now and then, as a person at the screen does: without one nothing refreshes itself."""
    deadline = time.monotonic() + DRAFTED_MS / 1000
    while not done():
        assert time.monotonic() < deadline, reader.page.locator("tbody").inner_text()
        reader.page.mouse.move(600 + (time.monotonic() * 10) % 50, 500)
        reader.page.wait_for_timeout(500)


@pytest.mark.covers("U2", "S5", "T26")
def test_radiograph_becomes_a_draft_and_a_signed_report_in_the_pacs(
    site: Site, attending: Reader, chest_radiograph: Path
) -> None:
    need(WEIGHTS.is_file(), "weights of the bundled model (janus_med/weights/tiny)")
    study = site.send(chest_radiograph)
    wait_for_row(attending, study, "AI draft")
    attending.open_study(study)
    expect(attending.page.locator(".banners")).to_contain_text("AI DRAFT - not reviewed")
    attending.press("o")
    expect(attending.page.locator(".legend")).to_contain_text("AI attention - not a measurement")

    cards = attending.page.locator('.sentence[data-origin="AI"]')
    attending.choose(str(cards.first.get_attribute("data-key")))
    attending.press("e")
    attending.page.keyboard.press("ControlOrMeta+a")
    attending.page.keyboard.type("Multiple nodules in both lungs, reviewed by a person.")
    attending.press("Enter")
    attending.press("j")
    for _ in range(cards.count() - 1):
        attending.press("a")  # goes on to the next by itself
    expect(attending.page.locator(".banners")).to_contain_text("REVIEWED")
    attending.wait_until_saved()
    sign(attending)
    wait_for_delivery(attending)

    report = site.report_in_pacs()
    text = " ".join(dump(report).split())
    assert "reviewed by a person" in text
    header = dcmread(report, stop_before_pixels=True)
    assert (header.CompletionFlag, header.VerificationFlag) == ("COMPLETE", "VERIFIED")
    assert header.StudyInstanceUID == study


@pytest.mark.covers("P5")
def test_leg_is_written_by_hand_and_reaches_the_pacs_all_the_same(
    site: Site, attending: Reader, leg_radiograph: Path
) -> None:
    study = site.send(leg_radiograph)
    wait_for_row(attending, study, "no AI draft")
    attending.open_study(study)
    expect(attending.page.locator(".banners")).to_contain_text("NO AI DRAFT")
    for section, text in (("findings", "No fracture of the leg."), ("impression", "Normal leg.")):
        attending.page.get_by_role("button", name=f"+ Add to {section}").click()
        attending.page.keyboard.type(text)
        attending.press("Enter")
        attending.wait_until_saved()
    sign(attending)
    wait_for_delivery(attending)
    text = " ".join(dump(site.report_in_pacs()).split())
    assert "No fracture of the leg." in text
    assert "Normal leg." in text
