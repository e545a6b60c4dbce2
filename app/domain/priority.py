"""Which study is read first, and why; the worklist shows the reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.domain.critical import CRITICAL_FINDINGS

ROUTINE, AI_CRITICAL, STAT = 0, 50, 100


@dataclass(frozen=True)
class Priority:
    """A rank (higher is sooner) and the reason for it."""

    rank: int
    reason: str


def requested_priority(requested: str) -> Priority:
    """Return the priority that the order asks for (Requested Procedure Priority, PS3.4 Table K.6-1a)."""
    if requested.upper() in {"STAT", "HIGH"}:
        return Priority(STAT, f"ordered {requested.upper()}")
    return Priority(ROUTINE, "routine")


def with_findings(priority: Priority, present: Collection[str]) -> Priority:
    """Raise a priority when the draft holds a critical finding; never lower it."""
    critical = sorted(CRITICAL_FINDINGS.intersection(present))
    if not critical or priority.rank >= AI_CRITICAL:
        return priority
    return Priority(AI_CRITICAL, f"AI: possible {', '.join(critical).lower()}")
