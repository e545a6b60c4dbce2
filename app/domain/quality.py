"""How AI text fares with its readers: accepted, rewritten, refused; and whether that has changed.

A sentence is *discordant* when the reader refused it or rewrote more than half of it. What a day's share of
discordant sentences is held against is a binomial band around the share before (Clopper and Pearson's tails):
one bad day is luck, seven in a row are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from statistics import median
from typing import TypeVar

from app.domain.report import Decision, Origin, Sentence

REWRITTEN = 0.5
"""Share of changed characters above which an edited sentence says something else."""

TAIL = 0.025
"""Of either side of the 95 % band."""

DAYS_OUTSIDE = 7
FEWEST_BEFORE = 100
"""Sentences before the last days, for their share to be worth a comparison."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class ReadSentence:
    """An AI sentence of a signed report and what its reader made of it.

    Attributes
    ----------
    changed
        Share of characters that differ, 0 to 1; 0 for a sentence that was accepted.
    """

    findings: tuple[str, ...]
    decision: Decision
    changed: float

    @property
    def is_discordant(self) -> bool:
        """Whether the reader said something else than the model."""
        return self.decision is Decision.REJECTED or self.changed > REWRITTEN


@dataclass(frozen=True)
class SignedReading:
    """A report that began as a draft, as it was signed.

    Attributes
    ----------
    seconds
        From the signer's first opening of the study to the signature; None when it is not on record.
    """

    model: str
    day: date
    seconds: float | None
    sentences: tuple[ReadSentence, ...]


@dataclass(frozen=True)
class Tally:
    """Sums over AI sentences."""

    sentences: int
    accepted: int
    edited: int
    rejected: int
    discordant: int
    changed: float

    @property
    def acceptance(self) -> float:
        """Share that was accepted as it stood."""
        return self.accepted / self.sentences

    @property
    def discordance(self) -> float:
        """Share that was refused or rewritten."""
        return self.discordant / self.sentences


@dataclass(frozen=True)
class DayShare:
    """One day's AI sentences and how many of them were discordant."""

    day: date
    discordant: int
    sentences: int


@dataclass(frozen=True)
class ModelQuality:
    """One model version.

    Attributes
    ----------
    seconds_to_sign
        Median; None when no opening is on record.
    findings
        By finding; a sentence of two findings counts in both.
    days
        Oldest first; days without a signed AI sentence are left out.
    """

    model: str
    reports: int
    total: Tally
    seconds_to_sign: float | None
    findings: Mapping[str, Tally]
    days: tuple[DayShare, ...]


def read_sentence(sentence: Sentence) -> ReadSentence | None:
    """Return what became of an AI sentence; None for one that a person wrote or nobody touched."""
    if sentence.origin is not Origin.AI or sentence.decision is Decision.UNTOUCHED:
        return None
    edited = sentence.decision is Decision.EDITED
    changed = share_changed(sentence.ai_text, sentence.text) if edited else 0.0
    return ReadSentence(sentence.findings, sentence.decision, changed)


def share_changed(before: str, after: str) -> float:
    """Return the share of characters of both texts that the other does not have in the same order."""
    return 1.0 - SequenceMatcher(None, before, after, autojunk=False).ratio()


def tally(sentences: Sequence[ReadSentence]) -> Tally:
    """Sum up sentences; at least one."""
    by = {decision: sum(one.decision is decision for one in sentences) for decision in Decision}
    return Tally(
        sentences=len(sentences),
        accepted=by[Decision.ACCEPTED],
        edited=by[Decision.EDITED],
        rejected=by[Decision.REJECTED],
        discordant=sum(one.is_discordant for one in sentences),
        changed=sum(one.changed for one in sentences) / len(sentences),
    )


def judge_models(readings: Iterable[SignedReading]) -> tuple[ModelQuality, ...]:
    """Return the quality of every model version whose text was signed, by name."""
    kept = [reading for reading in readings if reading.sentences]
    return tuple(_judge(model, own) for model, own in sorted(_grouped(kept, lambda r: r.model).items()))


def _judge(model: str, readings: Sequence[SignedReading]) -> ModelQuality:
    sentences = [one for reading in readings for one in reading.sentences]
    names = sorted({name for one in sentences for name in one.findings})
    timed = [reading.seconds for reading in readings if reading.seconds is not None]
    days = [
        DayShare(day, counts.discordant, counts.sentences)
        for day, own in sorted(_grouped(readings, lambda r: r.day).items())
        for counts in [tally([one for reading in own for one in reading.sentences])]
    ]
    return ModelQuality(
        model=model,
        reports=len(readings),
        total=tally(sentences),
        seconds_to_sign=median(timed) if timed else None,
        findings={name: tally([one for one in sentences if name in one.findings]) for name in names},
        days=tuple(days),
    )


def drift(days: Sequence[DayShare]) -> str:
    """Say how the discordance has left its band, "" when it has not or nobody can tell.

    Parameters
    ----------
    days
        Of one model version, oldest first; the last seven are held against all before.
    """
    before, last = days[:-DAYS_OUTSIDE], days[-DAYS_OUTSIDE:]
    counted = sum(day.sentences for day in before)
    if len(last) < DAYS_OUTSIDE or counted < FEWEST_BEFORE:
        return ""
    usual = sum(day.discordant for day in before) / counted
    sides = {side_of_band(day, usual) for day in last}
    if sides not in ({"above"}, {"below"}):
        return ""
    share = sum(day.discordant for day in last) / sum(day.sentences for day in last)
    side = sides.pop()
    return (
        f"{share:.0%} of AI sentences discordant over {DAYS_OUTSIDE} days, {side} the band around {usual:.0%}"
    )


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


def _grouped(
    readings: Iterable[SignedReading], key: Callable[[SignedReading], Key]
) -> dict[Key, list[SignedReading]]:
    groups: dict[Key, list[SignedReading]] = {}
    for reading in readings:
        groups.setdefault(key(reading), []).append(reading)
    return groups
