"""The queue inside the caller's transaction: state, audit entry and job commit together or not at all.

procrastinate owns the tables `procrastinate_*`; we defer through its own code on the session's connection.
What a dying worker leaves behind is read and changed here under row locks, because procrastinate's own
retry by id does not ask who holds the job by now.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.domain.errors import Conflict, NotFound
from app.domain.work import DeadLetter, Job, QueueDepth
from app.store.tables import DeadLetterRow, DeliveryRow, QuarantineRow

_STALLED = text("""
    SELECT job.id, job.queue_name, job.task_name, job.args, job.attempts, job.worker_id
      FROM procrastinate_jobs AS job
      LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
     WHERE job.status = 'doing'
       AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => :silence))
     ORDER BY job.id
       FOR UPDATE OF job SKIP LOCKED
""")
_REQUEUE = text("""
    UPDATE procrastinate_jobs
       SET status = 'todo', attempts = attempts + 1, scheduled_at = now(), worker_id = NULL
     WHERE id = :job_id AND status = 'doing' AND worker_id IS NOT DISTINCT FROM :worker_id
""")
_RUNS = text("""
    SELECT EXISTS (SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = :lock AND status = 'doing')
""")
_WAKE = text("""SELECT pg_notify('procrastinate_queue_v1#' || CAST(:queue AS text), :payload)""")
_TWIN_WAITS = text("""
    SELECT EXISTS (SELECT 1
      FROM procrastinate_jobs AS job
      JOIN procrastinate_jobs AS twin ON twin.queueing_lock = job.queueing_lock AND twin.status = 'todo'
     WHERE job.id = :job_id)
""")
_PUT_BACK = text("""
    UPDATE procrastinate_jobs SET status = 'todo', worker_id = NULL
     WHERE status = 'doing' AND worker_id = :worker_id
    RETURNING id
""")
_GIVE_UP = text("""
    UPDATE procrastinate_jobs
       SET status = 'failed', attempts = attempts + 1, abort_requested = false
     WHERE id = :job_id AND status = 'doing' AND worker_id IS NOT DISTINCT FROM :worker_id
    RETURNING attempts
""")
_RAISE = text("""
    UPDATE procrastinate_jobs SET priority = :priority
     WHERE queueing_lock = :lock AND status = 'todo' AND priority < :priority
""")
_IS_AWAITED = text("""
    SELECT EXISTS (SELECT 1 FROM procrastinate_jobs
      WHERE queueing_lock = :lock AND status IN ('todo', 'doing') AND attempts = 0)
""")
_FORMER_JOB = text("SELECT priority, queueing_lock FROM procrastinate_jobs WHERE id = :job_id")
_DEPTHS = text("""
    SELECT queue_name,
           count(*) FILTER (WHERE status = 'todo') AS waiting,
           count(*) FILTER (WHERE status = 'doing') AS running,
           min(made.at) FILTER (WHERE status = 'todo') AS waiting_since
      FROM procrastinate_jobs AS job
      LEFT JOIN LATERAL (
           SELECT min(event.at) AS at FROM procrastinate_events AS event
            WHERE event.job_id = job.id AND event.type = 'deferred') AS made ON true
     WHERE status IN ('todo', 'doing')
     GROUP BY queue_name
     ORDER BY queue_name
""")


class WorkQueue:
    """Jobs and dead letters, as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def defer(
        self,
        task: str,
        *,
        queue: str,
        priority: int,
        queueing_lock: str | None,
        arguments: dict[str, Any],
        at: datetime | None = None,
    ) -> bool:
        """Put a job into the queue; it exists when the transaction commits.

        Parameters
        ----------
        queueing_lock
            Two jobs with the same lock never wait at the same time.
        at
            Not before this time.

        Returns
        -------
        bool
            False when a job with the same lock waits already; the transaction stays usable.
        """
        from procrastinate.exceptions import AlreadyEnqueued
        from procrastinate.jobs import Job as QueuedJob
        from procrastinate.manager import JobManager
        from procrastinate.sync_psycopg_connector import SyncPsycopgConnector

        job = QueuedJob(
            queue=queue,
            priority=priority,
            lock=None,
            queueing_lock=queueing_lock,
            task_name=task,
            task_kwargs=arguments,
            scheduled_at=at,
        )
        try:
            with self._session.begin_nested():
                connection = self._session.connection().connection.driver_connection
                JobManager(SyncPsycopgConnector()).defer_job(job, connection=connection)
        except AlreadyEnqueued:
            return False
        return True

    def raise_priority(self, queueing_lock: str, priority: int) -> None:
        """Let a waiting job be picked sooner; one that runs already, or is as urgent, stays as it is."""
        self._session.execute(_RAISE, {"lock": queueing_lock, "priority": priority})

    def is_awaited(self, queueing_lock: str) -> bool:
        """Tell whether a job waits for its first attempt, or is in it."""
        return bool(self._session.scalar(_IS_AWAITED, {"lock": queueing_lock}))

    def is_running(self, queueing_lock: str) -> bool:
        """Tell whether a worker holds a job with this lock, or died holding it."""
        return bool(self._session.scalar(_RUNS, {"lock": queueing_lock}))

    def stalled(self, silence: timedelta) -> tuple[Job, ...]:
        """Return and lock the jobs of workers whose heart has not beaten for `silence`.

        Jobs that another process is looking at are left out.
        """
        rows = self._session.execute(_STALLED, {"silence": silence.total_seconds()})
        return tuple(_as_job(*row) for row in rows)

    def requeue(self, job: Job) -> bool:
        """Give a stalled job back to the queue, one attempt older; False when it is no longer as it was."""
        if self._session.scalar(_TWIN_WAITS, {"job_id": job.job_id}):
            # the same work waits under the same lock already: this one is done with
            return self._end(job) is not None
        found = self._session.execute(_REQUEUE, {"job_id": job.job_id, "worker_id": job.worker_id})
        if not found.rowcount:  # type: ignore[attr-defined]
            return False
        payload = f'{{"type": "job_inserted", "job_id": {job.job_id}}}'
        self._session.execute(_WAKE, {"queue": job.queue, "payload": payload})
        return True

    def put_back(self, worker_id: int) -> int:
        """Give back what a stopping worker could not finish, as if it had not begun; return how many jobs."""
        return len(self._session.execute(_PUT_BACK, {"worker_id": worker_id}).all())

    def record_dead_letter(self, job: Job, reason: str, *, now: datetime) -> DeadLetter | None:
        """End a job as failed and keep it with the reason.

        Returns
        -------
        DeadLetter or None
            None when the job is no longer held as described: another worker has it, or it has ended.
        """
        attempts = self._end(job)
        if attempts is None:
            return None
        row = DeadLetterRow(
            job_id=job.job_id,
            queue=job.queue,
            task=job.task,
            arguments=dict(job.arguments),
            study_uid=self._study_of(job),
            attempts=self._attempts_at(job) or attempts,
            reason=reason,
            died_at=now,
            retried_at=None,
        )
        self._session.add(row)
        self._session.flush()
        return _as_dead_letter(row)

    def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters that nobody has retried yet, oldest first."""
        rows = self._session.scalars(
            select(DeadLetterRow).where(DeadLetterRow.retried_at.is_(None)).order_by(DeadLetterRow.id)
        )
        return [_as_dead_letter(row) for row in rows]

    def retry(self, dead_letter_id: int, now: datetime) -> DeadLetter:
        """Mark a dead letter as retried and put its work into the queue again, with three fresh attempts.

        Raises
        ------
        NotFound
            If there is no such dead letter.
        Conflict
            If it was retried before.
        """
        row = self._session.get(DeadLetterRow, dead_letter_id, with_for_update=True)
        if row is None:
            raise NotFound(f"there is no dead letter {dead_letter_id}")
        if row.retried_at is not None:
            raise Conflict(f"dead letter {dead_letter_id} was retried at {row.retried_at:%Y-%m-%d %H:%M} UTC")
        row.retried_at = now
        former = self._session.execute(_FORMER_JOB, {"job_id": row.job_id}).one_or_none()
        priority, lock = (former.priority, former.queueing_lock) if former else (0, None)
        self.defer(
            row.task, queue=row.queue, priority=priority, queueing_lock=lock, arguments=dict(row.arguments)
        )
        self._session.flush()
        return _as_dead_letter(row)

    def queue_depths(self) -> list[QueueDepth]:
        """Return how many jobs wait and run in each queue that holds any."""
        return [QueueDepth(*row) for row in self._session.execute(_DEPTHS)]

    def quarantined(self) -> int:
        """Return how many instances no study could take."""
        return self._session.scalar(select(func.count()).select_from(QuarantineRow)) or 0

    def deliveries_by_state(self) -> dict[str, int]:
        """Return how many deliveries there are in each state."""
        counted = select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)
        return {row[0]: row[1] for row in self._session.execute(counted)}

    def _end(self, job: Job) -> int | None:
        key = {"job_id": job.job_id, "worker_id": job.worker_id}
        attempts: int | None = self._session.scalar(_GIVE_UP, key)
        return attempts

    def _attempts_at(self, job: Job) -> int:
        """Return how often a delivery was tried: each of its attempts is a job of its own."""
        delivery = self._session.get(DeliveryRow, job.arguments.get("delivery_id", 0), populate_existing=True)
        return delivery.attempts if delivery else 0

    def _study_of(self, job: Job) -> str:
        if "study_uid" in job.arguments:
            return str(job.arguments["study_uid"])
        delivery = self._session.get(DeliveryRow, job.arguments.get("delivery_id", 0))
        return delivery.study_uid if delivery else ""


def _as_job(
    job_id: int, queue: str, task: str, arguments: dict[str, Any], attempts: int, worker_id: int | None
) -> Job:
    return Job(job_id, queue, task, arguments, attempts, worker_id)


def _as_dead_letter(row: DeadLetterRow) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=row.id,
        job_id=row.job_id,
        queue=row.queue,
        task=row.task,
        arguments=dict(row.arguments),
        study_uid=row.study_uid,
        attempts=row.attempts,
        reason=row.reason,
        died_at=row.died_at,
        retried_at=row.retried_at,
    )
