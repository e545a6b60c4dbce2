"""A running reading room, and people at real browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import need
from tests.e2e.browser import CHROMIUM, CHROMIUM_OPTIONS, Reader
from tests.e2e.reading_room import House, open_house


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, for one module: while Playwright lives, nothing else can run an event loop."""
    need(CHROMIUM.is_file(), "chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A hospital with its own database and its own web server."""
    with open_house(tmp_path_factory.mktemp("house") / "ui.log") as house:
        yield house


@pytest.fixture
def reader_of(house: House, chromium: Browser) -> Iterator[Callable[[str], Reader]]:
    """Makes a person at a browser of their own; afterwards nothing may have gone wrong on any screen."""
    readers: list[Reader] = []

    def make(username: str) -> Reader:
        readers.append(Reader(chromium, house.room.url, username))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()
    assert [problem for reader in readers for problem in reader.problems] == []


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """Where a browser puts files."""
    return tmp_path
