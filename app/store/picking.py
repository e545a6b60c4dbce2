"""How a worker picks its next job and puts it down again: the queue engine's manager with our two rules.

Which job is next (P4). procrastinate always takes the highest priority first, so a stream of urgent studies
would starve the routine ones. Two queues would not help: a worker asks for all its queues in one query,
again by priority. So the pick itself is changed: after two urgent jobs in a row the next pick takes the
least urgent, oldest job. An urgent study is still the next one picked unless two urgent ones have just gone
before it.

Who may put a job down. procrastinate ends a job by its id, whoever holds it. A worker that was silent for
too long (suspended, cut off) may come back after its job was given to another: its verdict must not count,
so both statements here also name the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from app.domain.priority import ROUTINE
from app.domain.waiting_draft import URGENT_IN_A_ROW

# the status is asked again in the outer statement: a row that another worker took meanwhile is skipped
_PICK_LEAST_URGENT = """
    UPDATE procrastinate_jobs SET status = 'doing', worker_id = %(worker_id)s
     WHERE status = 'todo' AND id = (
           SELECT id FROM procrastinate_jobs
            WHERE status = 'todo' AND lock IS NULL
              AND (%(queues)s::varchar[] IS NULL OR queue_name = ANY(%(queues)s::varchar[]))
              AND (scheduled_at IS NULL OR scheduled_at <= now())
            ORDER BY priority, id
            LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, status, task_name, priority, lock, queueing_lock, args, scheduled_at, queue_name, attempts,
              worker_id
"""
_HELD = "id = %(job_id)s AND status = 'doing' AND worker_id IS NOT DISTINCT FROM %(worker_id)s"
_DELETE = f"DELETE FROM procrastinate_jobs WHERE {_HELD}"  # noqa: S608  # nosec B608 - constant
_FINISH = f"""
    UPDATE procrastinate_jobs
       SET status = %(status)s::procrastinate_job_status, attempts = attempts + 1, abort_requested = false
     WHERE {_HELD}
"""  # noqa: S608  # nosec B608 - constant
_RETRY = f"""
    UPDATE procrastinate_jobs SET status = 'todo', attempts = attempts + 1, scheduled_at = %(retry_at)s
     WHERE {_HELD}
"""  # noqa: S608  # nosec B608 - constant


class FairJobs(JobManager):
    """Picks jobs for one worker; see the module for the rules.

    Parameters
    ----------
    connector
        An asynchronous connector of procrastinate.
    patience
        Seconds for which the end of a job is reported again while the database is away. Past them the worker
        gives up; its heartbeat has stopped by then and the job goes to another.

    Attributes
    ----------
    urgent_in_a_row
        Urgent jobs that this worker has just taken one after the other.
    """

    def __init__(self, connector: Any, *, patience: float) -> None:
        super().__init__(connector)
        self._patience = patience
        self.urgent_in_a_row = 0

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Take the next job, urgent before routine, every third pick at the latest a routine one."""
        if self.urgent_in_a_row >= URGENT_IN_A_ROW:
            job = await self._fetch_least_urgent(queues, worker_id)
        else:
            job = await super().fetch_job(queues, worker_id)
        if job is not None:
            self.urgent_in_a_row = self.urgent_in_a_row + 1 if job.priority > ROUTINE else 0
        return job

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """End a job that this worker still holds; do nothing when it does not."""
        query = _DELETE if delete_job else _FINISH
        await self._insist(lambda: self._execute(query, job, status=status.value))

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Give a job that this worker still holds back for a later attempt; queue and priority stay."""
        at = retry_at or datetime.now().astimezone()
        try:
            await self._insist(lambda: self._execute(_RETRY, job, retry_at=at))
        except UniqueViolation:
            # the same work waits under the same lock already
            await self._insist(lambda: self._execute(_DELETE, job))

    async def _fetch_least_urgent(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        rows = await self.connector.execute_query_all_async(
            query=_PICK_LEAST_URGENT, queues=list(queues) if queues else None, worker_id=worker_id
        )
        return Job.from_row(rows[0]) if rows else None

    async def _execute(self, query: str, job: Job, **values: Any) -> None:
        await self.connector.execute_query_async(
            query=query, job_id=job.id, worker_id=job.worker_id, **values
        )

    async def _insist(self, act: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        deadline, wait = loop.time() + self._patience, 0.1
        while True:
            try:
                return await act()
            except UniqueViolation:
                raise
            except ConnectorException:
                if loop.time() + wait > deadline:
                    raise
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2.0)
