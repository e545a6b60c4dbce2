"""A study that waits for its draft: its place in the queue, or how far the worker is that has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

NO_ANSWER_YET = "no answer from drafting yet"
"""Why a study has no draft that still waits for it: opened to its readers meanwhile (P5)."""

URGENT_IN_A_ROW = 2
"""After so many urgent tasks in a row a worker takes the least urgent, oldest one (P4)."""


class DraftStep(StrEnum):
    """What a worker does with a study, in this order."""

    ORDER = "order"
    MODEL = "model"
    IMAGES = "images"
    READING = "reading"
    STORING = "storing"


@dataclass(frozen=True)
class WaitingDraft:
    """Where a draft stands that is not there yet.

    Attributes
    ----------
    works
        Whether a drafting worker lives; without one nothing goes on.
    before
        Tasks that the worker takes first; None when it has this one, or when its time has not come.
    since
        When a worker took it; None while it waits.
    step
        What that worker was doing when it last said so; None when it did not.
    again_at
        When it is tried again after an attempt that failed; None otherwise.
    """

    works: bool
    before: int | None = None
    since: datetime | None = None
    step: DraftStep | None = None
    again_at: datetime | None = None


@dataclass(frozen=True)
class Place:
    """Where a task stands among those whose time has come.

    Attributes
    ----------
    place
        Tasks of its kind (urgent or routine) that are more urgent, or as urgent and older.
    peers
        Those of them that are as urgent.
    milder
        Urgent tasks that are less urgent; none for a routine one.
    urgent_waiting, routine_waiting
        How many of either kind there are.
    """

    is_urgent: bool
    place: int
    peers: int
    milder: int
    urgent_waiting: int
    routine_waiting: int


def tasks_before(where: Place, *, urgent_in_a_row: int = 0) -> int:
    """Return how many tasks one worker takes before this one (`app.store.picking`).

    Parameters
    ----------
    urgent_in_a_row
        Urgent tasks that it has just taken one after the other.
    """
    at_first = max(0, URGENT_IN_A_ROW - urgent_in_a_row)
    if not where.is_urgent:
        return where.place + min(where.urgent_waiting, at_first + URGENT_IN_A_ROW * where.place)
    mixed = at_first + URGENT_IN_A_ROW * where.routine_waiting
    if where.place < at_first:
        return where.place
    if where.place < mixed:
        return where.place + 1 + (where.place - at_first) // URGENT_IN_A_ROW
    # nothing routine is left: the least urgent is taken first, until a routine task comes
    return mixed + where.routine_waiting + where.milder + min(where.peers, where.place - mixed)
