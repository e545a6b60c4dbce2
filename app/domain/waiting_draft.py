"""A study that waits for its draft: its place in the queue, or how far the worker is that has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.priority import ROUTINE

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
class QueuedTask:
    """A task whose time has come."""

    task_id: int
    priority: int


def picking_order(tasks: Sequence[QueuedTask], *, urgent_in_a_row: int = 0) -> Iterator[QueuedTask]:
    """Return tasks in the order in which one worker takes them (`app.store.picking`).

    Parameters
    ----------
    urgent_in_a_row
        Urgent tasks that it has just taken one after the other.
    """
    urgent_first = iter(sorted(tasks, key=lambda task: (-task.priority, task.task_id)))
    routine_first = iter(sorted(tasks, key=lambda task: (task.priority, task.task_id)))
    taken: set[int] = set()
    while len(taken) < len(tasks):
        way = routine_first if urgent_in_a_row >= URGENT_IN_A_ROW else urgent_first
        following = next(task for task in way if task.task_id not in taken)
        taken.add(following.task_id)
        urgent_in_a_row = urgent_in_a_row + 1 if following.priority > ROUTINE else 0
        yield following
