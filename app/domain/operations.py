"""What the people who run the system see: what is stuck, what lives, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

ALIVE = timedelta(seconds=30)
Line = TypeVar("Line")


class QuarantineDecision(StrEnum):
    """What a person can decide about an instance in quarantine."""

    RELEASE = "release"
    DISCARD = "discard"


@dataclass(frozen=True)
class QuarantineEntry:
    """An instance in quarantine.

    Attributes
    ----------
    decision, outcome
        Empty while nobody decided; the outcome says what a release came to.
    """

    quarantine_id: int
    sop_uid: str
    study_uid: str
    sha256: str
    reason: str
    calling_ae: str
    received_at: datetime
    decision: str
    decided_by: str
    outcome: str


@dataclass(frozen=True)
class WaitingDelivery:
    """A delivery that is not done.

    Attributes
    ----------
    next_attempt_at
        When its job is due; None when no job waits.
    """

    delivery_id: int
    study_uid: str
    destination: str
    kind: str
    state: str
    attempts: int
    reason: str
    created_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True)
class StudyLine:
    """A study that does not go on by itself, and why."""

    study_uid: str
    accession_number: str
    modality: str
    calling_ae: str
    reason: str
    since: datetime
    instances: int


@dataclass(frozen=True)
class SourceLine:
    """A calling AE title and when it was last heard."""

    ae_title: str
    watched_since: datetime
    last_association_at: datetime | None
    last_instance_at: datetime | None

    @property
    def last_heard(self) -> datetime:
        """When it was last heard, or since when somebody listens for it."""
        return self.last_association_at or self.watched_since


@dataclass(frozen=True)
class ProcessLine:
    """A process of ours, as it last said."""

    process: str
    instance: str
    started_at: datetime
    seen_at: datetime
    gauges: Mapping[str, float]

    def is_alive(self, now: datetime) -> bool:
        """Whether it was heard lately."""
        return now - self.seen_at < ALIVE


@dataclass(frozen=True)
class Page(Generic[Line]):
    """One page of a list, and how many lines there are in all."""

    lines: tuple[Line, ...]
    total: int
