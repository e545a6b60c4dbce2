"""When a source that should send has been silent for too long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

_LONGEST_LOOK_BACK = 31


@dataclass(frozen=True)
class Expectation:
    """What is expected of a source.

    Attributes
    ----------
    hours
        Longest silence that is normal.
    days
        Weekdays on which it works, Monday is 0.
    begin, end
        Hours of the local day between which it works: 0 and 24 for always.
    """

    ae_title: str
    hours: float
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    begin: int = 0
    end: int = 24


def silence(expected: Expectation, last_heard: datetime, *, now: datetime) -> timedelta | None:
    """Return how long a source has been silent in its working time; None outside of that time.

    Parameters
    ----------
    last_heard
        When it last opened an association, or since when it is watched.
    now
        Aware, in the time zone whose days and hours are meant.
    """
    opened = _opened_at(expected, now)
    if opened is None:
        return None
    return now - max(opened, last_heard.astimezone(now.tzinfo))


def is_too_silent(expected: Expectation, last_heard: datetime, *, now: datetime) -> bool:
    """Tell whether a source that should be working has been silent for longer than is normal."""
    silent = silence(expected, last_heard, now=now)
    return silent is not None and silent > timedelta(hours=expected.hours)


def _opened_at(expected: Expectation, now: datetime) -> datetime | None:
    """Return when the present stretch of working time began; whole days in a row are one stretch."""
    midnight = datetime.combine(now.date(), time.min, tzinfo=now.tzinfo)
    hour = (now - midnight) / timedelta(hours=1)
    if now.weekday() not in expected.days or not expected.begin <= hour < expected.end:
        return None
    if expected.begin > 0 or expected.end < 24:
        return midnight + timedelta(hours=expected.begin)
    for back in range(1, _LONGEST_LOOK_BACK):
        if (midnight - timedelta(days=back)).weekday() not in expected.days:
            return midnight - timedelta(days=back - 1)
    return midnight - timedelta(days=_LONGEST_LOOK_BACK)
