"""How AI text fares with its readers: accepted, rewritten, refused; how long signing took.

A sentence is *discordant* when the reader refused it, turned what it says (a negation or the side:
`app.domain.meaning`), or rewrote more than half of it. Whether that has changed: `app.domain.quality_band`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import SequenceMatcher
from enum import StrEnum
from statistics import mean, median
from typing import TypeVar

from app.domain.meaning import Turn, turn_of
from app.domain.quality_band import DayShare, interval
from app.domain.report import Decision, Origin, Sentence

REWRITTEN = 0.5
"""Share of changed characters above which an edited sentence says something else."""

Key = TypeVar("Key", bound=Hashable)


class Cause(StrEnum):
    """Why a sentence is discordant; the first that fits."""

    REFUSED = "refused"
    NEGATION = "negation"
    SIDE = "side"
    REWRITTEN = "rewritten"


_TURNED: Mapping[Turn, Cause] = {Turn.NEGATION: Cause.NEGATION, Turn.SIDE: Cause.SIDE}


@dataclass(frozen=True)
class ReadSentence:
    """An AI sentence of a signed report and what its reader made of it.

    Attributes
    ----------
    changed
        Share of characters that differ, 0 to 1; 0 for a sentence that was accepted.
    words
        How many words were put in, taken out or replaced.
    turn
        How an edit turned what it says; None when it did not.
    """

    findings: tuple[str, ...]
    decision: Decision
    changed: float
    words: int = 0
    turn: Turn | None = None

    @property
    def cause(self) -> Cause | None:
        """Why the reader said something else than the model; None when they did not."""
        if self.decision is Decision.REJECTED:
            return Cause.REFUSED
        if self.turn is not None:
            return _TURNED[self.turn]
        return Cause.REWRITTEN if self.changed > REWRITTEN else None

    @property
    def is_discordant(self) -> bool:
        """Whether the reader said something else than the model."""
        return self.cause is not None


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
    modality: str = ""


@dataclass(frozen=True)
class Tally:
    """Sums over AI sentences.

    Attributes
    ----------
    changed
        Mean share of changed characters over all of them.
    words
        Mean number of changed words of those that were edited; 0 without any.
    causes
        How many are discordant for which reason.
    """

    sentences: int
    accepted: int
    edited: int
    rejected: int
    discordant: int
    changed: float
    words: float = 0.0
    causes: Mapping[Cause, int] = field(default_factory=dict)

    @property
    def acceptance(self) -> float:
        """Share that was accepted as it stood."""
        return self.accepted / self.sentences

    @property
    def discordance(self) -> float:
        """Share that was refused, turned or rewritten."""
        return self.discordant / self.sentences

    @property
    def discordance_interval(self) -> tuple[float, float]:
        """The 95 % interval of the share of discordant sentences."""
        return interval(self.discordant, self.sentences)


@dataclass(frozen=True)
class Times:
    """How long signing took, in seconds, over the reports whose opening is on record; at least one."""

    reports: int
    median: float
    p90: float


@dataclass(frozen=True)
class ModelQuality:
    """One model version.

    Attributes
    ----------
    times
        None when no opening is on record.
    findings
        By finding; a sentence of two findings counts in both.
    days
        Oldest first; days without a signed AI sentence are left out.
    modalities
        By modality, as the images say it.
    months
        Times by month of the signature (its first day), oldest first.
    """

    model: str
    reports: int
    total: Tally
    times: Times | None
    findings: Mapping[str, Tally]
    days: tuple[DayShare, ...]
    modalities: Mapping[str, Tally] = field(default_factory=dict)
    months: Mapping[date, Times] = field(default_factory=dict)


def read_sentence(sentence: Sentence) -> ReadSentence | None:
    """Return what became of an AI sentence; None for one that a person wrote or nobody touched."""
    if sentence.origin is not Origin.AI or sentence.decision is Decision.UNTOUCHED:
        return None
    if sentence.decision is not Decision.EDITED:
        return ReadSentence(sentence.findings, sentence.decision, 0.0)
    before, after = sentence.ai_text, sentence.text
    return ReadSentence(
        sentence.findings,
        sentence.decision,
        share_changed(before, after),
        words_changed(before, after),
        turn_of(before, after),
    )


def share_changed(before: str, after: str) -> float:
    """Return the share of characters of both texts that the other does not have in the same order."""
    return 1.0 - SequenceMatcher(None, before, after, autojunk=False).ratio()


def words_changed(before: str, after: str) -> int:
    """Return how many words were put in, taken out or replaced by another."""
    steps = SequenceMatcher(None, before.split(), after.split(), autojunk=False).get_opcodes()
    return sum(max(i1 - i0, j1 - j0) for kind, i0, i1, j0, j1 in steps if kind != "equal")


def tally(sentences: Sequence[ReadSentence]) -> Tally:
    """Sum up sentences; at least one."""
    by = {decision: sum(one.decision is decision for one in sentences) for decision in Decision}
    causes = {cause: sum(one.cause is cause for one in sentences) for cause in Cause}
    edited = [one.words for one in sentences if one.decision is Decision.EDITED]
    return Tally(
        sentences=len(sentences),
        accepted=by[Decision.ACCEPTED],
        edited=by[Decision.EDITED],
        rejected=by[Decision.REJECTED],
        discordant=sum(causes.values()),
        changed=mean(one.changed for one in sentences),
        words=mean(edited) if edited else 0.0,
        causes=causes,
    )


def time_signing(readings: Iterable[SignedReading]) -> Times | None:
    """Return how long signing took; the 90th percentile is the smallest time that 90 % do not exceed."""
    seconds = sorted(reading.seconds for reading in readings if reading.seconds is not None)
    if not seconds:
        return None
    return Times(len(seconds), median(seconds), seconds[math.ceil(0.9 * len(seconds)) - 1])


def judge_models(readings: Iterable[SignedReading]) -> tuple[ModelQuality, ...]:
    """Return the quality of every model version whose text was signed, by name."""
    kept = [reading for reading in readings if reading.sentences]
    return tuple(_judge(model, own) for model, own in sorted(_grouped(kept, lambda r: r.model).items()))


def _judge(model: str, readings: Sequence[SignedReading]) -> ModelQuality:
    sentences = _sentences(readings)
    names = sorted({name for one in sentences for name in one.findings})
    by_day = {day: tally(_sentences(own)) for day, own in _grouped(readings, lambda r: r.day).items()}
    by_month = _grouped(readings, lambda r: r.day.replace(day=1))
    months = {month: time_signing(own) for month, own in sorted(by_month.items())}
    return ModelQuality(
        model=model,
        reports=len(readings),
        total=tally(sentences),
        times=time_signing(readings),
        findings={name: tally([one for one in sentences if name in one.findings]) for name in names},
        days=tuple(DayShare(day, t.discordant, t.sentences) for day, t in sorted(by_day.items())),
        modalities={
            name: tally(_sentences(own))
            for name, own in sorted(_grouped(readings, lambda r: r.modality).items())
        },
        months={month: times for month, times in months.items() if times is not None},
    )


def _sentences(readings: Iterable[SignedReading]) -> list[ReadSentence]:
    return [one for reading in readings for one in reading.sentences]


def _grouped(
    readings: Iterable[SignedReading], key: Callable[[SignedReading], Key]
) -> dict[Key, list[SignedReading]]:
    groups: dict[Key, list[SignedReading]] = {}
    for reading in readings:
        groups.setdefault(key(reading), []).append(reading)
    return groups
