"""Words of the interface: which language is spoken, and what is said where a translation is missing.

Not covered here: that every text has its translations; the sources are read for that in `test_catalogues.py`.
"""

from __future__ import annotations

from contextvars import copy_context

import pytest

from app.ui import words
from app.ui.words import LANGUAGES, asked_language, known_language, language, say, speak


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("fr-FR,fr;q=0.9,es;q=0.5,en;q=0.4", "es"),
        ("zh-Hans-CN", "zh"),
        ("en;q=0.2, zh;q=0.9", "zh"),
        ("de;q=0, es;q=0.1", "es"),
        ("fr", "en"),
        ("", "en"),
        ("de;q=heavy", "en"),
        ("*;q=0.5", "en"),
    ],
)
def test_browser_is_answered_in_the_first_language_that_we_speak(asked: str, spoken: str) -> None:
    assert asked_language(asked) == spoken


def test_language_that_we_do_not_speak_is_none() -> None:
    assert {known_language(tag) for tag in ("fr", "", "../de", "DEU")} == {""}
    assert {known_language(tag) for tag in LANGUAGES} == set(LANGUAGES)


def test_text_is_said_in_the_language_of_the_run_and_in_english_without_a_translation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"{count} studies": "{count} Untersuchungen"}
    monkeypatch.setattr(words, "catalogue", lambda code: known if code == "de" else {})

    def run() -> tuple[str, str]:
        speak("de")
        return say("{count} studies", count=7), say("Log out")

    assert copy_context().run(run) == ("7 Untersuchungen", "Log out")
    # what another run speaks stays its own
    assert (language(), say("{count} studies", count=7)) == ("en", "7 studies")


def test_value_is_never_taken_for_a_name() -> None:
    assert say("Report of {name}", name="{count} {name}") == "Report of {count} {name}"
