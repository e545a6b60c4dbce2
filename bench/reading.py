"""From one case to the next, as the reader's browser sees it.

    python -m bench.reading [--rounds 7] [--pause 0] [--encoded]

Every study is one radiograph of 2500 x 2048 pixels with a draft of four sentences, read and signed by
keyboard between two measurements. Counted is from the key ("N", next case) until another picture is drawn,
and until picture and draft are there: from the worklist, and from the case before, which was looked at for
`--pause` seconds. `--encoded` sends the films in JPEG 2000. What the server alone takes of it (choose the
study, open it) is measured beside. Medians count, ranges stand beside them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from app.domain.identifiers import derived_uid
from app.domain.worklist import WorklistQuery
from app.services.next_study import next_study
from bench.viewer_studies import write_films
from tests.e2e.browser import CHROMIUM, CHROMIUM_OPTIONS, Reader
from tests.e2e.reading_room import House, open_house
from tests.ui import seed

WATCH = Path(__file__).with_name("viewer_watch.js")
NEXT = """
window.addEventListener("keydown", ({ key }) => {
  if (key === "N") Object.assign(window, { pressed: performance.now(), before: benchSeen.changes.length });
}, { capture: true });
function* drafts(root) {
  for (const node of root.querySelectorAll("*")) {
    if (node.matches('.sentence[data-ai="true"]')) yield node;
    if (node.shadowRoot) yield* drafts(node.shadowRoot);
  }
}
window.benchNext = async () => {
  let picture = null;
  let draft = null;
  while (picture === null || draft === null) {
    if (performance.now() - window.pressed > 60000) return null;
    await new Promise((next) => requestAnimationFrame(next));
    picture ??= benchSeen.changes[window.before] ?? null;
    if (draft === null && !drafts(document).next().done) draft = performance.now();
  }
  return [picture - window.pressed, Math.max(picture, draft) - window.pressed];
};
"""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--encoded", action="store_true")
    asked = parser.parse_args()
    rounds, syntax = asked.rounds, JPEG2000Lossless if asked.encoded else ExplicitVRLittleEndian
    figures: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        open_house(Path(name) / "ui.log") as house,
        sync_playwright() as playwright,
    ):
        bring_in(house, write_films(Path(name), count=2 * (rounds + 1), syntax=syntax))
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_OPTIONS)
        reader = Reader(browser, house.room.url, "ada", scripts=(WATCH.read_text(), NEXT))
        for number in range(rounds + 1):
            read_two(house, reader, figures if number else {}, pause_s=asked.pause)
        browser.close()
    print("| from the key, s | median (range) | rounds |\n|---|---|---|")
    for what, values in figures.items():
        print(f"| {what} | {_told(values)} | {len(values)} |")


def bring_in(house: House, films: Sequence[Path]) -> None:
    """Bring in films as studies of their own, each with a draft that finds nothing."""
    for number, file in enumerate(films):
        uids: dict[str, Any] = {
            part: derived_uid("bench", str(number), part) for part in ("study_uid", "series_uid", "sop_uid")
        }
        received = seed.receive(
            house.store, house.room.settings.spool_dir, file, now=seed.now_utc(), **uids, sex="F"
        )
        seed.record(house.store, received, seed.normal_draft(), now=seed.now_utc())


def read_two(house: House, reader: Reader, figures: dict[str, list[float]], *, pause_s: float) -> None:
    """Read a case from the worklist, then the next one from there."""
    reader.page.locator("tr[data-study]").first.wait_for()
    for where in ("from the worklist", "from the case before"):
        for what, seconds in _serve(house).items():
            figures.setdefault(what, []).append(seconds)
        reader.press("N")
        taken = reader.page.evaluate("benchNext()")
        if taken is None:
            raise RuntimeError("no next case came within a minute")
        picture, everything = taken
        figures.setdefault(f"{where}: picture", []).append(picture / 1000)
        figures.setdefault(f"{where}: picture and draft", []).append(everything / 1000)
        reader.page.wait_for_timeout(1000 * pause_s)
        reader.sign_normal(seed.PASSWORD)
    reader.press("w")
    expect(reader.page.locator("tr[data-study]").first).to_be_visible()


def _serve(house: House) -> dict[str, float]:
    """Time what the services do for the next case, as a viewer, who takes no pen."""
    with house.store.begin() as tx:
        user = tx.users.by_username("vera")
        if user is None:
            raise RuntimeError("the house has lost its people")
        vera = user.act(source="127.0.0.1")
    began = time.perf_counter()
    if next_study(house.store, vera, WorklistQuery(), now=seed.now_utc()) is None:
        raise RuntimeError("no study is left")
    return {"server: choose and open the next study": time.perf_counter() - began}


def _told(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f}-{max(values):.3f})"


if __name__ == "__main__":
    main()
