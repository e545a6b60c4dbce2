"""A person at a browser: what they do by key and mouse, and everything that went wrong meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect

from tests.ui.seed import PASSWORD

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)  # a loaded machine is slow, not wrong
LOOK_MS = 50
# The script has run, and each of our components has drawn itself into the place that Streamlit made for it.
IS_COMPLETE = """
() => document.querySelector('.stApp')?.dataset.testScriptState === 'notRunning'
  && [...document.querySelectorAll('[data-testid="stBidiComponentIsolated"]')]
    .every((place) => place.shadowRoot?.lastElementChild?.childElementCount > 0)
"""


class Reader:
    """One person with a browser of their own.

    Attributes
    ----------
    problems
        Script errors, breaches of the content security policy, and requests to other hosts.
    pressed
        Keys pressed; text that was typed is not among them.

    What `screen` says (size, density, language) goes to the browser.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        username: str,
        *,
        log_in: bool = True,
        scripts: Sequence[str] = (),
        **screen: Any,
    ) -> None:
        self.url = url
        self.problems: list[str] = []
        self.pressed = 0
        screen = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **screen}
        self._context = browser.new_context(accept_downloads=True, **screen)
        self._context.set_default_timeout(PATIENCE_MS)
        for script in scripts:
            self._context.add_init_script(script)
        self.page = self._watched(self._context.new_page())
        if log_in:
            self.log_in(username)

    def _watched(self, page: Page) -> Page:
        page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        page.on("console", self._note_console)
        page.on("request", self._note_request)
        return page

    def _note_console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.problems.append(message.text)

    def _note_request(self, request: Request) -> None:
        own = (self.url, self.url.replace("http", "ws"), "data:", "blob:", "about:")
        if not request.url.startswith(own):
            self.problems.append(f"a request left the house: {request.url}")

    def close(self) -> None:
        self._context.close()

    def new_tab(self) -> Page:
        """Open another tab with the same cookies."""
        page = self._watched(self._context.new_page())
        page.goto(self.url)
        return page

    def log_in(self, username: str) -> None:
        self.page.goto(self.url)
        self.page.fill("#username", username)
        self.page.fill("#password", PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(".head")

    def open_study(self, study_uid: str) -> None:
        """Open a study by its row in the worklist."""
        self.page.locator(f'tr[data-study="{study_uid}"]').click()
        expect(self.page.locator(".viewer")).to_have_attribute("data-study", study_uid)
        self.wait_for_image()
        self.wait_for_page()

    def wait_for_page(self) -> None:
        """Wait until the whole page is there: the image comes first, the report with its keys later."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while not self.page.evaluate(IS_COMPLETE):
            assert time.monotonic() < end, "the page does not become complete"
            self.page.wait_for_timeout(LOOK_MS)

    def wait_for_image(self) -> None:
        """Wait until the viewer shows an image: before that it names none."""
        expect(self.page.locator(".viewer")).to_have_attribute("data-sop", re.compile("."))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed += 1

    def sentence(self, key: str) -> Locator:
        return self.page.locator(f'.sentence[data-key="{key}"]')

    def expect_text(self, key: str, text: str) -> None:
        """Wait until a sentence says something, whether it is open for writing or not."""
        card = self.sentence(key)
        written = card.locator(".text", has_text=text).or_(card.locator("textarea"))
        expect(written.first).to_be_visible()
        if card.locator("textarea").count():
            expect(card.locator("textarea")).to_have_value(re.compile(re.escape(text)))

    def choose(self, key: str) -> None:
        """Move to a sentence with the keys alone, from the top."""
        self.press("Escape")
        for _ in range(20):
            if self.sentence(key).get_attribute("aria-current") == "true":
                return
            self.press("j")
        raise AssertionError(f"no way to {key}")

    def wait_until_saved(self) -> None:
        expect(self.page.locator(".saved")).to_have_attribute("data-state", "saved")

    def layer(self, name: str) -> str:
        """What the first viewport shows after the next frames: ``image`` or ``overlay``, as a data URL."""
        place = ".view canvas" if name == "image" else f'canvas[data-layer="{name}"]'
        canvas = self.page.locator(place).first
        return str(
            canvas.evaluate(
                "c => new Promise(done => requestAnimationFrame(() => requestAnimationFrame("
                "() => requestAnimationFrame(() => done(c.toDataURL())))))"
            )
        )

    def overlay_is_empty(self) -> bool:
        """Whether nothing of the AI is drawn over the image."""
        self.layer("overlay")
        canvas = self.page.locator('canvas[data-layer="overlay"]').first
        script = "c => !c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v !== 0)"
        return bool(canvas.evaluate(script))

    def sign(self, password: str) -> None:
        """Type a password into the dialog of the signature, which is open."""
        dialog = self.page.get_by_role("dialog")
        # the button comes after the field; until it is there, Enter submits nothing
        dialog.get_by_role("button", name="Sign", exact=True).wait_for()
        dialog.get_by_label("Your password").fill(password)
        self.press("Enter")

    def confirm_and_sign(self, password: str) -> None:
        """Confirm the warnings of the open dialog, if any, and sign; by keyboard alone."""
        dialog = self.page.get_by_role("dialog")
        button = dialog.get_by_role("button", name="Sign", exact=True)
        confirm = dialog.get_by_role("button", name="Confirm")
        expect(button.or_(confirm).first).to_be_visible()
        if confirm.count():
            self.press("w")
        button.wait_for()
        expect(dialog.get_by_label("Your password")).to_be_focused()
        self.page.keyboard.type(password)
        self.press("Enter")

    def read_normal(self, password: str) -> None:
        """Go to the next case, accept what is normal in both sections, and sign it."""
        self.press("N")
        untouched = self.page.locator('.sentence[data-ai="true"]')
        expect(untouched.first).to_be_visible()
        self.wait_for_image()
        self.sign_normal(password)

    def sign_normal(self, password: str) -> None:
        """Accept what is normal in both sections of the open study, and sign it; by keyboard alone."""
        untouched = self.page.locator('.sentence[data-ai="true"]')
        self.press("A")
        expect(untouched).to_have_count(1)
        self.press("A")
        expect(untouched).to_have_count(0)
        self.press("s")
        self.confirm_and_sign(password)
        expect(self.page.locator(".banners")).to_contain_text("SIGNED")
