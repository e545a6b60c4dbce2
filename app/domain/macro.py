"""Macros: short names that a reader types for text that is written often."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.errors import Rejected
from app.domain.report import clean_text

LONGEST_TEXT = 2000
MOST_OWN = 100
_NAME = re.compile(r"[^\W_][\w-]{0,29}")


@dataclass(frozen=True)
class Macro:
    """A macro: ``.name`` stands for `text`.

    Attributes
    ----------
    is_own
        Whether it is the reader's; the department's otherwise.
    """

    name: str
    text: str
    is_own: bool = False


@dataclass(frozen=True)
class MacroVersion:
    """What a macro of the department was given as, by whom and when; an empty text removed it."""

    name: str
    version: int
    text: str
    username: str
    at: datetime


def tidy_macro(name: str, text: str) -> tuple[str, str]:
    """Return name and text as they are kept.

    Raises
    ------
    Rejected
        If the name is not one word of at most 30 letters, digits and ``-``, or there is no text, or too much.
    """
    name, text = name.strip().removeprefix(".").lower(), clean_text(text)
    if not _NAME.fullmatch(name):
        raise Rejected(f"{name[:30]!r} is no name of a macro: use one word of letters, digits and -")
    if not 1 <= len(text) <= LONGEST_TEXT:
        raise Rejected(f"the text of a macro has 1 to {LONGEST_TEXT:,} characters, not {len(text)}")
    return name, text


def own_macros(kept: Any) -> tuple[Macro, ...]:
    """Return a person's macros from their preference; what is not a macro is left out."""
    if not isinstance(kept, Mapping):
        return ()
    return tuple(Macro(str(name), str(text), is_own=True) for name, text in sorted(kept.items()))


def known_macros(department: Iterable[Macro], own: Iterable[Macro]) -> tuple[Macro, ...]:
    """Return the macros that work for a person: one of their own goes before the department's of its name."""
    by_name = {macro.name: macro for macro in (*department, *own)}
    return tuple(by_name[name] for name in sorted(by_name))
