"""One draft for each study revision, and nothing shown that is not fit to be shown."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.draft import DraftContent, undrafted
from app.domain.errors import NotFound
from app.domain.report import Decision, Origin, ReportState, Section
from app.domain.study import StudyState
from app.services.drafting import decline_overdue, take_order
from app.services.reading import add_sentence, open_study
from tests.unit.services.conftest import NOW, QUIET, WORKER, House, draft_of, image, uid

LATER = NOW + timedelta(minutes=5)


def test_an_order_names_the_study_and_its_instances(house: House) -> None:
    house.receive(image("s1", 1), image("s1", 2), image("s2", 1))
    house.complete()
    order = take_order(house.store, uid("s1"), 1)
    assert order is not None
    assert order.study == house.study()
    assert [i.sop_uid for i in order.instances] == [uid("s1", "image", 1), uid("s1", "image", 2)]
    assert take_order(house.store, uid("s1"), 2) is None
    with pytest.raises(NotFound):
        take_order(house.store, uid("nothing"), 1)


@pytest.mark.covers("P6", "U7")
def test_a_draft_becomes_a_report_of_untouched_sentences(house: House) -> None:
    study_uid = house.drafted()
    with house.store.begin() as tx:
        report = tx.reports.of_revision(study_uid, 1)
        assert report is not None
        draft = tx.reports.drafts.get(report.draft_id)
    assert draft is not None
    assert draft.content == draft_of()
    assert report.state is ReportState.DRAFTED
    assert report.ai_model == "janus-tiny (abababababab)"
    assert [s.section for s in report.sentences] == [Section.FINDINGS, Section.IMPRESSION]
    assert all(s.is_untouched_ai and s.text == s.ai_text for s in report.sentences)
    first = report.sentences[0]
    assert (first.findings, first.confidence) == (("Lung Lesion",), 0.9)
    assert first.region is not None
    assert (first.region.sop_uid, first.region.box) == (uid("s1", "image", 1), (10, 20, 110, 220))
    assert report.sentences[1].region is None


@pytest.mark.covers("P3", "T02")
def test_workers_that_race_on_a_revision_leave_one_draft(house: House) -> None:
    for number in range(10):
        house.receive(image(f"s{number}"))
    house.complete()
    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(lambda n: house.draft(f"s{n // 6}"), range(60)))
    assert sum(won) == 10
    assert house.count("drafts") == house.count("reports") == len(house.log("study drafted")) == 10
    assert house.count("sentences") == 20
    assert take_order(house.store, uid("s1"), 1) is None


@pytest.mark.covers("P5")
def test_a_study_without_a_draft_says_why_and_is_written_by_hand(house: House) -> None:
    study_uid = house.undrafted(reason="not a frontal chest radiograph")
    assert (house.study().state, house.study().reason) == (
        StudyState.UNDRAFTED,
        "not a frontal chest radiograph",
    )
    review = open_study(house.store, house["resident"], study_uid, now=LATER)
    assert review.may_edit
    assert review.report is not None
    assert (review.report.sentences, review.report.ai_model) == ((), "")
    for section in Section:
        add_sentence(
            house.store, house["resident"], review.report.report_id, section, "No fracture.", now=LATER
        )
    report = house.report(review.report.report_id)
    assert [(s.text, s.origin, s.decision) for s in report.sentences] == [
        ("No fracture.", Origin.HUMAN, Decision.EDITED)
    ] * len(Section)


@pytest.mark.covers("P5")
def test_a_model_that_comes_back_may_still_draft_what_nobody_has_opened(house: House) -> None:
    study_uid = house.undrafted(reason="model unavailable")
    assert take_order(house.store, study_uid, 1) is not None
    assert not house.draft(content=undrafted("model unavailable"))
    assert house.draft(content=undrafted("still unavailable"))
    assert house.study().reason == "still unavailable"
    assert house.draft()
    assert house.study().state is StudyState.DRAFTED
    review = open_study(house.store, house["attending"], study_uid, now=LATER)
    assert review.report is not None
    assert len(review.report.sentences) == 2
    assert house.count("reports") == 1


@pytest.mark.covers("P5")
def test_a_draft_never_writes_into_a_report_that_a_person_has_begun(house: House) -> None:
    study_uid = house.undrafted(reason="model unavailable")
    review = open_study(house.store, house["attending"], study_uid, now=LATER)
    assert review.report is not None
    assert take_order(house.store, study_uid, 1) is None
    assert not house.draft()
    assert house.report(review.report.report_id).sentences == ()


@pytest.mark.covers("P5")
def test_a_study_that_waits_too_long_for_its_draft_is_opened_to_its_readers(house: House) -> None:
    house.receive(image("s1"))
    house.complete()
    house.receive(image("s2"), now=LATER)
    house.complete(now=LATER + QUIET)
    assert decline_overdue(house.store, WORKER, waiting=timedelta(minutes=1), now=LATER + QUIET) == (
        uid("s1"),
    )
    assert house.study("s1").state is StudyState.UNDRAFTED
    assert house.study("s2").state is StudyState.COMPLETE
    assert decline_overdue(house.store, WORKER, waiting=timedelta(minutes=1), now=LATER + QUIET) == ()
    assert house.draft("s1")


@pytest.mark.covers("U2")
def test_a_critical_finding_moves_the_study_up_and_says_why(house: House) -> None:
    house.receive(image("s1"), image("s2", requested_priority="STAT"))
    house.complete()
    house.draft("s1", content=draft_of("s1", findings=["Pneumothorax"]))
    house.draft("s2", content=draft_of("s2", findings=["Pneumothorax"]))
    assert (house.study("s1").priority, house.study("s1").priority_reason) == (
        50,
        "AI: possible pneumothorax",
    )
    assert (house.study("s2").priority, house.study("s2").priority_reason) == (100, "ordered STAT")


def _with_sentence(**changes: Any) -> DraftContent:
    content = draft_of()
    return replace(content, sentences=({**content.sentences[0], **changes}, content.sentences[1]))


@pytest.mark.covers("T25", "T10")
@pytest.mark.parametrize(
    "content",
    [
        replace(draft_of(), sentences=()),
        replace(draft_of(), timings={"decode_s": math.nan}),
        replace(draft_of(), provenance={"sop_instance_uids": [uid("s2", "image", 1)]}),
        replace(draft_of(), report={"findings": "NUL \x00"}),
        replace(draft_of(), report={"findings": "surrogate \ud800"}),
        _with_sentence(text="line\x07bell"),
        _with_sentence(text="x" * 20_000),
        _with_sentence(section="conclusion"),
        _with_sentence(confidence=math.nan),
        _with_sentence(confidence=1.5),
        _with_sentence(region={"sop_instance_uid": uid("s2", "image", 1), "box": [0, 0, 1, 1], "score": 1}),
        _with_sentence(region={"sop_instance_uid": uid("s1", "image", 1), "box": [5, 0, 1, 1], "score": 1}),
        _with_sentence(region={"sop_instance_uid": uid("s1", "image", 1), "score": 1}),
    ],
    ids=range(13),
)
def test_a_draft_that_is_not_fit_to_be_shown_becomes_the_reason_why_there_is_none(
    house: House, content: DraftContent
) -> None:
    house.receive(image("s1"))
    house.complete()
    assert house.draft(content=content)
    study = house.study()
    assert study.state is StudyState.UNDRAFTED
    assert study.reason.startswith("the draft was not fit to be shown: ")
    assert house.count("sentences") == 0
    assert len(house.log("study undrafted")) == 1
    assert house.draft(), "a sound draft is still welcome"
