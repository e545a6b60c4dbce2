"""The pen: one of two readers may write, the other sees who and since when, and a takeover is on record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from app.domain.errors import InvalidTransition, LockedByOther, NotAuthorised
from app.domain.report import Report, ReportState, Section
from app.domain.review import PenActivity, Review
from app.services.reading import (
    accept_sentence,
    activity_of_pen,
    add_sentence,
    edit_sentence,
    look_at_pen,
    open_study,
    refresh,
    release_lock,
    renew_lock,
    take_over,
)
from app.services.signing import sign
from tests.unit.services.conftest import NOW, PASSWORD, House, image, uid

LEASE = timedelta(minutes=15)
START = NOW + timedelta(minutes=1)


def _open(house: House, username: str, minutes: float = 0) -> Review:
    at = START + timedelta(minutes=minutes)
    return open_study(house.store, house[username], uid("s1"), now=at, lease=LEASE)


def _report(review: Review) -> Report:
    assert review.report is not None
    return review.report


@pytest.mark.covers("U3")
def test_the_first_reader_may_edit_and_the_second_sees_owner_and_time(house: House) -> None:
    house.drafted()
    first, second = _open(house, "attending"), _open(house, "resident", 3)
    assert (first.may_edit, second.may_edit) == (True, False)
    assert second.lock is not None
    assert (second.lock.printed_name, second.lock.taken_at) == ("Dr Attending", START)
    report = _report(second)
    with pytest.raises(LockedByOther, match=r"Dr Attending .* 08:01"):
        edit_sentence(house.store, house["resident"], report.report_id, "ai-1", "No.", now=START)
    assert house.report(report.report_id) == report
    assert _report(first).state is ReportState.IN_REVIEW


@pytest.mark.covers("U3")
def test_of_readers_who_open_at_the_same_moment_one_may_edit(house: House) -> None:
    readers = ("attending", "colleague", "resident")
    for number in range(8):
        study_uid = house.drafted(f"s{number}")

        def opened(reader: str, study_uid: str = study_uid) -> bool:
            return open_study(house.store, house[reader], study_uid, now=START).may_edit

        with ThreadPoolExecutor(6) as pool:
            assert (
                len({r for r, won in zip(readers * 2, pool.map(opened, readers * 2), strict=True) if won})
                == 1
            )
    assert len(house.log("report locked")) == 8


@pytest.mark.covers("U3")
def test_a_lease_ends_after_fifteen_idle_minutes(house: House) -> None:
    house.drafted()
    report = _report(_open(house, "attending"))
    assert not _open(house, "resident", 14.99).may_edit
    assert _open(house, "resident", 15).may_edit
    with pytest.raises(LockedByOther):
        edit_sentence(house.store, house["attending"], report.report_id, "ai-1", "No.", now=START + LEASE)


def test_an_ended_lease_is_not_revived_by_typing(house: House) -> None:
    house.drafted()
    report = _report(_open(house, "attending"))
    with pytest.raises(LockedByOther, match="ended at 08:16"):
        accept_sentence(house.store, house["attending"], report.report_id, "ai-1", now=START + LEASE)
    assert _open(house, "attending", 20).may_edit


@pytest.mark.covers("U3")
def test_work_and_renewal_keep_the_lease_alive(house: House) -> None:
    house.drafted()
    report = _report(_open(house, "attending"))
    at = START
    for _ in range(3):
        at += timedelta(minutes=10)
        edit_sentence(house.store, house["attending"], report.report_id, "ai-1", f"At {at:%H:%M}.", now=at)
        at += timedelta(minutes=10)
        lock = renew_lock(house.store, house["attending"], report.report_id, lease=LEASE, now=at)
        assert (lock.taken_at, lock.expires_at) == (START, at + LEASE)
    assert len(house.log("report locked")) == 1


def test_only_the_owner_can_renew_or_release(house: House) -> None:
    house.drafted()
    report = _report(_open(house, "attending"))
    with pytest.raises(LockedByOther):
        renew_lock(house.store, house["resident"], report.report_id, lease=LEASE, now=START)
    release_lock(house.store, house["resident"], report.report_id, now=START)
    assert refresh(house.store, house["attending"], uid("s1"), now=START).may_edit
    release_lock(house.store, house["attending"], report.report_id, now=START)
    assert _open(house, "resident").may_edit


@pytest.mark.covers("U3", "A1")
def test_a_takeover_is_confirmed_against_the_owner_shown_and_recorded(house: House) -> None:
    house.drafted()
    report = _report(_open(house, "attending"))
    with pytest.raises(LockedByOther, match="Dr Attending"):
        take_over(house.store, house["resident"], report.report_id, from_user="colleague", now=START)
    lock = take_over(house.store, house["resident"], report.report_id, from_user="attending", now=START)
    assert lock.username == "resident"
    (entry,) = house.log("report taken over")
    assert (entry.username, entry.detail["from_user"]) == ("resident", "attending")
    with pytest.raises(LockedByOther, match="Dr Resident"):
        accept_sentence(house.store, house["attending"], report.report_id, "ai-1", now=START)
    told = refresh(house.store, house["attending"], uid("s1"), now=START)
    assert not told.may_edit
    assert told.lock is not None
    assert told.lock.username == "resident"


@pytest.mark.covers("U3")
def test_a_takeover_says_what_it_interrupts_and_keeps_every_saved_word(house: House) -> None:
    house.drafted()
    report = _report(_open(house, "attending"))

    def look(minutes: float, username: str = "resident") -> PenActivity:
        at = START + timedelta(minutes=minutes)
        return activity_of_pen(house.store, house[username], report.report_id, lease=LEASE, now=at)

    before = look(1)
    assert before.lock is not None
    assert (before.lock.username, before.lock.taken_at, before.seen_at) == ("attending", START, START)
    assert (before.saved_at, before.unsigned) == (None, 0)
    saved = START + timedelta(minutes=3)
    who = (house.store, house["attending"], report.report_id)
    edit_sentence(*who, "ai-1", "Half a sent", now=saved)
    accept_sentence(*who, "ai-2", now=saved)
    edit_sentence(*who, "ai-1", "Half a sentence", now=saved)
    kept = add_sentence(*who, Section.FINDINGS, "My own.", now=saved)
    renew_lock(*who, lease=LEASE, now=START + timedelta(minutes=6))
    after = look(9)
    assert (after.saved_at, after.seen_at) == (saved, START + timedelta(minutes=6))
    assert after.unsigned == 3, "sentences are counted, not key strokes"

    take_over(house.store, house["resident"], report.report_id, from_user="attending", now=START)
    after_it = house.report(report.report_id)
    assert (after_it.version, set(after_it.sentences)) == (kept.version, set(kept.sentences))
    assert look(9, "attending").saved_at is None, "the new owner has saved nothing yet"
    assert look(60).lock is None


@pytest.mark.covers("U3")
def test_what_was_signed_is_not_counted_as_unsigned(house: House) -> None:
    house.drafted()
    report = house.accepted(uid("s1"), "resident")
    sign(
        house.store,
        house["resident"],
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=[],
        now=START,
    )
    at = START + timedelta(minutes=1)
    look = partial(activity_of_pen, house.store, house["attending"], report.report_id, lease=LEASE, now=at)
    assert look().unsigned == 0
    open_study(house.store, house["resident"], uid("s1"), now=at)
    edit_sentence(house.store, house["resident"], report.report_id, "ai-1", "Changed.", now=at)
    assert look().unsigned == 1


@pytest.mark.covers("U3")
def test_looking_at_the_pen_is_no_sign_of_life(house: House) -> None:
    house.drafted()
    report = _report(_open(house, "attending"))
    for minutes in (5, 14):
        at = START + timedelta(minutes=minutes)
        lock = look_at_pen(house.store, house["attending"], report.report_id, now=at)
        assert lock is not None
        assert lock.expires_at == START + LEASE
    assert look_at_pen(house.store, house["viewer"], report.report_id, now=START + LEASE) is None


def test_a_viewer_neither_locks_nor_takes_over(house: House) -> None:
    house.drafted()
    review = _open(house, "viewer")
    assert (review.may_edit, review.lock, _report(review).state) == (False, None, ReportState.DRAFTED)
    with pytest.raises(NotAuthorised):
        take_over(house.store, house["viewer"], _report(review).report_id, from_user="", now=START)


@pytest.mark.covers("L12")
def test_an_open_editor_learns_that_a_late_image_superseded_its_report(house: House) -> None:
    house.drafted()
    report = _report(_open(house, "attending"))
    house.receive(image("s1", 2), now=START)
    told = refresh(house.store, house["attending"], uid("s1"), now=START)
    assert (told.superseded_by, told.may_edit, _report(told).report_id) == (2, False, report.report_id)
    with pytest.raises(InvalidTransition, match="SUPERSEDED"):
        edit_sentence(house.store, house["attending"], report.report_id, "ai-1", "No.", now=START)
    with pytest.raises(InvalidTransition):
        take_over(house.store, house["attending"], report.report_id, from_user="attending", now=START)
    house.complete(now=START + timedelta(minutes=1))
    house.draft(revision=2)
    told = refresh(house.store, house["attending"], uid("s1"), now=START)
    assert _report(told).report_id == report.report_id, "the page does not change under the reader's hands"
    assert [other.revision for other in told.others] == [2]
    assert _report(_open(house, "attending", 2)).revision == 2
