"""A critical result: a finding that somebody has to be told of, and a loop that stays open until they are.

What must be on record follows the ACR Practice Parameter for Communication of Diagnostic Imaging Findings;
the categories are by how soon the receiver must know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from app.domain.errors import Rejected
from app.domain.machine import advance
from app.domain.report import clean_text

CRITICAL_FINDINGS = frozenset({"Pneumothorax"})
"""Findings of the model that open a loop by themselves when they stay in a signed report."""

LONGEST_NAME = 120
LONGEST_FINDING = 300
CLOCK_SKEW = timedelta(minutes=1)


class Category(IntEnum):
    """How soon the receiver must know: within minutes, within hours, within days."""

    MINUTES = 1
    HOURS = 2
    DAYS = 3


class Means(StrEnum):
    """How somebody was told; a message that nobody has to answer is none of them."""

    IN_PERSON = "in person"
    TELEPHONE = "by telephone"
    VIDEO = "by video call"
    SECURE_MESSAGE = "by secure message, answered"


class CriticalState(StrEnum):
    """Life of a loop."""

    OPEN = "OPEN"
    ESCALATED = "ESCALATED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class CriticalCommand(StrEnum):
    """What time or a reader does to a loop."""

    ESCALATE = "escalate"
    CLOSE = "close"
    CANCEL = "cancel"


_S, _C = CriticalState, CriticalCommand
CRITICAL_TRANSITIONS: Mapping[tuple[CriticalState, CriticalCommand], CriticalState] = {
    (_S.OPEN, _C.ESCALATE): _S.ESCALATED,
    (_S.ESCALATED, _C.ESCALATE): _S.ESCALATED,
    (_S.OPEN, _C.CLOSE): _S.CLOSED,
    (_S.ESCALATED, _C.CLOSE): _S.CLOSED,
    (_S.OPEN, _C.CANCEL): _S.CANCELLED,
    (_S.ESCALATED, _C.CANCEL): _S.CANCELLED,
}

UNFINISHED = frozenset({CriticalState.OPEN, CriticalState.ESCALATED})


@dataclass(frozen=True)
class Communication:
    """Who told whom, when and how.

    Attributes
    ----------
    told_at
        Aware time of the conversation, not of the record.
    """

    teller: str
    receiver: str
    told_at: datetime
    means: Means

    def checked(self, *, now: datetime) -> Communication:
        """Return the communication with its names cleaned.

        Raises
        ------
        Rejected
            Naming everything that is missing or cannot be.
        """
        teller, receiver = clean_text(self.teller), clean_text(self.receiver)
        problems = [f"who {what}" for name, what in ((teller, "told"), (receiver, "was told")) if not name]
        problems += [
            f"a name of {LONGEST_NAME} characters at most"
            for name in (teller, receiver)
            if len(name) > LONGEST_NAME
        ]
        if self.told_at > now + CLOCK_SKEW:
            problems.append("a time that has come")
        if problems:
            raise Rejected(f"a critical result is closed with {', '.join(problems)}")
        return replace(self, teller=teller, receiver=receiver)


@dataclass(frozen=True)
class CriticalResult:
    """One loop.

    Attributes
    ----------
    finding
        What is critical, in the reader's words.
    due_at
        When it escalates unless it is closed before.
    escalations
        How often its time has passed.
    reason
        Why it was cancelled; empty otherwise.
    """

    critical_id: int
    study_uid: str
    report_id: int | None
    finding: str
    category: Category
    state: CriticalState
    opened_by: str
    opened_at: datetime
    due_at: datetime
    escalations: int = 0
    communication: Communication | None = None
    ended_by: str = ""
    ended_at: datetime | None = None
    reason: str = ""

    @property
    def is_unfinished(self) -> bool:
        """Whether somebody has still to be told."""
        return self.state in UNFINISHED

    def escalate(self, wait: timedelta, *, now: datetime) -> CriticalResult:
        """Return the loop one escalation further, due again after another wait."""
        state = advance(CRITICAL_TRANSITIONS, self.state, CriticalCommand.ESCALATE)
        return replace(self, state=state, escalations=self.escalations + 1, due_at=now + wait)

    def close(self, communication: Communication, username: str, *, now: datetime) -> CriticalResult:
        """Return the loop closed; `Rejected` when the communication is not complete."""
        state = advance(CRITICAL_TRANSITIONS, self.state, CriticalCommand.CLOSE)
        told = communication.checked(now=now)
        return replace(self, state=state, communication=told, ended_by=username, ended_at=now)

    def cancel(self, reason: str, username: str, *, now: datetime) -> CriticalResult:
        """Return the loop cancelled: it was opened in error; `Rejected` without a reason."""
        state = advance(CRITICAL_TRANSITIONS, self.state, CriticalCommand.CANCEL)
        reason = clean_text(reason)
        if not reason or len(reason) > LONGEST_FINDING:
            raise Rejected(
                f"a critical result is cancelled with a reason of at most {LONGEST_FINDING} characters"
            )
        return replace(self, state=state, reason=reason, ended_by=username, ended_at=now)


def name_finding(finding: str) -> str:
    """Return what is critical, cleaned; `Rejected` when it is empty or too long."""
    cleaned = clean_text(finding)
    if not cleaned or len(cleaned) > LONGEST_FINDING:
        raise Rejected(f"a critical result names its finding, in {LONGEST_FINDING} characters at most")
    return cleaned
