"""What services tell in English, said in the reader's language; and the page that everything starts from.

Not covered here: that each template is really said by a service; `test_catalogues.py` looks for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import pytest
import streamlit
from starlette.testclient import TestClient

from app.domain.errors import LockedByOther
from app.ui.components.files import east_asian_font, read_text, scaled
from app.ui.routes.start_page import start_page
from app.ui.told import retell, tell
from app.ui.told_drafts import TOLD_BY_DRAFTS
from app.ui.told_texts import TOLD
from app.ui.words import speak


@pytest.fixture
def german() -> Iterator[None]:
    """Speak German in this test alone."""
    speak("de")
    yield
    speak("en")


@pytest.mark.usefixtures("german")
def test_refusal_is_said_with_its_values() -> None:
    refused = LockedByOther("Dr. {Odd} Name (ada) has this report since 2026-11-27 06:12 UTC")
    assert tell(refused) == "Dr. {Odd} Name (ada) bearbeitet diesen Bericht seit 2026-11-27 06:12 UTC"


@pytest.mark.usefixtures("german")
def test_what_stands_for_a_name_is_said_too() -> None:
    assert retell("the section findings is empty: write at least one sentence") == (
        "der Abschnitt Befund ist leer: schreiben Sie mindestens einen Satz"
    )


@pytest.mark.usefixtures("german")
def test_reason_against_a_draft_is_said_with_what_stands_in_it() -> None:
    assert retell("not a frontal chest radiograph: modality is CT") == (
        "keine frontale Thoraxaufnahme: die Modalität ist CT"
    )
    assert retell("a sentence was left out: it doubts Edema, which was found") == (
        "ein Satz wurde weggelassen: er bezweifelt Edema, das gefunden wurde"
    )


@pytest.mark.usefixtures("german")
def test_text_that_no_template_fits_stays_as_it_is() -> None:
    for text in ("Mild cardiomegaly.", "", "a thing with\na line break", "(" * 2000):
        assert retell(text) == text


@pytest.mark.usefixtures("german")
def test_every_text_can_be_said_whatever_its_values_are_called() -> None:
    for text in TOLD + TOLD_BY_DRAFTS:
        assert "{" not in retell(re.sub(r"\{\w+\}", "7", text)), text


def test_english_is_never_changed() -> None:
    def run() -> str:
        speak("en")
        return retell("there is no user a) (b")

    assert copy_context().run(run) == "there is no user a) (b"


@pytest.mark.parametrize(("asked", "spoken"), [("zh-CN,en;q=0.5", "zh"), ("fr", "en")])
def test_log_in_page_speaks_the_browsers_language(stranger: TestClient, asked: str, spoken: str) -> None:
    page = stranger.get("/login", headers={"Accept-Language": asked}).text
    assert f'<html lang="{spoken}">' in page
    assert ("用户名" in page) == (spoken == "zh")


def test_start_page_is_dark_before_any_script_and_brings_none_of_its_own() -> None:
    original = (Path(streamlit.__file__).with_name("static") / "index.html").read_text(encoding="utf-8")
    page = start_page("de")
    assert page.index("background: #0b0e12") < page.index("<body>")
    assert re.findall(r"<script.*?</script>", page, re.DOTALL) == re.findall(
        r"<script.*?</script>", original, re.DOTALL
    )
    assert '<html lang="de">' in page
    assert "<title>Janus-Med</title>" in page


def test_start_page_asks_for_every_script_at_once(stranger: TestClient) -> None:
    links = re.findall(r'<link rel="modulepreload" href="([^"]+)">', start_page("en"))
    assert {link.rpartition("/")[2] for link in links} >= {
        "viewer.js",
        "cornerstone.js",
        "editor.js",
        "image.js",
    }
    assert {stranger.get(link).status_code for link in links} == {200}


def test_sizes_grow_with_the_screen_and_lines_stay_thin() -> None:
    assert scaled(
        "a { font: 13px/1.4 x; border: 1px solid; margin: -8px 0.5px; width: calc(100vh - 58px) }"
        "@media (max-width: 1400px) { b { gap: 9px } }"
    ) == (
        "a { font: calc(13px * var(--scale, 1))/1.4 x; border: 1px solid; "
        "margin: -8px calc(0.5px * var(--scale, 1)); width: calc(100vh - calc(58px * var(--scale, 1))) }"
        "@media (max-width: 1400px) { b { gap: calc(9px * var(--scale, 1)) } }"
    )


def test_font_with_chinese_characters_is_at_hand() -> None:
    assert east_asian_font()[:4] == b"\x00\x01\x00\x00"  # TrueType
    assert "/assets/fonts/east-asian.ttf" in read_text("css/page.css")
