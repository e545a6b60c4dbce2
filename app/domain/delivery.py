"""A signed report on its way out: one row per report, destination and format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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


_S, _C = DeliveryState, DeliveryCommand
DELIVERY_TRANSITIONS: Mapping[tuple[DeliveryState, DeliveryCommand], DeliveryState] = {
    (_S.PENDING, _C.ACKNOWLEDGE): _S.SENT,
    (_S.FAILED, _C.ACKNOWLEDGE): _S.SENT,
    (_S.SENT, _C.COMMIT): _S.COMMITTED,
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
