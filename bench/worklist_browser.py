"""The worklist in a browser: from the log-in, or a click on a column, until its rows are painted.

    python -m bench.worklist_browser [--studies 1000 100000] [--rounds 5]

A real reading room as a process of its own on an embedded server, headless Chromium beside it on the same
processors. Counted is until the second frame after the rows have come: by then they are on the screen.
"Log-in" is from Enter in the form on, with the check of the password; "address" is a new tab of a session.
Pages have 50 rows. Medians count, ranges stand beside them; the first log-in of a browser, whose store is
empty, stands alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from app.domain.worklist import SortKey
from app.services.passwords import hash_password
from bench.worklist_seed import fill
from tests.e2e.browser import CHROMIUM, CHROMIUM_OPTIONS, Reader
from tests.e2e.reading_room import House, open_house
from tests.ui.seed import PASSWORD

WATCH = """
window.addEventListener("submit", () => sessionStorage.setItem("benchFrom", String(Date.now())), true);
function* deep(root) {
  yield root;
  for (const node of root.querySelectorAll("*")) if (node.shadowRoot) yield* deep(node.shadowRoot);
}
const inPage = (selector) => {
  for (const root of deep(document)) {
    const found = root.querySelector(selector);
    if (found) return found;
  }
  return null;
};
const frame = () => new Promise((next) => requestAnimationFrame(next));
window.benchUntil = async (isDone) => {
  const limit = performance.now() + 60000;
  while (!isDone()) {
    if (performance.now() > limit) return null;
    await frame();
  }
  await frame();
  await frame();
  return performance.now();
};
window.benchOpened = async () => {
  const painted = await benchUntil(() => inPage("tr[data-study]"));
  const from = sessionStorage.getItem("benchFrom");
  sessionStorage.removeItem("benchFrom");
  return from ? performance.timeOrigin + painted - Number(from) : painted;
};
window.benchSorted = async (column) => {
  const head = () => inPage(`th.${column}`);
  const began = performance.now();
  const before = head().getAttribute("aria-sort");
  head().querySelector("button").click();
  const painted = await benchUntil(() => head().getAttribute("aria-sort") !== before);
  return painted && painted - began;
};
window.benchCount = () => inPage(".count").textContent.split(",")[0];
"""
_NOTE_ENTER = """() => {
  const note = () => (window.benchPressed = performance.now());
  document.addEventListener("keydown", note, { once: true, capture: true });
}"""
Times = dict[str, list[float]]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    columns = [measure(studies, chosen.rounds) for studies in chosen.studies]
    print("| ms | " + " | ".join(f"{studies:,} studies" for studies in chosen.studies) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for what in columns[0]:
        print(f"| {what} | " + " | ".join(_told(times[what]) for times in columns) + " |")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def measure(studies: int, rounds: int) -> Times:
    """Open and sort lists of so many studies; return milliseconds by what was done."""
    times: Times = {}
    with (
        tempfile.TemporaryDirectory() as name,
        open_house(Path(name) / "ui.log") as house,
        sync_playwright() as playwright,
    ):
        fill(house.room.settings, studies, password_hash=hash_password(PASSWORD))
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_OPTIONS)
        for number in range(rounds):
            reader = _log_in(
                browser, house, "log-in, first of the browser" if not number else "log-in", times
            )
            tab = reader.new_tab()
            times.setdefault("address, new tab", []).append(_asked(tab, "benchOpened()"))
            tab.close()
            _sort(reader.page, times)
            _search(reader.page, times)
            reader.close()
        browser.close()
    return times


def _log_in(browser: Any, house: House, what: str, times: Times) -> Reader:
    reader = Reader(browser, house.room.url, "reader1", log_in=False, scripts=(WATCH,))
    if what == "log-in":
        _use_store_of(reader)
    reader.log_in("reader1")
    times.setdefault(what, []).append(_asked(reader.page, "benchOpened()"))
    return reader


def _use_store_of(reader: Reader) -> None:
    """Load the scripts into the browser's store, as a workstation has them after the first day."""
    reader.log_in("reader1")
    _asked(reader.page, "benchOpened()")
    reader.page.get_by_role("button", name="Log out").click()
    reader.page.locator("#username").wait_for()


def _sort(page: Page, times: Times) -> None:
    """Click on the head of each column, the one that the list is sorted by last."""
    for key in (*list(SortKey)[1:], SortKey.PRIORITY):
        taken = _asked(page, f"benchSorted('{key.value.replace(' ', '-')}')")
        times.setdefault(f"click on {key.value}", []).append(taken)


def _search(page: Page, times: Times) -> None:
    """Search for a name in every column."""
    before = page.evaluate("benchCount()")
    page.get_by_label("Search").fill("schmidt")
    page.evaluate(_NOTE_ENTER)
    page.keyboard.press("Enter")
    script = f"benchUntil(() => benchCount() !== {before!r}).then((at) => at && at - benchPressed)"
    times.setdefault("search for a name", []).append(_asked(page, script))


def _asked(page: Page, script: str) -> float:
    taken = page.evaluate(script)
    if taken is None:
        raise RuntimeError(f"nothing was painted within a minute: {script}")
    return float(taken)


def _told(values: Sequence[float]) -> str:
    middle: Callable[[Sequence[float]], float] = statistics.median
    if len(values) == 1:
        return f"{values[0]:.0f}"
    return f"{middle(values):.0f} ({min(values):.0f}-{max(values):.0f})"


if __name__ == "__main__":
    main()
