"""A worker's attempts: done, tried again, given up, taken over.

Covered: error classes, waits, dead letter with audit entry, retry, jobs of workers that are gone.
Not covered: real processes (`tests/faults`), the tasks themselves (`test_draft`, `test_deliver`).
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.access import service_actor
from app.domain.audit import AuditEvent
from app.domain.errors import PeerUnavailable, Rejected
from app.domain.work import wait_before_retry
from app.services.work import dead_letters, retry_dead_letter
from app.store.engine import Store
from tests.workers.conftest import NotingTask, defer, depth, work_until
from tests.workers.test_work_queue import pick

ACTOR = service_actor("test")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def fail(error: Exception) -> NotingTask:
    def act(**_: object) -> None:
        raise error

    return NotingTask(act)


def audited(store: Store) -> list[str]:
    from app.domain.audit import AuditFilter

    with store.begin() as unit:
        return [entry.event for entry in unit.audit.stream(AuditFilter())]


def test_waits_follow_the_setting_and_end() -> None:
    waits = [wait_before_retry(n, (10, 60)) for n in range(3)]
    assert [wait.total_seconds() if wait else None for wait in waits] == [10, 60, None]


def test_job_is_done_once(store: Store) -> None:
    task = NotingTask()
    defer(store, n=1)
    work_until(store, task, lambda: depth(store) == (0, 0))
    assert task.runs == [{"n": 1}]
    assert dead_letters(store, ACTOR, now=NOW) == []


@pytest.mark.covers("P3")
def test_failing_job_gets_three_attempts_then_a_dead_letter_with_its_reason(store: Store) -> None:
    task = fail(PeerUnavailable("the PACS does not answer"))
    defer(store, n=1)
    work_until(store, task, lambda: bool(task.given_up) and depth(store) == (0, 0), retry_seconds=(0, 0))
    assert len(task.runs) == 3
    assert task.given_up == [("the PACS does not answer", {"n": 1})]
    [letter] = dead_letters(store, ACTOR, now=NOW)
    assert (letter.reason, letter.attempts, letter.task) == ("the PACS does not answer", 3, "note")
    assert audited(store).count(AuditEvent.WORK_DEAD.value) == 1


@pytest.mark.covers("P3")
def test_failing_job_delays_no_other(store: Store) -> None:
    def act(n: int) -> None:
        if n == 0:
            raise PeerUnavailable("not now")

    task = NotingTask(act)
    for n in range(4):
        defer(store, n=n)
    work_until(store, task, lambda: {run["n"] for run in task.runs} == {0, 1, 2, 3}, retry_seconds=(60, 60))


def test_rejected_job_is_given_up_at_once(store: Store) -> None:
    task = fail(Rejected("the peer refuses it for good"))
    defer(store, n=1)
    work_until(store, task, lambda: depth(store) == (0, 0), retry_seconds=(0, 0))
    assert len(task.runs) == 1
    [letter] = dead_letters(store, ACTOR, now=NOW)
    assert letter.attempts == 1


@pytest.mark.covers("C3")
def test_reason_of_an_unforeseen_error_holds_none_of_its_words(store: Store) -> None:
    task = fail(ValueError("DOE^JOHN"))
    defer(store, n=1)
    work_until(store, task, lambda: depth(store) == (0, 0), retry_seconds=())
    [letter] = dead_letters(store, ACTOR, now=NOW)
    assert "ValueError" in letter.reason
    assert "DOE" not in letter.reason


@pytest.mark.covers("P3")
def test_retried_dead_letter_is_done(store: Store) -> None:
    broken = [True]

    def act(n: int) -> None:
        if broken[0]:
            raise Rejected("broken")

    task = NotingTask(act)
    defer(store, n=1)
    work_until(store, task, lambda: depth(store) == (0, 0))
    [letter] = dead_letters(store, ACTOR, now=NOW)
    broken[0] = False
    retry_dead_letter(store, ACTOR, letter.dead_letter_id, now=NOW)
    work_until(store, task, lambda: depth(store) == (0, 0))
    assert len(task.runs) == 2
    assert dead_letters(store, ACTOR, now=NOW) == []
    assert audited(store).count(AuditEvent.WORK_RETRIED.value) == 1


@pytest.mark.covers("P3")
def test_job_of_a_dead_worker_is_taken_over(store: Store) -> None:
    defer(store, n=1)
    pick(store, 1)
    task = NotingTask()
    work_until(store, task, lambda: depth(store) == (0, 0))
    assert task.runs == [{"n": 1}]


@pytest.mark.covers("P3")
def test_job_that_kills_its_workers_does_not_loop_for_ever(store: Store) -> None:
    defer(store, n=1)
    for _ in range(2):
        [held] = pick(store, 1)
        with store.begin() as unit:
            unit.work.requeue(held)
    pick(store, 1)
    task = NotingTask()
    work_until(store, task, lambda: depth(store) == (0, 0))
    assert task.runs == []
    [letter] = dead_letters(store, ACTOR, now=NOW)
    assert letter.attempts == 3
    assert "died" in letter.reason
