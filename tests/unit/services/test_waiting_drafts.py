"""What the worklist says of a draft that is not there yet: its place, what is done, or that nobody works.

Not covered: that workers take tasks in this order (`tests/workers/test_work_queue.py`), what the page makes
of it (`tests/e2e/test_worklist.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.waiting_draft import DraftStep, WaitingDraft
from app.domain.work import ANSWER_QUESTION, QUESTION_QUEUE, draft_lock
from app.services.drafting import decline_overdue
from app.services.reading import WorklistQuery, open_study, refresh_worklist
from app.services.watch import ProcessReport, record_report
from app.store.draft_queue import DRAFT_STEP, IN_A_ROW, QUEUE_WORKER, STEPS
from tests.unit.services.conftest import NOW, WORKER, House, image, uid

AT = NOW + timedelta(minutes=1)


def waiting(house: House, *names: str, now: datetime = AT) -> list[WaitingDraft | None]:
    """What the list says of these studies."""
    rows = refresh_worklist(house.store, house["viewer"], WorklistQuery(), now=now).rows
    by_uid = {row.study.study_uid: row.draft for row in rows}
    return [by_uid[uid(name)] for name in names]


def say_alive(house: House, *, now: datetime = AT, **gauges: float) -> None:
    record_report(house.store, ProcessReport("drafting", "a:1", NOW, gauges=gauges), now=now)


def take(house: House, study: str) -> int:
    """Let a worker of the queue hold the draft of a study; return the worker's number."""
    with house.store.begin() as tx:
        number = tx.session.scalar(text("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id"))
        held = text(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = :n WHERE queueing_lock = :lock"
        )
        tx.session.execute(held, {"n": number, "lock": draft_lock(uid(study), 1)})
        return int(number or 0)


@pytest.mark.covers("U1", "P4")
def test_places_are_those_in_which_a_worker_takes_them(house: House) -> None:
    for name in ("r1", "r2", "r3"):
        house.receive(image(name))
        house.complete()
    for name in ("u1", "u2", "u3"):
        house.receive(image(name, requested_priority="STAT"))
        house.complete()
    say_alive(house)
    order = ("u1", "u2", "r1", "u3", "r2", "r3")
    assert waiting(house, *order) == [WaitingDraft(True, before=place) for place in range(6)]
    # its two last picks were urgent ones: now it is the turn of a routine study
    say_alive(house, **{IN_A_ROW: 2})
    assert [each and each.before for each in waiting(house, "r1", "u1", "u2", "r2")] == [0, 1, 2, 3]


@pytest.mark.covers("U1")
def test_question_of_a_reader_comes_before_a_draft(house: House) -> None:
    house.receive(image("s1"))
    house.complete()
    with house.store.begin() as tx:
        asked = {"queue": QUESTION_QUEUE, "queueing_lock": None, "arguments": {}, "priority": 200}
        tx.work.defer(ANSWER_QUESTION, **asked)
        tx.work.defer("deliver_report", **asked | {"queue": "deliver"})
    [draft] = waiting(house, "s1")
    assert draft is not None
    assert draft.before == 1, "what other workers do is not before it"


@pytest.mark.covers("U1", "P5")
def test_nobody_drafts_and_the_list_says_so(house: House) -> None:
    house.receive(image("s1"))
    house.complete()
    assert waiting(house, "s1") == [WaitingDraft(False, before=0)]
    say_alive(house)
    assert waiting(house, "s1") == [WaitingDraft(True, before=0)]
    [later] = waiting(house, "s1", now=AT + timedelta(seconds=31))
    assert later == WaitingDraft(False, before=0), "it has been silent for half a minute"


@pytest.mark.covers("U1")
@pytest.mark.parametrize("step", DraftStep)
def test_study_in_hand_shows_since_when_and_what_is_done(house: House, step: DraftStep) -> None:
    house.receive(image("s1"))
    house.complete()
    began = datetime.now(UTC)
    number = take(house, "s1")
    [unknown] = waiting(house, "s1")
    assert unknown is not None
    assert (unknown.works, unknown.step, unknown.before) == (False, None, None)
    assert unknown.since is not None
    assert abs(unknown.since - began) < timedelta(minutes=1)
    say_alive(house, **{QUEUE_WORKER: number, DRAFT_STEP: STEPS.index(step) + 1})
    [draft] = waiting(house, "s1")
    assert draft == WaitingDraft(True, since=unknown.since, step=step)
    # what another worker is at is not said of this study
    say_alive(house, **{QUEUE_WORKER: number + 1, DRAFT_STEP: STEPS.index(step) + 1})
    assert waiting(house, "s1") == [WaitingDraft(True, since=unknown.since)]


def test_attempt_that_failed_shows_when_the_next_one_is(house: House) -> None:
    for name in ("s1", "s2"):
        house.receive(image(name))
        house.complete()
    at = datetime.now(UTC) + timedelta(minutes=5)
    with house.store.begin() as tx:
        later = text("UPDATE procrastinate_jobs SET scheduled_at = :at WHERE queueing_lock = :lock")
        tx.session.execute(later, {"at": at, "lock": draft_lock(uid("s1"), 1)})
    say_alive(house)
    first, second = waiting(house, "s1", "s2")
    assert first == WaitingDraft(True, again_at=at)
    assert second == WaitingDraft(True, before=0), "it does not stand in the way of others"


@pytest.mark.covers("P5")
def test_study_that_was_opened_without_a_draft_shows_that_one_may_still_come(house: House) -> None:
    house.receive(image("s1"))
    house.complete()
    late = AT + timedelta(minutes=2)
    assert decline_overdue(house.store, WORKER, waiting=timedelta(minutes=1), now=late) == (uid("s1"),)
    say_alive(house, now=late)
    assert waiting(house, "s1", now=late) == [WaitingDraft(True, before=0)]
    # who has begun to write does not wait any more: the draft would not be taken
    open_study(house.store, house["resident"], uid("s1"), now=late)
    assert waiting(house, "s1", now=late) == [None]


def test_studies_that_wait_for_nothing_say_nothing(house: House) -> None:
    house.drafted("s1")
    house.undrafted("s2")
    house.receive(image("s3"))
    assert waiting(house, "s1", "s2", "s3") == [None, None, None]
