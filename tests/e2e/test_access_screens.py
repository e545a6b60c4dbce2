"""The room as people meet it: by keyboard alone, in four languages, on small and large screens, in the dark.

Not covered here: the keys of reading, which `test_reading_room.py` presses; rules that a machine can check,
`test_access_rules.py`.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from app.ui.components.files import read_text
from app.ui.words import LANGUAGES
from tests.e2e.browser import Reader
from tests.e2e.reading_room import House
from tests.e2e.test_access_rules import settle, show, speak

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCREENS = [(1280, 800, 1), (1920, 1080, 2), (2560, 1440, 1), (3840, 2160, 1)]
# white beside a film blinds for it; the brightest thing that may appear is text on the dark ground
DARK = 60
_FOCUSED = """() => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  if (!at || at === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(at);
  return [at.textContent.trim() || at.ariaLabel || at.tagName, outlineStyle, parseFloat(outlineWidth)];
}"""
# elements that do not scroll and whose content sticks out, shadow roots included
_TOO_WIDE = """() => {
  const found = [];
  const walk = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) walk(element.shadowRoot);
      const { overflowX, textOverflow, display, position } = getComputedStyle(element);
      const isShown = element.clientWidth > 0 && display !== "inline" && position !== "absolute";
      const cuts = ["hidden", "clip"].includes(overflowX) && textOverflow !== "ellipsis";
      if (isShown && cuts && element.scrollWidth > element.clientWidth + 1)
        found.push(`${element.tagName}.${element.className}: ${element.textContent.trim().slice(0, 60)}`);
    }
  };
  walk(document);
  const { scrollWidth, clientWidth } = document.scrollingElement;
  if (scrollWidth > clientWidth) found.push(`page: ${scrollWidth} > ${clientWidth}`);
  return found;
}"""


@pytest.fixture(scope="module")
def study(house: House) -> str:
    return house.chest(
        "screens",
        patient_name="Wolfeschlegelsteinhausen^Maximiliane",
        description="Thorax pa und seitlich im Stehen",
        accession_number="A-2026-1127-0042",
        requested_priority="STAT",
    )


@pytest.fixture
def reader_on(house: House, chromium: Browser) -> Iterator[Callable[..., Reader]]:
    """Makes a person at a screen of a given kind."""
    readers: list[Reader] = []

    def make(username: str, **screen: Any) -> Reader:
        readers.append(Reader(chromium, house.room.url, username, **screen))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()
    assert [problem for reader in readers for problem in reader.problems] == []


@pytest.mark.covers("U5")
def test_keyboard_goes_everywhere_is_seen_and_comes_back(
    study: str, house: House, reader_of: Callable[[str], Reader]
) -> None:
    ada = reader_of("ada")
    show(ada.page, f"{house.room.url}/?view=review&study={study}")
    ada.wait_for_image()
    ada.page.evaluate("document.activeElement.blur()")
    round_trip = list(_tab_round(ada.page))
    reached = " ".join(name for name, *_ in round_trip)
    wanted = (
        "Skip to the content",
        "Worklist",
        "More",
        "Log out",
        "AI overlay",
        "Accept",
        "Sign final",
        "Keys",
    )
    assert [name for name in wanted if name not in reached] == []
    assert [one for one in round_trip if one[1] == "none" or one[2] < 2] == []

    # past the head in one press, into the menu and out of it, into a dialog and out of it
    ada.page.locator(".skip").focus()
    ada.press("Enter")
    assert "head" not in str(ada.page.evaluate("document.activeElement.closest('.st-key-head')?.className"))
    ada.page.get_by_role("button", name="More").focus()
    ada.press("Enter")
    expect(ada.page.locator(".menu")).to_be_visible()
    ada.press("Escape")
    expect(ada.page.locator(".menu")).to_be_hidden()
    assert _focused(ada.page).startswith("More")
    ada.choose("ai-2")
    before = _focused(ada.page)
    ada.press("c")
    ada.page.get_by_role("dialog").get_by_label("Finding").wait_for()
    ada.press("Escape")
    ada.page.get_by_role("dialog").wait_for(state="detached")
    ada.page.wait_for_function(f"() => ({_FOCUSED})() !== null")
    assert _focused(ada.page) == before


def test_language_is_the_browsers_first_and_then_the_readers_own(
    house: House, chromium: Browser, reader_on: Callable[..., Reader]
) -> None:
    stranger = Reader(chromium, house.room.url, "", log_in=False, locale="zh-CN")
    stranger.page.goto(house.room.url)
    expect(stranger.page.locator("html")).to_have_attribute("lang", "zh")
    expect(stranger.page.locator("button")).to_have_text(_words("zh")["Log in"])
    stranger.close()

    rana = reader_on("rana", locale="es-ES")
    expect(rana.page.locator("html")).to_have_attribute("lang", "es")
    for language in LANGUAGES:
        speak(rana, language)
        expect(rana.page.locator(".head .quiet")).to_have_text(_words(language).get("Log out", "Log out"))
    speak(rana, "de")
    again = reader_on("rana", locale="en-GB")
    expect(again.page.locator("html")).to_have_attribute("lang", "de")
    expect(again.page.locator(".place[aria-current]")).to_have_text("Arbeitsliste")


@pytest.mark.parametrize(("width", "height", "scale"), SCREENS)
def test_nothing_is_cut_or_sticks_out_in_german(
    width: int, height: int, scale: int, study: str, house: House, reader_on: Callable[..., Reader]
) -> None:
    """German has the longest words; what fits in it fits."""
    screen = {"viewport": {"width": width, "height": height}, "device_scale_factor": scale}
    views = {"ada": ["review", "worklist"], "adam": ["users"]}
    if width == SCREENS[0][0]:  # where it is tightest
        views = {"ada": [*views["ada"], "critical", "account"], "adam": ["operations", "access", "users"]}
    found = {}
    for username, names in views.items():
        reader = reader_on(username, locale="de", **screen)
        speak(reader, "de")
        for name in names:
            show(reader.page, f"{house.room.url}/?view={name}&study={study}")
            found[name] = reader.page.evaluate(_TOO_WIDE)
            if name == "review":
                assert _share_of_images(reader.page) >= 0.55
                least = 13 if width < 2300 else 15
                assert _text_size(reader.page) >= least
    assert {name: wide for name, wide in found.items() if wide} == {}


def test_nothing_bright_appears_while_a_page_loads(
    study: str, house: House, chromium: Browser, reader_of: Callable[[str], Reader]
) -> None:
    """Also where the system prefers light pages, as most desks do."""
    stranger = Reader(chromium, house.room.url, "", log_in=False)
    assert _brightest_load(stranger.page, house.room.url) < DARK
    stranger.close()
    ada = reader_of("ada")
    assert _brightest_load(ada.page, f"{house.room.url}/?view=critical") < DARK


def test_forced_colours_and_less_motion_are_heeded(house: House, reader_on: Callable[..., Reader]) -> None:
    adam = reader_on("adam", forced_colors="active", reduced_motion="reduce")
    show(adam.page, f"{house.room.url}/?view=users")
    speak(adam, "en")
    style = adam.page.get_by_role("button", name="Add", exact=True).evaluate(
        "b => { const s = getComputedStyle(b); return [parseFloat(s.borderTopWidth), s.transitionDuration]; }"
    )
    assert style[0] >= 2
    assert all(float(part.strip().removesuffix("s")) < 0.01 for part in style[1].split(","))


def _tab_round(page: Page) -> Iterator[tuple[str, str, float]]:
    """Press Tab until the page is left; yield what had the keyboard: name, style and width of its outline."""
    for _ in range(150):
        page.keyboard.press("Tab")
        at = page.evaluate(_FOCUSED)
        if at is None:
            return
        yield tuple(at)
    raise AssertionError("the keyboard is caught in the page")


def _focused(page: Page) -> str:
    at = page.evaluate(_FOCUSED)
    return str(at[0]) if at else ""


def _words(language: str) -> dict[str, str]:
    return dict(json.loads(read_text(f"words/{language}.json"))) if language != "en" else {}


def _share_of_images(page: Page) -> float:
    """The part of the width that the images have."""
    box, size = page.locator(".viewer").bounding_box(), page.viewport_size
    assert box is not None
    assert size is not None
    return box["width"] / size["width"]


def _text_size(page: Page) -> float:
    return float(
        page.locator(".sentence .text").first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    )


def _brightest_load(page: Page, address: str) -> float:
    """Load a page; return the mean brightness (0 to 255) of the brightest frame that was shown meanwhile."""
    frames: list[float] = []
    session = page.context.new_cdp_session(page)

    def note(frame: dict[str, Any]) -> None:
        picture = Image.open(io.BytesIO(base64.b64decode(frame["data"]))).convert("L")
        frames.append(float(np.asarray(picture).mean()))
        session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    session.on("Page.screencastFrame", note)
    page.set_content('<body style="background: black">')  # the frame before is not the page's
    session.send("Page.startScreencast", {"format": "jpeg", "everyNthFrame": 1, "maxWidth": 320})
    page.goto(address)
    if "view=" in address:
        settle(page)
    page.wait_for_timeout(300)
    session.send("Page.stopScreencast")
    assert frames, "no frame was shown"
    return max(frames)
