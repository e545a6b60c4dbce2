"""Asking a receiver whether it keeps what it acknowledged: one row per request (PS3.4 Annex J)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from app.domain.machine import advance


class CommitmentState(StrEnum):
    """Where a request stands."""

    PENDING = "PENDING"
    ASKED = "ASKED"
    COMMITTED = "COMMITTED"
    LOST = "LOST"
    UNANSWERED = "UNANSWERED"
    ABANDONED = "ABANDONED"


class CommitmentCommand(StrEnum):
    """What can happen to a request."""

    ACCEPT = "accept"
    CONFIRM = "confirm"
    DENY = "deny"
    TIME_OUT = "time out"
    ABANDON = "abandon"


_S, _C = CommitmentState, CommitmentCommand
# ABANDON closes a round of requests: a person's Retry begins to count anew. A report may still come after it.
COMMITMENT_TRANSITIONS: Mapping[tuple[CommitmentState, CommitmentCommand], CommitmentState] = {
    (_S.PENDING, _C.ACCEPT): _S.ASKED,
    (_S.PENDING, _C.CONFIRM): _S.COMMITTED,
    (_S.PENDING, _C.DENY): _S.LOST,
    (_S.PENDING, _C.ABANDON): _S.ABANDONED,
    (_S.ASKED, _C.CONFIRM): _S.COMMITTED,
    (_S.ASKED, _C.DENY): _S.LOST,
    (_S.ASKED, _C.TIME_OUT): _S.UNANSWERED,
    (_S.UNANSWERED, _C.CONFIRM): _S.COMMITTED,
    (_S.UNANSWERED, _C.DENY): _S.LOST,
    (_S.UNANSWERED, _C.ABANDON): _S.ABANDONED,
    (_S.LOST, _C.ABANDON): _S.ABANDONED,
    (_S.ABANDONED, _C.CONFIRM): _S.COMMITTED,
    (_S.ABANDONED, _C.DENY): _S.LOST,
}


@dataclass(frozen=True)
class SentObjects:
    """What a delivery became: `count` objects of one SOP class."""

    sop_class_uid: str
    count: int


@dataclass(frozen=True)
class Commitment:
    """One request for one delivery.

    Attributes
    ----------
    transaction_uid
        Random, stored before it is sent: who does not hold it cannot answer in the receiver's name.
    objects
        What was delivered, and is asked for.
    made_at, asked_at, answered_at
        When it was stored, accepted by the receiver, and answered by its report.
    """

    commitment_id: int
    delivery_id: int
    transaction_uid: str
    objects: SentObjects
    state: CommitmentState
    reason: str
    made_at: datetime
    asked_at: datetime | None
    answered_at: datetime | None

    def advance(self, command: CommitmentCommand, *, reason: str = "") -> Commitment:
        """Return the request after a command; raises `InvalidTransition`."""
        state = advance(COMMITMENT_TRANSITIONS, self.state, command)
        return replace(self, state=state, reason=reason or self.reason)

    def accept(self, *, now: datetime) -> Commitment:
        """Return the request as taken by the receiver."""
        return replace(self.advance(CommitmentCommand.ACCEPT), asked_at=now)

    def answer(self, failure: str, *, now: datetime) -> Commitment:
        """Return the request as answered; `failure` is empty when the receiver has the object."""
        command = CommitmentCommand.DENY if failure else CommitmentCommand.CONFIRM
        return replace(self.advance(command, reason=failure), answered_at=now)
