"""One attempt at a job, and what follows when it fails.

An error that says "never again" (`Rejected`, `Fatal`) ends the job at once. Any other error is tried again
after the waits of `JANUS_MED_RETRY_SECONDS`, three attempts in all by default. After the last one the job
becomes a dead letter with its reason, which a person can retry; no other job waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.jobs import Job as QueuedJob

from app.domain.errors import Fatal, JanusMedError, Rejected
from app.domain.work import Job, wait_before_retry

_UNRECORDED = timedelta(seconds=5)


class Task(Protocol):
    """What a worker does with the jobs of one name."""

    @property
    def name(self) -> str:
        """The name under which jobs are deferred."""

    @property
    def queue(self) -> str:
        """The queue that they wait in."""

    def run(self, **arguments: Any) -> None:
        """Do the work; a second run of the same job must not do it twice."""

    def note_failure(self, reason: str, **arguments: Any) -> None:
        """Show where the work is waited for that an attempt failed and another follows."""

    def give_up(self, reason: str, **arguments: Any) -> None:
        """Show where the work is waited for that it will not be done; the dead letter follows."""


class RetryLater(Exception):
    """The attempt failed and another one follows.

    Parameters
    ----------
    wait
        Time until then.
    """

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"again in {wait.total_seconds():.0f} s")
        self.wait = wait


class AfterWait(BaseRetryStrategy):
    """Tells the queue engine what `RetryLater` says; every other error ends the job."""

    def get_retry_decision(self, *, exception: BaseException, job: QueuedJob) -> RetryDecision | None:
        """Return when to try again."""
        if isinstance(exception, RetryLater):
            return RetryDecision(retry_at=datetime.now(UTC) + exception.wait)
        return None


@dataclass(frozen=True)
class Attempts:
    """Runs a task and decides what follows.

    Attributes
    ----------
    waits
        Seconds between attempts.
    bury
        Makes the dead letter: job and reason.
    """

    task: Task
    waits: Sequence[int]
    bury: Callable[[Job, str], object]

    def __call__(self, context: JobContext, **arguments: Any) -> None:
        """Make one attempt, in a thread of the worker."""
        job = held_job(context.job)
        log = structlog.get_logger().bind(task=job.task, job=job.job_id, attempt=job.attempts + 1)
        log.info("job started")
        try:
            self.task.run(**arguments)
        except Exception as error:  # the one place where a worker catches
            self._decide(job, error, log)
        else:
            log.info("job done")

    def _decide(self, job: Job, error: Exception, log: Any) -> None:
        reason = describe(error)
        final = isinstance(error, Rejected | Fatal)
        wait = None if final else wait_before_retry(job.attempts, self.waits)
        try:
            if wait is None:
                log.error("job given up", error=type(error).__name__, where=where(error))
                self.give_up(job, reason)
            else:
                log.warning("attempt failed", error=type(error).__name__, where=where(error))
                self.task.note_failure(reason, **job.arguments)
        except Exception as second:  # the database, most likely: a job must not end without its dead letter
            log.warning("failure not recorded", error=type(second).__name__, where=where(second))
            raise RetryLater(wait or _UNRECORDED) from None
        if wait is not None:
            raise RetryLater(wait) from None

    def give_up(self, job: Job, reason: str) -> None:
        """Tell those who wait for the work, then make the dead letter."""
        self.task.give_up(reason, **job.arguments)
        self.bury(job, reason)


def held_job(queued: QueuedJob) -> Job:
    """Return a job of the queue engine as the domain knows it."""
    return Job(
        job_id=queued.id or 0,
        queue=queued.queue,
        task=queued.task_name,
        arguments=dict(queued.task_kwargs),
        attempts=queued.attempts,
        worker_id=queued.worker_id,
    )


def describe(error: BaseException) -> str:
    """Return the reason as a person reads it; an error that we did not raise is named by its class alone."""
    if isinstance(error, JanusMedError):
        return str(error)
    return f"unexpected {type(error).__name__} in {where(error)}"


def where(error: BaseException) -> str:
    """Return file and line that raised the error: enough to find it, without the values it was about."""
    trace = error.__traceback__
    if trace is None:
        return "unknown"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
