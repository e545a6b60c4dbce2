"""How far the drafts are that readers wait for: their places in the queue, and who is at work on them.

The tables of the queue are procrastinate's (`app.store.work_queue`); what the workers are doing comes with
their signs of life.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.operations import ALIVE
from app.domain.waiting_draft import DraftStep, QueuedTask, WaitingDraft, picking_order
from app.domain.work import DRAFT_QUEUE, QUESTION_QUEUE
from app.store.tables_operations import HeartbeatRow

DRAFTING = "drafting"
"""The process that drafts, as it signs its signs of life."""

QUEUE_WORKER, DRAFT_STEP, IN_A_ROW = "queue_worker", "draft_step", "urgent_in_a_row"
"""What a drafting process says of itself: its number in the queue, its step (from 1 on), its last picks."""

STEPS = tuple(DraftStep)
_QUEUED = text("""
    SELECT job.id, job.priority, job.worker_id, job.status = 'doing' AS held,
           coalesce(job.scheduled_at > now(), false) AS later, job.scheduled_at,
           CASE WHEN job.queueing_lock = ANY(:locks) THEN job.queueing_lock END AS lock,
           CASE WHEN job.status = 'doing' THEN (
                SELECT max(event.at) FROM procrastinate_events AS event
                 WHERE event.job_id = job.id AND event.type = 'started') END AS since
      FROM procrastinate_jobs AS job
     WHERE job.status IN ('todo', 'doing') AND job.queue_name = ANY(:queues)
""")


class DraftQueue:
    """The queue of the drafting workers as those see it who wait, as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def waiting(self, locks: Sequence[str], *, now: datetime) -> dict[str, WaitingDraft]:
        """Return where the drafts with these queueing locks stand, those that are in the queue.

        The places are those of one worker; several workers get through them faster.
        """
        if not locks:
            return {}
        asked = {"locks": list(locks), "queues": [DRAFT_QUEUE, QUESTION_QUEUE]}
        jobs = self._session.execute(_QUEUED, asked).all()
        wanted = [job for job in jobs if job.lock is not None]
        if not wanted:
            return {}
        workers = self._workers(now)
        places = _places(jobs, workers)
        return {job.lock: _standing(job, workers, places.get(job.id)) for job in wanted}

    def _workers(self, now: datetime) -> list[Mapping[str, Any]]:
        alive = select(HeartbeatRow.gauges).where(
            HeartbeatRow.process == DRAFTING, HeartbeatRow.seen_at > now - ALIVE
        )
        return list(self._session.scalars(alive))


def _places(jobs: Iterable[Any], workers: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    due = [QueuedTask(job.id, job.priority) for job in jobs if not job.held and not job.later]
    in_a_row = max((int(worker.get(IN_A_ROW, 0)) for worker in workers), default=0)
    return {task.task_id: place for place, task in enumerate(picking_order(due, urgent_in_a_row=in_a_row))}


def _standing(job: Any, workers: Sequence[Mapping[str, Any]], place: int | None) -> WaitingDraft:
    if not job.held:
        return WaitingDraft(bool(workers), before=place, again_at=job.scheduled_at if job.later else None)
    numbers = (w.get(DRAFT_STEP, 0) for w in workers if w.get(QUEUE_WORKER) == job.worker_id)
    step = next((STEPS[int(number) - 1] for number in numbers if 1 <= number <= len(STEPS)), None)
    return WaitingDraft(bool(workers), since=job.since, step=step)
