"""An earlier study beside the current one: who may see it, what is recorded, what is compared.

Not covered: how priors come here (`test_priors.py`, `tests/e2e/test_priors.py`), the rule that reads
sentences (`tests/unit/test_statements.py`).
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.access import service_actor
from app.domain.change import ChangeKind
from app.domain.errors import NotAuthorised, NotFound, StudyRestricted
from app.domain.prior import FoundStudy
from app.services import study_groups
from app.services.prior_viewing import compare_with_prior, open_prior
from app.services.priors import record_attached, record_found, record_unavailable
from app.services.reading import edit_sentence, may_see_pixels, open_study
from tests.unit.services.conftest import NOW, QUIET, House, image, uid

AT = NOW + QUIET
FETCHING = service_actor("housekeeping")


def attach(house: House, *names: str, report: str = "") -> None:
    """Put earlier studies beside `s1`."""
    found = [FoundStudy(uid(name), "20250101", "", "CHEST PA", ("CR",), 1) for name in names]
    for prior in record_found(house.store, FETCHING, uid("s1"), found, source="PACS", now=AT):
        if prior.prior_uid in {uid(name) for name in names}:
            record_attached(house.store, FETCHING, prior, report_text=report, now=AT)


def opened(house: House, role: str = "attending") -> None:
    open_study(house.store, house[role], uid("s1"), now=AT)


@pytest.mark.covers("U6", "A1")
def test_prior_is_shown_with_its_report_on_record_and_its_pixels_may_be_seen(house: House) -> None:
    house.drafted()
    house.receive(image("before", 2), image("before", 1))
    attach(house, "before", report="Small left effusion.")
    opened(house)
    with pytest.raises(NotAuthorised):
        may_see_pixels(house.store, house["attending"], uid("before", "image", 1), now=AT)
    shown = open_prior(house.store, house["attending"], uid("s1"), uid("before"), now=AT)
    assert (shown.prior.report_text, shown.missing) == ("Small left effusion.", "")
    assert [one.sop_uid for one in shown.instances] == [uid("before", "image", n) for n in (1, 2)]
    [entry] = house.log("prior viewed", study="before")
    assert (entry.username, entry.detail["beside"]) == ("attending", uid("s1"))
    assert "effusion" not in str(entry.detail)
    source = may_see_pixels(house.store, house["attending"], uid("before", "image", 1), now=AT)
    assert source.study_uid == uid("before")
    with pytest.raises(NotAuthorised):
        may_see_pixels(house.store, house["colleague"], uid("before", "image", 1), now=AT)


@pytest.mark.parametrize("other", ["stranger", "s1", "nowhere"])
def test_study_that_is_no_prior_is_refused_on_record(house: House, other: str) -> None:
    house.drafted()
    house.receive(image("before"), image("stranger"))
    attach(house, "before")
    opened(house)
    with pytest.raises(NotFound, match="no earlier study"):
        open_prior(house.store, house["attending"], uid("s1"), uid(other), now=AT)
    assert len(house.log("access denied", study=other)) == 1
    with pytest.raises(NotFound):
        compare_with_prior(house.store, house["attending"], uid("s1"), uid(other), now=AT)


def test_priors_are_for_those_who_have_the_current_study_open(house: House) -> None:
    house.drafted()
    house.receive(image("before"))
    attach(house, "before")
    with pytest.raises(NotAuthorised, match="open the study first"):
        open_prior(house.store, house["attending"], uid("s1"), uid("before"), now=AT)
    assert house.log("prior viewed") == []


@pytest.mark.covers("C2")
def test_restricted_prior_is_not_even_named_and_a_restricted_study_has_none(house: House) -> None:
    house.drafted()
    house.receive(image("before"))
    attach(house, "before")
    opened(house)
    admin = house["admin"]
    study_groups.add_group(house.store, admin, "staff", now=AT)
    study_groups.restrict_study(house.store, admin, uid("before"), ["staff"], "private", now=AT)
    with pytest.raises(NotFound):
        open_prior(house.store, house["attending"], uid("s1"), uid("before"), now=AT)
    study_groups.restrict_study(house.store, admin, uid("s1"), ["staff"], "private", now=AT)
    with pytest.raises(StudyRestricted):
        open_prior(house.store, house["attending"], uid("s1"), uid("before"), now=AT)


def test_prior_without_images_says_why(house: House) -> None:
    house.drafted()
    found = [FoundStudy(uid(name), "20250101", "", "CHEST", ("CR",), 1) for name in ("a", "b")]
    record_found(house.store, FETCHING, uid("s1"), found[:1], source="PACS", now=AT)
    opened(house)
    shown = open_prior(house.store, house["attending"], uid("s1"), uid("a"), now=AT)
    assert (shown.instances, shown.missing) == ((), "WANTED")
    record_unavailable(house.store, FETCHING, uid("s1"), "PACS does not answer", now=AT)
    shown = open_prior(house.store, house["attending"], uid("s1"), uid("a"), now=AT)
    assert (shown.missing, shown.prior.reason) == ("FAILED", "PACS does not answer")
    attach(house, "b")
    assert open_prior(house.store, house["attending"], uid("s1"), uid("b"), now=AT).missing == "GONE"


def compared(house: House, prior: str = "before") -> tuple[str, list[tuple[str, ChangeKind]]]:
    found = compare_with_prior(house.store, house["attending"], uid("s1"), uid(prior), now=AT)
    return found.source, [(change.finding, change.kind) for change in found.changes]


@pytest.mark.covers("U6")
def test_changes_are_told_from_the_archives_report(house: House) -> None:
    house.drafted()
    house.receive(image("before"))
    attach(house, "before", report="FINDINGS\nNo nodule. Small left effusion.")
    opened(house)
    source, changes = compared(house)
    assert source == "archive"
    assert changes == [
        ("Lung Lesion", ChangeKind.NEW),
        ("Pleural Effusion", ChangeKind.NOT_MENTIONED),
    ]


def test_changes_follow_what_the_reader_writes_and_rejects(house: House) -> None:
    house.drafted()
    house.receive(image("before"))
    attach(house, "before", report="No nodule. Small left effusion.")
    review = open_study(house.store, house["attending"], uid("s1"), now=AT)
    assert review.report is not None
    number = review.report.report_id
    for key, text in (("ai-1", "No nodule. The effusion has resolved."), ("ai-2", "Normal chest.")):
        edit_sentence(house.store, house["attending"], number, key, text, now=AT)
    assert compared(house) == ("archive", [("Pleural Effusion", ChangeKind.GONE)])


def test_our_own_signed_report_counts_before_the_archives_copy(house: House) -> None:
    house.signed("before")
    house.drafted()
    attach(house, "before", report="No nodule.")
    opened(house)
    source, changes = compared(house)
    assert source == "signed"
    assert changes == [("Lung Lesion", ChangeKind.STILL_THERE)]
    found = compare_with_prior(house.store, house["attending"], uid("s1"), uid("before"), now=AT)
    then, now = found.changes[0].then, found.changes[0].now
    assert then is not None
    assert now is not None
    assert (then.by_ai, now.by_ai, now.key) == (False, True, "ai-1")


def test_unsigned_draft_of_the_earlier_study_is_marked_as_ai(house: House) -> None:
    house.drafted("before")
    house.drafted()
    attach(house, "before")
    opened(house)
    found = compare_with_prior(house.store, house["attending"], uid("s1"), uid("before"), now=AT)
    assert found.source == "draft"
    assert found.changes[0].then is not None
    assert found.changes[0].then.by_ai


def test_without_an_earlier_report_nothing_is_compared(house: House) -> None:
    house.drafted()
    house.receive(image("before"))
    attach(house, "before")
    opened(house)
    assert compared(house) == ("none", [])


def test_pixels_of_a_prior_that_was_open_are_closed_by_a_restriction(house: House) -> None:
    house.drafted()
    house.receive(image("before"))
    attach(house, "before")
    opened(house)
    open_prior(house.store, house["attending"], uid("s1"), uid("before"), now=AT)
    admin, later = house["admin"], AT + timedelta(minutes=1)
    study_groups.add_group(house.store, admin, "staff", now=AT)
    study_groups.restrict_study(house.store, admin, uid("before"), ["staff"], "private", now=AT)
    with pytest.raises(StudyRestricted):
        may_see_pixels(house.store, house["attending"], uid("before", "image", 1), now=later)
