"""The next case: in the order of the list, never one that another reader has, never one twice.

Not covered: how the screen follows (`tests/ui`, `tests/e2e`).
"""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from app.domain.errors import NotAuthorised
from app.domain.worklist import SortKey, WorklistQuery
from app.services.next_study import expected_images, next_study
from app.services.reading import open_study, release_lock
from app.services.signing import sign
from app.services.study_groups import add_group, restrict_study
from tests.unit.services.conftest import NOW, PACS, PASSWORD, House, image, uid

AT = NOW + timedelta(minutes=1)
BY_URGENCY = WorklistQuery()
BY_NAME = WorklistQuery(sort=SortKey.ACCESSION, descending=False)


@pytest.fixture
def three(house: House) -> House:
    """Three drafted studies in the order of their names, the last ordered STAT."""
    for number, name in enumerate(("s1", "s2", "s3")):
        priority, at = "STAT" if name == "s3" else "", NOW + timedelta(seconds=number)
        house.receive(image(name, requested_priority=priority, received_at=at))
        house.complete()
        house.draft(name)
    return house


def _next(house: House, who: str, query: WorklistQuery, **more: object) -> str:
    review = next_study(house.store, house[who], query, now=AT, **more)  # type: ignore[arg-type]
    return review.study.accession_number.removeprefix("acc-") if review else ""


@pytest.mark.covers("U1", "U2")
def test_list_by_urgency_is_followed_from_its_top(three: House) -> None:
    assert _next(three, "attending", BY_URGENCY) == "s3"
    assert _next(three, "attending", BY_URGENCY, after=uid("s3"), passed=[uid("s3")]) == "s1"


@pytest.mark.covers("U1")
def test_other_list_goes_on_below_the_reader_and_then_from_its_top(three: House) -> None:
    assert _next(three, "viewer", BY_NAME, after=uid("s1")) == "s2"
    assert _next(three, "viewer", BY_NAME, after=uid("s3")) == "s1"
    assert _next(three, "viewer", BY_NAME, after=uid("s3"), passed=[uid("s1"), uid("s2")]) == ""


@pytest.mark.covers("U1")
def test_images_of_the_case_to_come_are_known_before_it_is_opened(three: House) -> None:
    expected = expected_images(three.store, three["attending"], BY_URGENCY, after=uid("s3"), now=AT)
    assert {image.study_uid for image in expected} == {uid("s1")}
    assert _next(three, "attending", BY_URGENCY, after=uid("s3")) == "s1"
    signed_out = [uid(name) for name in ("s1", "s2", "s3")]
    nothing = expected_images(
        three.store, three["attending"], BY_URGENCY, after="", passed=signed_out, now=AT
    )
    assert nothing == ()


@pytest.mark.covers("U3")
def test_studies_that_somebody_edits_or_has_signed_are_left_out(three: House) -> None:
    open_study(three.store, three["resident"], uid("s3"), now=AT)
    assert _next(three, "attending", BY_URGENCY) == "s1"
    assert _next(three, "attending", BY_URGENCY) == "s1"  # what one has begun oneself comes again
    three.signed("s4")
    assert _next(three, "attending", BY_NAME, passed=[uid("s1"), uid("s2")]) == ""
    later = AT + timedelta(hours=1)
    freed = next_study(three.store, three["attending"], BY_URGENCY, now=later)
    assert freed is not None
    assert freed.study.study_uid == uid("s3")


@pytest.mark.covers("U3", "A1")
def test_next_study_is_opened_with_the_pen_and_on_record(three: House) -> None:
    review = next_study(three.store, three["attending"], BY_URGENCY, now=AT)
    assert review is not None
    assert review.may_edit
    assert [entry.study_uid for entry in three.log("study opened")] == [uid("s3")]
    assert len(three.log("report locked")) == 1


@pytest.mark.covers("U3")
def test_readers_who_ask_at_the_same_time_get_different_studies(house: House) -> None:
    for number in range(6):
        house.drafted(f"s{number}")
    got: list[str] = []
    together = threading.Barrier(2)

    def read(who: str) -> None:
        mine: list[str] = []
        for _ in range(3):
            together.wait(30)
            got.append(_next(house, who, BY_URGENCY, passed=mine))
            mine.append(uid(got[-1]))

    readers = [threading.Thread(target=read, args=(who,)) for who in ("attending", "resident")]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert sorted(got) == [f"s{number}" for number in range(6)]
    assert len(house.log("study opened")) == 6  # nobody was shown a study that another took


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
    assert _next(house, "resident", BY_URGENCY) == ""
    assert _next(house, "attending", BY_URGENCY) == "s1"


@pytest.mark.covers("C2")
def test_restricted_study_is_nobody_elses_next_case(house: House) -> None:
    house.drafted("s1")
    add_group(house.store, house["admin"], "staff", now=AT)
    restrict_study(house.store, house["admin"], uid("s1"), ["staff"], "an employee", now=AT)
    assert _next(house, "attending", BY_URGENCY) == ""


def test_who_may_not_open_studies_gets_none(three: House) -> None:
    with pytest.raises(NotAuthorised):
        next_study(three.store, three["auditor"], BY_URGENCY, now=AT)
