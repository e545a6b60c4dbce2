"""What services and the domain tell in English, said in the reader's language where it is known.

A text is compared with the templates; what stood for the names is put into the translation, and is itself
said where it is such a text. What no template fits stays English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from app.ui.told_drafts import TOLD_BY_DRAFTS
from app.ui.told_texts import TOLD
from app.ui.words import ENGLISH, language, say

_NAME = re.compile(r"\\\{(\w+)\\\}")
_DEEPEST = 3
_ALL = TOLD + TOLD_BY_DRAFTS


def tell(error: Exception) -> str:
    """Return what an error says, in the reader's language."""
    return retell(str(error))


def retell(text: str) -> str:
    """Return a text of a service in the reader's language; one that no template fits as it is."""
    return text if language() == ENGLISH else _retold(text, _DEEPEST)


def _retold(text: str, depth: int) -> str:
    if not depth or not text:
        return text
    if text in _exact():
        return say(text)
    for template, pattern in _patterns():
        if found := pattern.fullmatch(text):
            return say(template, **_inner(found.groupdict(), depth - 1))
    return text


def _inner(values: Mapping[str, str], depth: int) -> dict[str, str]:
    return {name: _retold(value, depth) for name, value in values.items()}


@cache
def _exact() -> frozenset[str]:
    return frozenset(text for text in _ALL if "{" not in text)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Templates with names, the longest first: it says most."""
    named = sorted((text for text in _ALL if "{" in text), key=len, reverse=True)
    return tuple((text, re.compile(_NAME.sub(r"(?P<\1>.+?)", re.escape(text)), re.DOTALL)) for text in named)
