"""The next case by one key: which study it is. Not covered: the key (`tests/e2e/test_reading_day.py`)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.errors import NotAuthorised
from app.services.next_case import next_case
from app.services.reading import open_study, release_lock
from app.services.signing import sign
from app.services.study_groups import add_group, restrict_study
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, uid

AT = NOW + QUIET


def after(house: House, username: str, study: str = "") -> str | None:
    return next_case(house.store, house[username], after=study and uid(study), now=AT)


@pytest.mark.covers("U5")
def test_most_urgent_comes_first_and_what_is_signed_or_in_other_hands_never(house: House) -> None:
    house.drafted("s1")
    house.drafted("s2", requested_priority="STAT")
    house.signed("s3")
    assert after(house, "attending") == uid("s2")
    assert after(house, "attending", "s2") == uid("s1")
    report = open_study(house.store, house["colleague"], uid("s2"), now=AT).report
    assert report is not None
    assert after(house, "attending") == uid("s1")
    assert after(house, "colleague") == uid("s2"), "what one has begun oneself comes again"
    release_lock(house.store, house["colleague"], report.report_id, now=AT)
    assert after(house, "attending") == uid("s2")


@pytest.mark.covers("U5")
def test_preliminary_report_is_next_for_an_attending_alone(house: House) -> None:
    report = house.accepted(house.drafted("s1"), "resident")
    sign(
        house.store,
        house["resident"],
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=[PACS],
        now=AT,
    )
    release_lock(house.store, house["resident"], report.report_id, now=AT)
    assert after(house, "resident") is None
    assert after(house, "attending") == uid("s1")


@pytest.mark.covers("U5", "C2")
def test_restricted_study_is_no_next_case_and_nothing_is_told_to_others(house: House) -> None:
    house.drafted("s1")
    add_group(house.store, house["admin"], "staff", now=AT)
    restrict_study(house.store, house["admin"], uid("s1"), ["staff"], "an employee", now=AT)
    assert after(house, "attending") is None
    for username in ("admin", "auditor"):
        with pytest.raises(NotAuthorised):
            after(house, username)


def test_looking_for_the_next_case_is_on_record_once_in_a_quarter_of_an_hour(house: House) -> None:
    house.drafted("s1")
    for minutes in (0, 5, 10, 16):
        next_case(house.store, house["attending"], now=AT + timedelta(minutes=minutes))
    assert len(house.log("list studies")) == 2
