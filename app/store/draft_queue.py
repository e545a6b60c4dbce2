"""How far the drafts are that readers wait for: their places in the queue, and who is at work on them.

The tables of the queue are procrastinate's (`app.store.work_queue`); what the workers are doing comes with
their signs of life.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.domain.operations import ALIVE
from app.domain.priority import ROUTINE
from app.domain.waiting_draft import DraftStep, Place, WaitingDraft, tasks_before
from app.domain.work import DRAFT_QUEUE, QUESTION_QUEUE
from app.store.tables_operations import HeartbeatRow

DRAFTING = "drafting"
"""The process that drafts, as it signs its signs of life."""

QUEUE_WORKER, DRAFT_STEP, IN_A_ROW = "queue_worker", "draft_step", "urgent_in_a_row"
"""What a drafting process says of itself: its number in the queue, its step (from 1 on), its last picks."""

STEPS = tuple(DraftStep)
_QUEUED = text("""
    WITH due AS (
      SELECT queueing_lock, priority > :routine AS is_urgent,
             count(*) FILTER (WHERE priority > :routine) OVER () AS urgent,
             count(*) OVER () AS total,
             row_number() OVER (ORDER BY priority DESC, id) - 1 AS place,
             row_number() OVER (PARTITION BY priority ORDER BY id) - 1 AS peers,
             rank() OVER (ORDER BY priority) - 1 AS milder
        FROM procrastinate_jobs
       WHERE status = 'todo' AND queue_name = ANY(:queues)
         AND (scheduled_at IS NULL OR scheduled_at <= now()))
    SELECT queueing_lock, NULL::bigint AS worker_id,
           NULL::timestamptz AS since, NULL::timestamptz AS again_at,
           is_urgent, urgent, total, place, peers, milder
      FROM due WHERE queueing_lock = ANY(:locks)
     UNION ALL
    SELECT queueing_lock, worker_id, CASE WHEN status = 'doing' THEN (
             SELECT max(event.at) FROM procrastinate_events AS event
              WHERE event.job_id = job.id AND event.type = 'started') END,
           CASE WHEN status = 'todo' THEN scheduled_at END, NULL, NULL, NULL, NULL, NULL, NULL
      FROM procrastinate_jobs AS job
     WHERE status IN ('todo', 'doing') AND queue_name = ANY(:queues) AND queueing_lock = ANY(:locks)
       AND (status = 'doing' OR scheduled_at > now())
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
        queues = [DRAFT_QUEUE, QUESTION_QUEUE]
        asked = {"locks": list(locks), "queues": queues, "routine": ROUTINE}
        found = self._session.execute(_QUEUED, asked).all()
        workers = self._workers(now) if found else []
        return {row.queueing_lock: _standing(row, workers) for row in found}

    def _workers(self, now: datetime) -> list[Mapping[str, Any]]:
        alive = select(HeartbeatRow.gauges).where(
            HeartbeatRow.process == DRAFTING, HeartbeatRow.seen_at > now - ALIVE
        )
        return list(self._session.scalars(alive))


def _standing(row: Any, workers: Sequence[Mapping[str, Any]]) -> WaitingDraft:
    works = bool(workers)
    if row.place is not None:
        in_a_row = max((int(worker.get(IN_A_ROW, 0)) for worker in workers), default=0)
        return WaitingDraft(works, before=tasks_before(_place(row), urgent_in_a_row=in_a_row))
    numbers = (each.get(DRAFT_STEP, 0) for each in workers if each.get(QUEUE_WORKER) == row.worker_id)
    step = next((STEPS[int(number) - 1] for number in numbers if 1 <= number <= len(STEPS)), None)
    return WaitingDraft(works, since=row.since, step=step, again_at=row.again_at)


def _place(row: Any) -> Place:
    """Return a place among its kind; the row counts urgent tasks before routine ones."""
    routine = row.total - row.urgent
    return Place(
        is_urgent=row.is_urgent,
        place=row.place if row.is_urgent else row.place - row.urgent,
        peers=row.peers,
        milder=row.milder - routine if row.is_urgent else 0,
        urgent_waiting=row.urgent,
        routine_waiting=routine,
    )
