"""The interface's words in the reader's language: the English text is the key of its translation.

What is missing in a catalogue is said in English; a test finds it. Report text, DICOM values and codes of the
audit log are never translated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache

from app.ui.components.files import read_text

ENGLISH = "en"
LANGUAGES: Mapping[str, str] = {ENGLISH: "English", "de": "Deutsch", "es": "Español", "zh": "中文"}
"""Every language of the interface, by its own name."""

LANGUAGE = "language"
"""Name of the preference, and of what a page keeps."""

# each run of a script and each request runs in a context of its own, and says first who is spoken to
_SPOKEN: ContextVar[str] = ContextVar("spoken", default=ENGLISH)


def speak(language: str) -> None:
    """Say everything from now on, in this run or request, in `language`."""
    _SPOKEN.set(known_language(language) or ENGLISH)


def language() -> str:
    """Return the language that is spoken now, for example ``de``."""
    return _SPOKEN.get()


def say(text: str, /, **values: object) -> str:
    """Return a text of the interface in the reader's language.

    Parameters
    ----------
    text
        In English, a literal; ``{name}`` stands for a value.
    values
        What stands for the names; never translated.
    """
    words = catalogue(language()).get(text, text)
    return words.format(**values) if values else words


def phrase(text: str) -> str:
    """Return a literal as it is: one that stands in a table, and is said where it is shown."""
    return text


def known_language(asked: str) -> str:
    """Return our language for a tag such as ``zh-CN``; empty when we do not speak it."""
    primary = asked.strip().lower().partition("-")[0]
    return primary if primary in LANGUAGES else ""


def asked_language(accept_language: str) -> str:
    """Return the first of our languages that a browser asks for (RFC 9110 12.5.4), or English."""
    asked = [_preference(part) for part in accept_language.split(",")[:20]]
    ours = [(weight, known) for weight, tag in asked if weight > 0 and (known := known_language(tag))]
    return max(ours, key=lambda one: one[0], default=(0.0, ENGLISH))[1]


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return the translations of a language by their English texts; empty for English itself."""
    if language == ENGLISH:
        return {}
    found: Mapping[str, str] = json.loads(read_text(f"words/{language}.json"))
    return found


def _preference(part: str) -> tuple[float, str]:
    tag, _, weight = part.partition(";q=")
    try:
        return (float(weight) if weight else 1.0), tag
    except ValueError:
        return 0.0, tag
