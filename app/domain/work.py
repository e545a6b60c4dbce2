"""A job in the queue, when it is tried again, and what is left of one that was given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

DRAFT_QUEUE = "draft"
DELIVER_QUEUE = "deliver"
HOUSEKEEPING_QUEUE = "housekeeping"
# a draft waits for the answer: the question never stands behind long work such as fetching priors
WORKLIST_QUEUE = "worklist"
# somebody sits and waits: asked of the worker that has the model, before any draft
QUESTION_QUEUE = "question"
DRAFT_STUDY = "draft_study"
DELIVER_REPORT = "deliver_report"
FETCH_PRIORS = "fetch_priors"
ASK_COMMITMENT = "ask_commitment"
ASK_WORKLIST = "ask_worklist"
ANSWER_QUESTION = "answer_question"


@dataclass(frozen=True)
class Job:
    """A job that a worker holds.

    Attributes
    ----------
    attempts
        Attempts that ended before the present one; 0 during the first.
    worker_id
        The queue's number of the worker that holds it; None once that worker was struck off.
    """

    job_id: int
    queue: str
    task: str
    arguments: Mapping[str, Any]
    attempts: int
    worker_id: int | None


@dataclass(frozen=True)
class DeadLetter:
    """A job that was given up, with the reason; a retry marks it and makes a new job.

    Attributes
    ----------
    attempts
        Attempts made in all.
    """

    dead_letter_id: int
    job_id: int
    queue: str
    task: str
    arguments: Mapping[str, Any]
    study_uid: str
    attempts: int
    reason: str
    died_at: datetime
    retried_at: datetime | None


@dataclass(frozen=True)
class QueueDepth:
    """How full a queue is.

    Attributes
    ----------
    waiting_since
        When the oldest waiting job was made; None for an empty queue.
    """

    queue: str
    waiting: int
    running: int
    waiting_since: datetime | None


def draft_lock(study_uid: str, revision: int) -> str:
    """Return the queueing lock of the draft of a study revision."""
    return f"draft:{study_uid}:{revision}"


def worklist_lock(study_uid: str, revision: int) -> str:
    """Return the queueing lock of the question to the worklist about a study revision."""
    return f"worklist:{study_uid}:{revision}"


def wait_before_retry(attempts: int, waits: Sequence[int]) -> timedelta | None:
    """Return how long to wait after a failed attempt, or None when it was the last one.

    Parameters
    ----------
    attempts
        Attempts that ended before the one that has just failed.
    waits
        Seconds between the attempts; one attempt more than waits is made in all.
    """
    return timedelta(seconds=waits[attempts]) if attempts < len(waits) else None


@dataclass(frozen=True)
class OperationsOverview:
    """What the people who run the system look at.

    Attributes
    ----------
    quarantined
        Instances that no study could take.
    deliveries
        Number of deliveries by state.
    waiting_since
        When the oldest waiting job of any queue was made.
    """

    queues: tuple[QueueDepth, ...]
    dead_letters: tuple[DeadLetter, ...]
    quarantined: int
    deliveries: Mapping[str, int]
    waiting_since: datetime | None
