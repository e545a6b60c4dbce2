"""The audit log as a story: entries in the order of time, day by day, with what lies between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from enum import StrEnum

from app.domain.audit import AuditEntry, AuditEvent, Outcome


class Kind(StrEnum):
    """What sort of act an entry is, for the eye."""

    LOOK = "look"
    WRITE = "write"
    SIGN = "sign"
    SEND = "send"
    ACCESS = "access"
    SYSTEM = "system"
    REFUSED = "refused"


_E = AuditEvent
KINDS: Mapping[Kind, frozenset[AuditEvent]] = {
    Kind.LOOK: frozenset(
        {_E.LIST_STUDIES, _E.STUDY_OPENED, _E.DRAFT_VIEWED, _E.INSTANCES_RETRIEVED, _E.AUDIT_VIEWED}
    ),
    Kind.WRITE: frozenset(
        {
            _E.SENTENCE_EDITED,
            _E.SENTENCE_ACCEPTED,
            _E.SENTENCE_REJECTED,
            _E.REPORT_LOCKED,
            _E.REPORT_TAKEN_OVER,
            _E.CRITICAL_OPENED,
            _E.CRITICAL_CLOSED,
            _E.CRITICAL_CANCELLED,
        }
    ),
    Kind.SIGN: frozenset({_E.REPORT_SIGNED, _E.REPORT_WITHDRAWN}),
    Kind.SEND: frozenset(
        {
            _E.DELIVERY_SENT,
            _E.DELIVERY_COMMITTED,
            _E.DELIVERY_CANCELLED,
            _E.REPORT_EXPORTED,
            _E.AUDIT_EXPORTED,
        }
    ),
    Kind.ACCESS: frozenset(
        {
            _E.LOGIN,
            _E.LOGOUT,
            _E.USER_ADDED,
            _E.USER_CHANGED,
            _E.EMERGENCY_STARTED,
            _E.EMERGENCY_STOPPED,
            _E.STUDY_RESTRICTED,
            _E.STUDY_UNRESTRICTED,
        }
    ),
}
# acts of these names are trouble whatever their outcome says
_REFUSALS = frozenset({_E.ACCESS_DENIED, _E.LOGIN_FAILED, _E.ASSOCIATION_REJECTED, _E.MESSAGE_REFUSED})


@dataclass(frozen=True)
class Step:
    """One entry of a timeline.

    Attributes
    ----------
    after
        Time since the entry before it; None for the first.
    """

    entry: AuditEntry
    kind: Kind
    after: timedelta | None


@dataclass(frozen=True)
class Day:
    """The steps of one day (UTC), oldest first."""

    day: date
    steps: tuple[Step, ...]


def tell_story(entries: Sequence[AuditEntry]) -> tuple[Day, ...]:
    """Return entries as days of steps, oldest first, whatever order they come in."""
    ordered = sorted(entries, key=lambda entry: entry.seq)
    days: dict[date, list[Step]] = {}
    for before, entry in zip([None, *ordered], ordered, strict=False):
        after = None if before is None else entry.at - before.at
        days.setdefault(entry.at.astimezone(UTC).date(), []).append(Step(entry, kind_of(entry), after))
    return tuple(Day(day, tuple(steps)) for day, steps in days.items())


def kind_of(entry: AuditEntry) -> Kind:
    """Return what sort of act an entry is."""
    if entry.outcome == Outcome.FAILURE or entry.event in _REFUSALS:
        return Kind.REFUSED
    return next((kind for kind, events in KINDS.items() if entry.event in events), Kind.SYSTEM)
