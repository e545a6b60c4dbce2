"""An alert: something that a person has to look at, told once over the channels of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

TELL_WAITS = (5, 15, 60, 300, 900, 3600)


class AlertKind(StrEnum):
    """What is wrong."""

    DELIVERY_GIVEN_UP = "delivery given up"
    WORK_GIVEN_UP = "work given up"
    DESTINATION_SILENT = "destination does not take reports"
    SOURCE_SILENT = "source is silent"
    SELF_TEST_FAILED = "self-test failed"
    SPOOL_DAMAGED = "spool is damaged"
    DISK_LOW = "disk is low"
    DISCORDANCE = "AI text fares otherwise than before"
    CRITICAL_OVERDUE = "critical result not communicated"
    AUDIT_NOT_STAMPED = "audit log is not time-stamped"
    TOO_MANY_REQUESTS = "more requests than are taken"
    MODEL_UNUSABLE = "model cannot be used"
    SECOND_REVIEW = "second review found what was missed"
    EMERGENCY_ACCESS = "emergency access to a restricted study"


@dataclass(frozen=True)
class Alert:
    """One alert; there is one open alert of a kind about a subject.

    Attributes
    ----------
    subject
        What it is about: a delivery by number and destination, a destination by name. No patient data.
    reason
        Why, in words for the person who looks at it. No patient data.
    told_at
        When a channel of the settings took it; None until then.
    cleared_at
        When the cause went away or somebody retried the work; None while it is open.
    tries
        How often it was tried to tell it.
    """

    alert_id: int
    kind: AlertKind
    subject: str
    reason: str
    raised_at: datetime
    told_at: datetime | None
    cleared_at: datetime | None
    tries: int


def wait_before_telling_again(tries: int) -> timedelta | None:
    """Return the wait after this many tries that nobody answered; None when it is not tried again."""
    return timedelta(seconds=TELL_WAITS[tries - 1]) if 0 < tries <= len(TELL_WAITS) else None
