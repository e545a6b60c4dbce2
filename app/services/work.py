"""Work that was given up or left behind: the dead-letter list, its Retry, and what operations see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from app.domain.access import Action, Actor, require
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.domain.work import DELIVER_REPORT, DeadLetter, Job

if TYPE_CHECKING:
    from app.store.engine import Store


def bury(store: Store, actor: Actor, job: Job, reason: str, *, now: datetime) -> DeadLetter | None:
    """End a job as given up: dead letter, end of the job and audit entry in one transaction.

    Returns
    -------
    DeadLetter or None
        None when another worker holds the job by now, or it has ended; nothing was changed then.
    """
    with store.begin() as unit:
        letter = unit.work.record_dead_letter(job, reason, now=now)
        if letter is not None:
            unit.audit.append(
                AuditFact(
                    event=AuditEvent.WORK_DEAD,
                    actor=actor,
                    at=now,
                    outcome=Outcome.FAILURE,
                    study_uid=letter.study_uid,
                    detail={
                        "task": letter.task,
                        "attempts": letter.attempts,
                        "letter": letter.dead_letter_id,
                    },
                )
            )
    return letter


def take_over_stalled(
    store: Store, *, silence: timedelta, attempts_allowed: int, queues: Sequence[str]
) -> tuple[Job, ...]:
    """Give the jobs of dead workers back to the queue.

    Parameters
    ----------
    silence
        Time without a heartbeat after which a worker counts as dead.
    attempts_allowed
        Attempts in all; a job whose worker died in its last one is not given back.
    queues
        Queues that the caller works for: it can give up those jobs alone.

    Returns
    -------
    tuple of Job
        The jobs that have no attempt left: the caller gives them up.
    """
    with store.begin() as unit:
        exhausted = []
        for job in unit.work.stalled(silence):
            if job.attempts + 1 < attempts_allowed:
                unit.work.requeue(job)
            elif job.queue in queues:
                exhausted.append(job)
    return tuple(exhausted)


def put_back(store: Store, worker_id: int) -> int:
    """Give back the jobs of a worker that has to stop now; return how many there were."""
    with store.begin() as unit:
        return unit.work.put_back(worker_id)


def dead_letters(store: Store, actor: Actor, *, now: datetime) -> list[DeadLetter]:
    """Return the dead letters that nobody has retried, oldest first."""
    require(actor, Action.RETRY_WORK)
    with store.begin() as unit:
        return unit.work.dead_letters()
