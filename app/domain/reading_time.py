"""How long a reader was at each section of a report, and how often its text was changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.errors import Rejected
from app.domain.report import Section

MOST_SECONDS = 600.0
MOST_EDITS = 1000


@dataclass(frozen=True)
class SectionTime:
    """What one reader did at one section since the last time it was told.

    Attributes
    ----------
    seconds
        In which the page was in view and in use.
    edits
        Texts changed, added or refused.
    """

    section: Section
    seconds: float
    edits: int


@dataclass(frozen=True)
class SectionEffort:
    """What one report took of its readers at one section.

    Attributes
    ----------
    readers
        Numbers of their accounts, to count different ones; never shown.
    """

    report_id: int
    ai_model: str
    section: Section
    seconds: float
    edits: int
    readers: frozenset[int]


def read_times(told: Mapping[str, object]) -> tuple[SectionTime, ...]:
    """Return what a browser tells: ``{"findings": {"seconds": 12.5, "edits": 1}, ...}``.

    Raises
    ------
    Rejected
        If a section is unknown, or a number is none that a reader can have spent since the last time.
    """
    return tuple(_read(name, entry) for name, entry in told.items())


def _read(name: str, entry: object) -> SectionTime:
    if name not in set(Section):
        raise Rejected(f"there is no section {name[:40]!r}")
    if not isinstance(entry, Mapping):
        raise Rejected("the time at a section has seconds and edits")
    seconds, edits = _finite(entry.get("seconds")), entry.get("edits")
    if not 0 <= seconds <= MOST_SECONDS:
        raise Rejected(f"the seconds at a section are 0 to {MOST_SECONDS:.0f}")
    if not isinstance(edits, int) or isinstance(edits, bool) or not 0 <= edits <= MOST_EDITS:
        raise Rejected(f"the edits of a section are 0 to {MOST_EDITS}")
    return SectionTime(Section(name), seconds, edits)


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return -1.0
    return float(value)
