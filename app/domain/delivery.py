"""A signed report on its way out: one row per signature, destination and format."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain.attestation import Attestation
from app.domain.finding import ReleasedFinding
from app.domain.machine import advance
from app.domain.report import Report, ReportState
from app.domain.signed_text import SignedText
from app.domain.study import Instance, Patient, Study


class DeliveryState(StrEnum):
    """Where a delivery stands; SENT only after the receiver's success status."""

    PENDING = "PENDING"
    SENT = "SENT"
    COMMITTED = "COMMITTED"
    FAILED = "FAILED"
    DEAD = "DEAD"
    CANCELLED = "CANCELLED"


class DeliveryCommand(StrEnum):
    """What can happen to a delivery."""

    ACKNOWLEDGE = "acknowledge"
    COMMIT = "commit"
    FAIL = "fail"
    GIVE_UP = "give up"
    RETRY = "retry"
    LOSE = "lose"
    CANCEL = "cancel"


_S, _C = DeliveryState, DeliveryCommand
DELIVERY_TRANSITIONS: Mapping[tuple[DeliveryState, DeliveryCommand], DeliveryState] = {
    (_S.PENDING, _C.ACKNOWLEDGE): _S.SENT,
    (_S.FAILED, _C.ACKNOWLEDGE): _S.SENT,
    (_S.SENT, _C.COMMIT): _S.COMMITTED,
    # the receiver says that it does not have what it acknowledged
    (_S.SENT, _C.LOSE): _S.FAILED,
    (_S.PENDING, _C.FAIL): _S.FAILED,
    (_S.FAILED, _C.FAIL): _S.FAILED,
    (_S.PENDING, _C.GIVE_UP): _S.DEAD,
    (_S.FAILED, _C.GIVE_UP): _S.DEAD,
    (_S.DEAD, _C.RETRY): _S.PENDING,
    (_S.FAILED, _C.RETRY): _S.PENDING,
    # a later message says all of it, or the report was withdrawn
    (_S.PENDING, _C.CANCEL): _S.CANCELLED,
    (_S.FAILED, _C.CANCEL): _S.CANCELLED,
    (_S.DEAD, _C.CANCEL): _S.CANCELLED,
    # an attempt was on its way at that moment, and arrived
    (_S.CANCELLED, _C.ACKNOWLEDGE): _S.SENT,
}

OPEN = frozenset({DeliveryState.PENDING, DeliveryState.FAILED})
JITTER = 0.25


def wait_before_resend(
    delivery_id: int, attempts: int, waits: Sequence[int], *, seed: int = 0
) -> timedelta | None:
    """Return how long to wait after a failed attempt, or None when it was the last one.

    The wait varies by a quarter up and down, so that what failed together does not come back together; the
    same delivery and attempt give the same wait.

    Parameters
    ----------
    attempts
        Attempts that failed, the last one included.
    waits
        Seconds between the attempts.
    """
    if attempts > len(waits):
        return None
    chance = random.Random(f"{seed}/{delivery_id}/{attempts}")  # noqa: S311 - spreads load, hides nothing
    return timedelta(seconds=waits[attempts - 1] * chance.uniform(1 - JITTER, 1 + JITTER))


@dataclass(frozen=True)
class Delivery:
    """One signed report to one destination in one format.

    Attributes
    ----------
    destination
        The configured name; deliveries of the first release have ``AE@host:port`` instead.
    kind
        The result format, for example ``report_sr``.
    sop_uid
        SOP Instance UID of the object, fixed before the first attempt so that a resend is the same object.
    """

    delivery_id: int
    report_id: int
    attestation_id: int
    study_uid: str
    destination: str
    kind: str
    sop_uid: str
    state: DeliveryState
    attempts: int
    reason: str
    created_at: datetime
    sent_at: datetime | None

    @property
    def is_sent(self) -> bool:
        """Whether the receiver has acknowledged it."""
        return self.state in {DeliveryState.SENT, DeliveryState.COMMITTED}

    def acknowledge(self, *, now: datetime) -> Delivery:
        """Return the delivery as acknowledged by the receiver."""
        state = advance(DELIVERY_TRANSITIONS, self.state, DeliveryCommand.ACKNOWLEDGE)
        return replace(self, state=state, attempts=self.attempts + 1, reason="", sent_at=now)

    def fail(self, reason: str, *, final: bool) -> Delivery:
        """Return the delivery after a failed attempt; `final` gives it up."""
        command = DeliveryCommand.GIVE_UP if final else DeliveryCommand.FAIL
        state = advance(DELIVERY_TRANSITIONS, self.state, command)
        return replace(self, state=state, attempts=self.attempts + 1, reason=reason)

    def commit(self) -> Delivery:
        """Return the delivery as kept by the receiver (storage commitment)."""
        return replace(self, state=advance(DELIVERY_TRANSITIONS, self.state, DeliveryCommand.COMMIT))

    def lose(self, reason: str) -> Delivery:
        """Return the delivery as lost by the receiver, after it had acknowledged it."""
        state = advance(DELIVERY_TRANSITIONS, self.state, DeliveryCommand.LOSE)
        return replace(self, state=state, reason=reason)

    def retry(self) -> Delivery:
        """Return the delivery with fresh attempts; why it failed stays readable until it is sent."""
        state = advance(DELIVERY_TRANSITIONS, self.state, DeliveryCommand.RETRY)
        return replace(self, state=state, attempts=0)

    def cancel(self, reason: str) -> Delivery:
        """Return the delivery as one that will not be sent, and why."""
        state = advance(DELIVERY_TRANSITIONS, self.state, DeliveryCommand.CANCEL)
        return replace(self, state=state, reason=reason)


@dataclass(frozen=True)
class DeliveryOrder:
    """Everything that is needed to build and send one object, and nothing that may not leave.

    Attributes
    ----------
    state
        What the message says of the report: the state that the signature gave it.
    attestation
        The signature that the message is about; of a withdrawal the withdrawing one.
    text
        The report as it stood after that signature, with every addendum and correction; of a withdrawal what
        is withdrawn.
    earlier
        The documents that went, or were to go, to the same destination in the same format before, oldest
        first.
    withdrawal_reason
        Empty unless the report was withdrawn.
    source
        The instance that the object refers to first: the first image of the signed revision.
    instances
        The instances that the report was made from: those of the signed revision, no later ones.
    report
        With the sentences that may leave (`app.domain.report.releasable`), of a corrected text its own.
    findings
        What the reader accepted of the model's findings, as far as the text in force still says it.
    first_findings
        What the reader accepted of them at the first signature: what documents without text showed.
    draft_model
        ``id``, ``preset``, ``weights_sha256``, ``adapters_sha256``; empty when written by hand.
    """

    delivery: Delivery
    study: Study
    patient: Patient
    source: Instance
    instances: tuple[Instance, ...]
    report: Report
    state: ReportState
    attestation: Attestation
    text: SignedText
    earlier: tuple[Delivery, ...]
    withdrawal_reason: str
    findings: tuple[ReleasedFinding, ...]
    first_findings: tuple[ReleasedFinding, ...]
    draft_model: Mapping[str, Any]

    @property
    def signed(self) -> Attestation:
        """The signature under the sections that the message carries."""
        return self.text.signature

    @property
    def sections(self) -> Mapping[str, str]:
        """Text per section exactly as signed, keyed by `Section` value."""
        return self.text.sections
