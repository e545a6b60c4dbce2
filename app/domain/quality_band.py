"""Whether a share has changed, and how sure a share is: bands and intervals of counts.

What a day's share of discordant sentences is held against is a binomial band around the share before (Clopper
and Pearson's tails): one bad day is luck, seven in a row are not. The interval of a share is Wilson's (1927),
which holds for small numbers and shares near 0 and 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

TAIL = 0.025
"""Of either side of the 95 % band."""

DEVIATIONS = 1.959964
"""Standard deviations on either side of 95 % (normal distribution)."""

DAYS_OUTSIDE = 7
FEWEST_BEFORE = 100
"""Sentences before the last days, for their share to be worth a comparison."""


@dataclass(frozen=True)
class DayShare:
    """One day's AI sentences and how many of them were discordant."""

    day: date
    discordant: int
    sentences: int

    @property
    def share(self) -> float:
        """Share that was discordant."""
        return self.discordant / self.sentences


@dataclass(frozen=True)
class Band:
    """The 95 % band of one day.

    Attributes
    ----------
    low, high
        Shares; a day between them, ends included, is inside.
    side
        ``above``, ``below`` or ``inside``.
    """

    low: float
    high: float
    side: str


def drift(days: Sequence[DayShare]) -> str:
    """Say how the discordance has left its band, "" when it has not or nobody can tell.

    Parameters
    ----------
    days
        Of one model version, oldest first; the last seven are held against all before.
    """
    last, usual = days[-DAYS_OUTSIDE:], usual_share(days)
    if usual is None:
        return ""
    sides = {side_of_band(day, usual) for day in last}
    if sides not in ({"above"}, {"below"}):
        return ""
    share = sum(day.discordant for day in last) / sum(day.sentences for day in last)
    side = sides.pop()
    return (
        f"{share:.0%} of AI sentences discordant over {DAYS_OUTSIDE} days, {side} the band around {usual:.0%}"
    )


def usual_share(days: Sequence[DayShare]) -> float | None:
    """Return the share that the last seven days are held against; None when too little came before them."""
    before = days[:-DAYS_OUTSIDE]
    counted = sum(day.sentences for day in before)
    return sum(day.discordant for day in before) / counted if counted >= FEWEST_BEFORE else None


def bands(days: Sequence[DayShare]) -> tuple[Band, ...]:
    """Return the band of each day around the usual share; empty when there is none."""
    usual = usual_share(days)
    return () if usual is None else tuple(_band(day, usual) for day in days)


def _band(day: DayShare, usual: float) -> Band:
    side = side_of_band(day, usual)
    if not 0 < usual < 1:
        return Band(usual, usual, side)
    chances = [_binomial(k, day.sentences, usual) for k in range(day.sentences + 1)]
    up_to = list(itertools.accumulate(chances))
    from_on = list(itertools.accumulate(reversed(chances)))[::-1]
    inside = [k for k in range(day.sentences + 1) if up_to[k] > TAIL and from_on[k] > TAIL]
    return Band(inside[0] / day.sentences, inside[-1] / day.sentences, side)


def interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson); (0, 1) when nothing was counted."""
    if not trials:
        return 0.0, 1.0
    share, square = successes / trials, DEVIATIONS**2
    centre = share + square / (2 * trials)
    spread = DEVIATIONS * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    scale = 1 + square / trials
    # at either end the formula gives 0 and 1, but for rounding
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == trials else (centre + spread) / scale
    return low, high


def side_of_band(day: DayShare, usual: float) -> str:
    """Return whether a day lies ``above`` or ``below`` the 95 % band of the usual share, else ``inside``."""
    if binomial_tail(day.discordant, day.sentences, usual) <= TAIL:
        return "above"
    if binomial_tail(day.sentences - day.discordant, day.sentences, 1 - usual) <= TAIL:
        return "below"
    return "inside"


def binomial_tail(successes: int, trials: int, share: float) -> float:
    """Return the probability of at least so many successes, each of probability ``share``."""
    if not 0 < share < 1:
        return float(successes == 0 or share >= 1)
    return min(1.0, math.fsum(_binomial(k, trials, share) for k in range(successes, trials + 1)))


def _binomial(successes: int, trials: int, share: float) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return math.exp(ways + successes * math.log(share) + (trials - successes) * math.log(1 - share))
