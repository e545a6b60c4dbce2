"""Which earlier studies are worth a look beside the current one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidTransition
from app.domain.prior import (
    CurrentStudy,
    FoundStudy,
    Prior,
    PriorState,
    choose_priors,
    regions_of,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CHEST = CurrentStudy("1.1", "20260301", "101500", "DX", "CHEST", "Chest PA")


def found(uid: str, date: str = "20250301", **changes: object) -> FoundStudy:
    study = FoundStudy(uid, date, "090000", "CHEST 2 VIEWS", ("CR",), 2)
    return replace(study, **changes)  # type: ignore[arg-type]


def chosen(*studies: FoundStudy, current: CurrentStudy = CHEST, most: int = 9) -> list[str]:
    return [s.study_uid for s in choose_priors(current, studies, most=most, most_instances=500)]


def test_the_later_comes_first_and_no_more_than_wanted():
    studies = [found("1.2", "20240101"), found("1.3", "20251231"), found("1.4", "20250601")]
    assert chosen(*studies) == ["1.3", "1.4", "1.2"]
    assert chosen(*studies, most=1) == ["1.3"]


def test_same_region_counts_more_than_kind_and_kind_more_than_date():
    plain = found("1.2", "20260228", description="", modalities=("US",))
    computed = found("1.3", "20260227", modalities=("CT",))
    film = found("1.4", "20200101")
    assert chosen(plain, computed, film) == ["1.4", "1.3", "1.2"]


def test_another_region_a_later_study_and_the_study_itself_are_no_priors():
    assert chosen(found("1.2", description="KNEE AP", body_part="KNEE")) == []
    assert chosen(found("1.2", "20260302")) == []
    assert chosen(found("1.2", "20260301", study_time="101501")) == []
    assert chosen(found("1.2", "20260301", study_time="090000")) == ["1.2"]
    assert chosen(found("1.1")) == []


def test_too_large_and_undated_studies_are_left_out():
    assert chosen(found("1.2", instances=501), found("1.3", date="")) == []
    assert chosen(found("1.2", instances=None)) == ["1.2"]


def test_unknown_regions_may_be_the_same():
    assert chosen(found("1.2", description="ROUTINE")) == ["1.2"]
    assert chosen(found("1.2", description="KNEE"), current=replace(CHEST, body_part="", description="")) == [
        "1.2"
    ]


def test_a_study_that_two_sources_name_is_one():
    assert chosen(found("1.2"), found("1.2")) == ["1.2"]


@given(st.lists(st.builds(found, st.sampled_from([f"1.{n}" for n in range(2, 20)]), st.dates().map(str))))
def test_never_more_than_wanted_never_twice(studies: list[FoundStudy]):
    uids = chosen(*studies, most=3)
    assert len(uids) <= 3
    assert len(set(uids)) == len(uids)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("Thorax p.a.", "chest"),
        ("XR KNEE LEFT", "extremity"),
        ("CT-HEAD_W/O", "head"),
        ("Abdomen 1V", "abdomen"),
    ],
)
def test_regions_are_read_from_words(text: str, region: str):
    assert region in regions_of(text)


def test_what_failed_may_be_asked_for_again_and_what_is_here_stays():
    prior = Prior("1.1", "1.2", 0, "20250301", "CR", "CHEST", PriorState.WANTED)
    failed = prior.fail("the archive is down")
    assert failed.ask_again().state is PriorState.WANTED
    here = prior.arrive("text", now=NOW)
    assert here.ask_again().state is PriorState.ATTACHED
    with pytest.raises(InvalidTransition):
        here.fail("too late")
    with pytest.raises(InvalidTransition):
        failed.arrive("", now=NOW)
