"""A worker process: takes jobs from its queues, shows that it lives, and takes over what dead workers left.

Takeover is done by every worker, not by a job in the queue: a job would wait for exactly the workers whose
death it is about. A worker that loses the database stops, waits and begins again under a new number; its
former jobs go to whoever is alive.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker as QueueWorker

from app.domain.access import Actor
from app.domain.errors import DatabaseUnavailable
from app.domain.work import Job
from app.services import work
from app.settings import Settings
from app.store.engine import Store
from app.store.picking import FairJobs
from app.workers.attempts import AfterWait, Attempts, Task

STOP_SECONDS = 6.0
_POLL_SECONDS = 2.0
_LONGEST_WAIT = 10.0
_DATABASE_GONE = (ConnectorException, psycopg.OperationalError, DatabaseUnavailable)


@dataclass
class Worker:
    """Runs tasks until it is told to stop.

    Attributes
    ----------
    tasks
        Every task of `queues`.
    concurrency
        Jobs at a time.
    on_ready
        Called each time the worker begins to take jobs.
    leave
        Ends the process when a job does not end in time.
    """

    store: Store
    settings: Settings
    actor: Actor
    tasks: Sequence[Task]
    concurrency: int = 1
    on_ready: Callable[[], None] = lambda: None
    leave: Callable[[int], object] = os._exit
    _attempts: dict[str, Attempts] = field(default_factory=dict, init=False)
    _current: QueueWorker | None = field(default=None, init=False)
    _picks: FairJobs | None = field(default=None, init=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then end within 10 s: a job still running by then is put back."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """Ask it to stop, from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_to_stop)

    @property
    def queues(self) -> list[str]:
        """The queues of the tasks."""
        return sorted({task.queue for task in self.tasks})

    @property
    def number(self) -> int | None:
        """The queue's number of this worker; None while it takes no jobs."""
        return self._current.worker_id if self._current is not None else None

    @property
    def urgent_in_a_row(self) -> int:
        """Urgent jobs that it has just taken one after the other."""
        return self._picks.urgent_in_a_row if self._picks is not None else 0

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._begin_to_stop)
        app = self._make_app()
        takeover = asyncio.create_task(self._take_over_for_ever(), name="takeover")
        try:
            await self._work_through_outages(app)
        finally:
            takeover.cancel()

    def _make_app(self) -> App:
        connector = PsycopgConnector(conninfo=self.store.conninfo, min_size=1, max_size=4, timeout=10.0)
        app = App(connector=connector)
        app.job_manager = self._picks = FairJobs(connector, patience=self.settings.stalled_seconds)
        for task in self.tasks:
            attempts = Attempts(task, self.settings.retry_seconds, self._bury)
            self._attempts[task.name] = attempts
            app.task(name=task.name, queue=task.queue, pass_context=True, retry=AfterWait())(_plain(attempts))
        return app

    async def _work_through_outages(self, app: App) -> None:
        log, wait = structlog.get_logger(), 0.5
        while not self._stop.is_set():
            began = asyncio.get_running_loop().time()
            try:
                async with app.open_async():
                    await self._work(app)
            except _DATABASE_GONE as error:
                if wait == 0.5:
                    log.warning("database away, worker waits", error=type(error).__name__)
            if self._stop.is_set():
                return
            lasted = asyncio.get_running_loop().time() - began
            wait = 0.5 if lasted > 60 else min(2 * wait, _LONGEST_WAIT)
            await _wait(self._stop, wait)

    async def _work(self, app: App) -> None:
        silence = float(self.settings.stalled_seconds)
        self._current = QueueWorker(
            app,
            queues=self.queues,
            name=self.actor.source,
            concurrency=self.concurrency,
            fetch_job_polling_interval=_POLL_SECONDS,
            abort_job_polling_interval=60.0,
            delete_jobs="successful",
            install_signal_handlers=False,
            update_heartbeat_interval=silence / 4,
            stalled_worker_timeout=silence,
        )
        self.on_ready()
        try:
            if not self._stop.is_set():
                await self._current.run()
        finally:
            self._current = None

    async def _take_over_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.settings.stalled_seconds / 4)
            try:
                await asyncio.to_thread(self.take_over)
            except _DATABASE_GONE:
                continue
            except Exception as error:  # the worker must outlive a fault of its own housekeeping
                structlog.get_logger().error("takeover failed", error=type(error).__name__)

    def take_over(self) -> None:
        """Give jobs of dead workers back to the queue; those without an attempt left are given up."""
        exhausted = work.take_over_stalled(
            self.store,
            silence=timedelta(seconds=self.settings.stalled_seconds),
            attempts_allowed=len(self.settings.retry_seconds) + 1,
            queues=self.queues,
        )
        for job in exhausted:
            reason = f"the worker died {job.attempts + 1} times in a row at this job"
            structlog.get_logger().error("job given up", task=job.task, job=job.job_id)
            attempts = self._attempts.get(job.task)
            if attempts is None:
                self._bury(job, f"this release knows no task {job.task}")
            else:
                attempts.give_up(job, reason)

    def _bury(self, job: Job, reason: str) -> object:
        return work.bury(self.store, self.actor, job, reason, now=datetime.now(UTC))

    def _begin_to_stop(self) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        if self._current is not None:
            self._current.stop()
        asyncio.get_running_loop().call_later(STOP_SECONDS, self._abandon)

    def _abandon(self) -> None:
        """Leave a job that will not end in time to the others, as if it had not begun."""
        number = self.number
        try:
            if number is not None:
                count = work.put_back(self.store, number)
                structlog.get_logger().warning("stopped during a job, put back", jobs=count)
        finally:
            self.leave(0)


def _plain(attempts: Attempts) -> Callable[..., None]:
    """Return a plain function: the queue engine asks tasks for a ``__name__``."""

    def attempt(context: Any, **arguments: Any) -> None:
        attempts(context, **arguments)

    return attempt


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
