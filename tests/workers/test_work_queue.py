"""The queue in the caller's transaction, and the order in which jobs are picked.

Covered: jobs commit with their transaction, locks, order of picks, verdicts of a worker that lost its job.
Not covered: what a worker does with a job (`test_attempts`), processes that die (`tests/faults`).
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest
from procrastinate import PsycopgConnector
from procrastinate.jobs import Status

from app.domain.errors import Conflict, NotFound
from app.domain.priority import AI_CRITICAL, ROUTINE, STAT
from app.domain.work import Job
from app.store.draft_queue import IN_A_ROW
from app.store.engine import Store
from app.store.picking import FairJobs
from app.workers.attempts import held_job
from tests.workers.conftest import defer, depth

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def pick(store: Store, count: int, worker_id: int | None = None, jobs: FairJobs | None = None) -> list[Job]:
    """Let a worker take the next jobs and hold them."""

    async def take() -> list[Job]:
        connector = PsycopgConnector(conninfo=store.conninfo, min_size=1, max_size=1)
        async with connector_open(connector):
            fair = jobs or FairJobs(connector, patience=1)
            fair.connector = connector
            number = worker_id if worker_id is not None else await fair.register_worker()
            taken = [await fair.fetch_job(["draft"], number) for _ in range(count)]
            return [held_job(job) for job in taken if job is not None]

    return asyncio.run(take())


class connector_open:
    def __init__(self, connector: PsycopgConnector) -> None:
        self.connector = connector

    async def __aenter__(self) -> None:
        await self.connector.open_async()

    async def __aexit__(self, *_: object) -> None:
        await self.connector.close_async()


def test_rolled_back_transaction_leaves_no_job(any_store: Store) -> None:
    def fail() -> None:
        with any_store.begin() as unit:
            unit.work.defer("note", queue="draft", priority=0, queueing_lock=None, arguments={"n": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert depth(any_store) == (0, 0)


def test_job_exists_with_its_transaction(any_store: Store) -> None:
    with any_store.begin() as unit:
        unit.work.defer("note", queue="draft", priority=0, queueing_lock=None, arguments={"n": 1})
        assert depth(any_store) == (0, 0)
    assert depth(any_store) == (1, 0)


def test_second_job_under_a_lock_is_refused_and_the_transaction_goes_on(any_store: Store) -> None:
    with any_store.begin() as unit:
        options = {"queue": "draft", "priority": 0, "arguments": {}}
        assert unit.work.defer("note", queueing_lock="draft:1", **options)
        assert not unit.work.defer("note", queueing_lock="draft:1", **options)
        assert unit.work.defer("note", queueing_lock="draft:2", **options)
    assert depth(any_store) == (2, 0)


@pytest.mark.covers("P4")
def test_urgent_job_is_the_next_one_picked(any_store: Store) -> None:
    for n in range(3):
        defer(any_store, n=n)
    defer(any_store, n=9, priority=STAT)
    assert [job.arguments["n"] for job in pick(any_store, 4)] == [9, 0, 1, 2]


@pytest.mark.covers("P4")
def test_every_third_pick_is_routine_under_urgent_load(any_store: Store) -> None:
    for n in range(6):
        defer(any_store, n=n, priority=STAT)
    for n in range(10, 12):
        defer(any_store, n=n)
    assert [job.arguments["n"] for job in pick(any_store, 8)] == [0, 1, 10, 2, 3, 11, 4, 5]


@pytest.mark.covers("P4")
def test_urgent_jobs_are_not_held_up_when_nothing_routine_waits(any_store: Store) -> None:
    for n in range(5):
        defer(any_store, n=n, priority=STAT)
    assert [job.arguments["n"] for job in pick(any_store, 6)] == [0, 1, 2, 3, 4]


@pytest.mark.covers("P4", "U1")
@pytest.mark.parametrize("seed", range(6))
def test_places_that_readers_are_told_are_the_order_of_the_picks(any_store: Store, seed: int) -> None:
    ranks = random.Random(seed)
    kinds = (
        (ROUTINE, ROUTINE, STAT, AI_CRITICAL) if seed % 2 else (ROUTINE, STAT, STAT, AI_CRITICAL, AI_CRITICAL)
    )
    for n in range(12):
        defer(any_store, n=n, priority=ranks.choice(kinds), lock=f"draft:{n}:1")
    told = places(any_store)
    assert [f"draft:{job.arguments['n']}:1" for job in pick(any_store, 12)] == sorted(
        told, key=told.__getitem__
    )
    assert sorted(told.values()) == list(range(12))


def test_places_follow_the_picks_that_went_before(any_store: Store) -> None:
    for n in range(8):
        defer(any_store, n=n, priority=STAT if n < 6 else ROUTINE, lock=f"draft:{n}:1")
    fair = FairJobs(None, patience=1)
    for _ in range(8):
        told = places(any_store, in_a_row=fair.urgent_in_a_row)
        [job] = pick(any_store, 1, jobs=fair)
        assert told[f"draft:{job.arguments['n']}:1"] == 0


def places(store: Store, *, in_a_row: int = 0) -> dict[str, int]:
    """The places in the queue as a list shows them, by the locks of the jobs."""
    now = datetime.now(UTC)
    with store.begin() as unit:
        unit.figures.beat("drafting", "a:1", started_at=now, gauges={IN_A_ROW: in_a_row}, now=now)
        waiting = unit.draft_queue.waiting([f"draft:{n}:1" for n in range(12)], now=now)
    return {lock: each.before for lock, each in waiting.items() if each.before is not None}


def test_job_of_a_silent_worker_is_found_and_given_back(any_store: Store) -> None:
    defer(any_store, n=1)
    [held] = pick(any_store, 1)
    with any_store.begin() as unit:
        assert unit.work.stalled(timedelta(seconds=60)) == ()
        [stalled] = unit.work.stalled(timedelta(seconds=-1))
        assert stalled == held
        assert unit.work.requeue(stalled)
    [again] = pick(any_store, 1)
    assert (again.job_id, again.attempts) == (held.job_id, 1)


def test_worker_that_lost_its_job_cannot_end_it(any_store: Store) -> None:
    defer(any_store, n=1)
    [held] = pick(any_store, 1)
    with any_store.begin() as unit:
        unit.work.requeue(held)
    [again] = pick(any_store, 1)
    end(any_store, held)
    assert depth(any_store) == (0, 1)
    with any_store.begin() as unit:
        assert unit.work.record_dead_letter(held, "late", now=NOW) is None
        assert not unit.work.requeue(held)
    end(any_store, again)
    assert depth(any_store) == (0, 0)


def test_stalled_job_whose_twin_waits_is_dropped(any_store: Store) -> None:
    defer(any_store, n=1, lock="a")
    [held] = pick(any_store, 1)
    assert defer(any_store, n=1, lock="a")
    with any_store.begin() as unit:
        unit.work.requeue(held)
    assert depth(any_store) == (1, 0)


def test_stopping_worker_gives_its_job_back_without_an_attempt(any_store: Store) -> None:
    defer(any_store, n=1)
    [held] = pick(any_store, 1)
    assert held.worker_id is not None
    with any_store.begin() as unit:
        assert unit.work.put_back(held.worker_id) == 1
    [again] = pick(any_store, 1)
    assert (again.job_id, again.attempts) == (held.job_id, 0)


@pytest.mark.covers("P3")
def test_dead_letter_is_retried_once_with_fresh_attempts(any_store: Store) -> None:
    defer(any_store, n=1, priority=STAT, lock="a")
    [held] = pick(any_store, 1)
    with any_store.begin() as unit:
        letter = unit.work.record_dead_letter(held, "no luck", now=NOW)
    assert letter is not None
    assert (letter.reason, letter.attempts, letter.arguments) == ("no luck", 1, {"n": 1})
    with any_store.begin() as unit:
        assert unit.work.dead_letters() == [letter]
        assert unit.work.retry(letter.dead_letter_id, NOW).retried_at == NOW
        assert unit.work.dead_letters() == []
    with pytest.raises(Conflict), any_store.begin() as unit:
        unit.work.retry(letter.dead_letter_id, NOW)
    with pytest.raises(NotFound), any_store.begin() as unit:
        unit.work.retry(10**6, NOW)
    [again] = pick(any_store, 1)
    assert (again.attempts, again.arguments) == (0, {"n": 1})
    assert again.job_id != held.job_id


def end(store: Store, job: Job) -> None:
    """Let the worker that held a job report its end."""

    async def finish() -> None:
        connector = PsycopgConnector(conninfo=store.conninfo, min_size=1, max_size=1)
        async with connector_open(connector):
            queued = list(await FairJobs(connector, patience=1).list_jobs_async(id=job.job_id))
            held = queued[0].evolve(worker_id=job.worker_id)
            await FairJobs(connector, patience=1).finish_job(held, Status.SUCCEEDED, delete_job=True)

    asyncio.run(finish())
