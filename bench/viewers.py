"""Our viewer beside OHIF's, in one Chromium on one machine, with software WebGL.

    python -m bench.viewers [--rounds 7] [--slices 300]

Measured from the browser: from the address of a study that nobody has looked at before until its first
picture is on the screen, with a new browser profile and with files that the browser knows; and each step of
the wheel through a CT until another picture
stands there, from the first picture on. Both are logged in where they need it, and go to the study's own
address. Rounds alternate; medians count, ranges stand beside them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from bench.viewer_ohif import VERSION, run_ohif
from bench.viewer_studies import write_films, write_volume
from tests.e2e.browser import CHROMIUM, CHROMIUM_OPTIONS
from tests.e2e.reading_room import House, open_house
from tests.ui import seed

WATCH = Path(__file__).with_name("viewer_watch.js")
SCREEN = {"width": 1600, "height": 1000}
_PATIENCE_MS = 120_000


@dataclass(frozen=True)
class Viewer:
    """A viewer with the address of each study, and how one logs in."""

    name: str
    address: Callable[[str], str]
    log_in: Callable[[Page], None] = lambda page: None
    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, what: str, *values: float) -> None:
        self.figures.setdefault(what, []).extend(values)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slices", type=int, default=300)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        volume = write_volume(folder, count=asked.slices)
        plain = [write_films(folder / f"plain-{number}") for number in range(asked.rounds)]
        encoded = [
            write_films(folder / f"encoded-{number}", syntax=JPEG2000Lossless)
            for number in range(asked.rounds)
        ]
        files = [file for study in (*plain, *encoded, volume) for file in study]
        with run_ohif(folder, files) as ohif, open_house(folder / "ui.log") as house:
            take(house, files)
            viewers = [
                Viewer("ours", lambda study: f"{house.room.url}/?view=review&study={study}", _enter(house)),
                Viewer(f"OHIF {VERSION}", lambda study: f"{ohif}/viewer?StudyInstanceUIDs={study}"),
            ]
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_OPTIONS)
            for number in range(asked.rounds):
                for viewer in viewers:
                    read_films(browser, viewer, "radiograph", _study_of(plain[number]))
                    read_films(browser, viewer, "radiograph in JPEG 2000", _study_of(encoded[number]))
                    scroll(browser, viewer, _study_of(volume))
                viewers.reverse()
            browser.close()
            print_table(sorted(viewers, key=lambda viewer: viewer.name, reverse=True))


def take(house: House, files: Sequence[Path]) -> None:
    """Bring images into our reading room."""
    now = seed.now_utc()
    for file in files:
        seed.receive(house.store, house.room.settings.spool_dir, file, now=now)
    seed.complete(house.store, now=now)


def read_films(browser: Browser, viewer: Viewer, what: str, study: str) -> None:
    """Time the first picture of two radiographs, twice."""
    with _profile(browser) as context:
        page = context.new_page()
        viewer.log_in(page)
        viewer.note(f"{what}, new profile, s", _first_picture(page, viewer.address(study)))
        viewer.note(f"{what}, known files, s", _first_picture(page, viewer.address(study)))


def scroll(browser: Browser, viewer: Viewer, study: str) -> None:
    """Time steps through a stack: at once, and when it had 20 s to load."""
    with _profile(browser) as context:
        page = context.new_page()
        viewer.log_in(page)
        viewer.note("CT, first picture, s", _first_picture(page, viewer.address(study)))
        _note_steps(viewer, "at once", _steps(page, 40))
        page.wait_for_timeout(20_000)
        _note_steps(viewer, "after 20 s", _steps(page, 60))


def _note_steps(viewer: Viewer, when: str, steps: Sequence[float]) -> None:
    viewer.note(f"CT, step {when}, ms", statistics.median(steps))
    viewer.note(f"CT, slowest of the steps {when}, ms", max(steps))


def _steps(page: Page, count: int) -> list[float]:
    page.mouse.move(SCREEN["width"] * 0.45, SCREEN["height"] * 0.5)
    taken = [_step(page) for _ in range(count)]
    if None in taken:
        raise RuntimeError(f"{taken.count(None)} of {count} steps showed no other picture")
    return [float(step) for step in taken]


def _step(page: Page) -> float | None:
    page.mouse.wheel(0, 100)
    taken: float | None = page.evaluate("benchStep()")
    return taken


def _first_picture(page: Page, address: str) -> float:
    """Return the seconds from the address to the first picture."""
    page.goto("about:blank")
    page.goto(address, wait_until="commit")
    first = page.evaluate("benchFirst()")
    if first is None:
        raise RuntimeError("no picture came: is the viewer's page the one that was asked for?")
    return float(first) / 1000


def _enter(house: House) -> Callable[[Page], None]:
    def log_in(page: Page) -> None:
        page.goto(house.room.url)
        page.fill("#username", "ada")
        page.fill("#password", seed.PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector(".head")

    return log_in


@contextmanager
def _profile(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=SCREEN)  # type: ignore[arg-type]
    context.set_default_timeout(_PATIENCE_MS)
    context.add_init_script(path=WATCH)
    try:
        yield context
    finally:
        context.close()


def _study_of(files: Sequence[Path]) -> str:
    return str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)


def print_table(viewers: Sequence[Viewer]) -> None:
    """Print medians with their ranges, and the first viewer's share of the second's."""
    ours, theirs = viewers
    print(f"| | {ours.name} | {theirs.name} | ratio |\n|---|---|---|---|")
    for what, values in ours.figures.items():
        others = theirs.figures[what]
        ratio = statistics.median(values) / statistics.median(others)
        print(f"| {what} | {_told(values)} | {_told(others)} | {ratio:.2f} |")


def _told(values: Sequence[float]) -> str:
    digits = 0 if max(values) > 20 else 2
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


if __name__ == "__main__":
    main()
