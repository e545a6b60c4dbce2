"""Work that was given up or left behind: the dead-letter list, its Retry, and what operations see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.domain.access import Action, Actor
from app.domain.alert import AlertKind
from app.domain.audit import AuditEvent, AuditFact, Outcome
from app.domain.delivery import DeliveryState
from app.domain.work import DELIVER_REPORT, DeadLetter, Job, OperationsOverview
from app.services.alerts import clear_alert, name_delivery, raise_alert
from app.services.permission import permit
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork


def bury(store: Store, actor: Actor, job: Job, reason: str, *, now: datetime) -> DeadLetter | None:
    """End a job as given up: dead letter, end of the job, audit entry and alert in one transaction.

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
                    patient_ref=_patient_ref(unit, letter.study_uid),
                    study_uid=letter.study_uid,
                    detail={
                        "task": letter.task,
                        "attempts": letter.attempts,
                        "letter": letter.dead_letter_id,
                    },
                )
            )
            kind, subject = _alert_about(unit, letter)
            raise_alert(unit, kind, subject, reason, now=now)
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
    """Return the dead letters that nobody has retried, oldest first.

    Raises
    ------
    NotAuthorised
        If the role may neither retry work nor look at the operations.
    """
    permit(store, actor, Action.RETRY_WORK, now=now)
    with store.begin() as unit:
        return unit.work.dead_letters()


def retry_dead_letter(store: Store, actor: Actor, dead_letter_id: int, *, now: datetime) -> DeadLetter:
    """Put work that was given up into the queue again, with fresh attempts.

    Raises
    ------
    NotAuthorised
        If the role may not.
    NotFound, Conflict
        If there is no such dead letter, or it was retried before.
    """
    permit(store, actor, Action.RETRY_WORK, now=now)
    with store.begin() as unit:
        letter = unit.work.retry(dead_letter_id, now)
        if letter.task == DELIVER_REPORT:
            _reopen_delivery(unit, int(letter.arguments["delivery_id"]))
        clear_alert(unit, *_alert_about(unit, letter), now=now)
        unit.audit.append(
            AuditFact(
                event=AuditEvent.WORK_RETRIED,
                actor=actor,
                at=now,
                patient_ref=_patient_ref(unit, letter.study_uid),
                study_uid=letter.study_uid,
                detail={"task": letter.task, "letter": letter.dead_letter_id},
            )
        )
    return letter


def operations_overview(store: Store, actor: Actor, *, now: datetime) -> OperationsOverview:
    """Return queues, dead letters, quarantine and deliveries as they stand."""
    permit(store, actor, Action.VIEW_OPERATIONS, now=now)
    with store.begin() as unit:
        queues = tuple(unit.work.queue_depths())
        return OperationsOverview(
            queues=queues,
            dead_letters=tuple(unit.work.dead_letters()),
            quarantined=unit.work.quarantined(),
            deliveries=unit.work.deliveries_by_state(),
            waiting_since=min((q.waiting_since for q in queues if q.waiting_since), default=None),
        )


def _reopen_delivery(unit: UnitOfWork, delivery_id: int) -> None:
    delivery = unit.deliveries.lock(delivery_id)
    if delivery.state in {DeliveryState.DEAD, DeliveryState.FAILED}:
        unit.deliveries.save(delivery.retry())


def _alert_about(unit: UnitOfWork, letter: DeadLetter) -> tuple[AlertKind, str]:
    """Return the alert that a dead letter stands for: what it is, and what it is about."""
    if letter.task == DELIVER_REPORT:
        delivery = unit.deliveries.get(int(letter.arguments["delivery_id"]))
        return AlertKind.DELIVERY_GIVEN_UP, name_delivery(delivery)
    return AlertKind.WORK_GIVEN_UP, f"job {letter.job_id} ({letter.task})"


def _patient_ref(unit: UnitOfWork, study_uid: str) -> str:
    """Return the patient's reference for an audit entry; empty for work that belongs to no study."""
    if not study_uid:
        return ""
    patient = unit.studies.get(study_uid).patient
    return unit.audit.patient_ref(patient.patient_id, patient.issuer)
