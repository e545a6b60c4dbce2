"""A signed report on its way out: one row per report, destination and format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.attestation import Attestation
from app.domain.machine import advance
from app.domain.report import Report
from app.domain.study import Instance, Patient, Study


class DeliveryState(StrEnum):
    """Where a delivery stands; SENT only after the receiver's success status."""

    PENDING = "PENDING"
    SENT = "SENT"
    COMMITTED = "COMMITTED"
    FAILED = "FAILED"
    DEAD = "DEAD"


class DeliveryCommand(StrEnum):
    """What can happen to a delivery."""

    ACKNOWLEDGE = "acknowledge"
    COMMIT = "commit"
    FAIL = "fail"
    GIVE_UP = "give up"
    RETRY = "retry"
    LOSE = "lose"


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
}


@dataclass(frozen=True)
class Delivery:
    """One signed report to one destination in one format.

    Attributes
    ----------
    destination
        ``AE@host:port`` as configured.
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
        """Return the delivery as waiting once more; why it failed stays readable until it is sent."""
        return replace(self, state=advance(DELIVERY_TRANSITIONS, self.state, DeliveryCommand.RETRY))


@dataclass(frozen=True)
class DeliveryOrder:
    """Everything that is needed to build and send one object, and nothing that may not leave.

    Attributes
    ----------
    source
        The instance that the object refers to first: the first image of the signed revision.
    instances
        The instances that the report was made from: those of the signed revision, no later ones.
    report
        With the sentences that may leave (`app.domain.report.releasable`).
    sections
        Text per section exactly as signed, keyed by `Section` value.
    draft_model
        ``id``, ``preset``, ``weights_sha256``, ``adapters_sha256``; empty when written by hand.
    """

    delivery: Delivery
    study: Study
    patient: Patient
    source: Instance
    instances: tuple[Instance, ...]
    report: Report
    attestation: Attestation
    sections: Mapping[str, str]
    draft_model: Mapping[str, Any]
