"""The expected sources of the settings as the domain knows them."""

from __future__ import annotations

from app.domain.watch import Expectation
from app.settings import Settings

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def expectations(settings: Settings) -> tuple[Expectation, ...]:
    """Return what is expected of whom."""
    return tuple(
        Expectation(
            each.ae_title,
            each.hours,
            days=tuple(_DAYS.index(day) for day in each.days),
            begin=each.begin,
            end=each.end,
        )
        for each in settings.expected_sources
    )
