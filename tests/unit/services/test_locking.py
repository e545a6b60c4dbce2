"""The pen: one of two readers may write, the other sees who and since when, and a takeover is on record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.domain.errors import InvalidTransition, LockedByOther, NotAuthorised
from app.domain.report import Report, ReportState
from app.domain.review import Review
from app.services.reading import (
    accept_sentence,
    edit_sentence,
    open_study,
    refresh,
    release_lock,
    renew_lock,
    take_over,
)
from tests.unit.services.conftest import NOW, House, image, uid

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
