"""Questions to the image, below the screen and without a model.

Covered: who may ask, how often, what is recorded, answers that come late, twice, unfit, from a stopped model.
Not covered: the model's answer (`tests/workers/test_answer.py`), the panel (`tests/ui`, `tests/e2e`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.ai_model import identify
from app.domain.errors import NotAuthorised, Rejected, StudyRestricted, TooManyRequests
from app.domain.patient_data import PatientKey
from app.domain.question import NOBODY_ANSWERS, Answer, AnswerRegion, Question, QuestionState
from app.domain.routing import Routing
from app.services import ai_models, erasure, study_groups
from app.services.asking import ask, questions_of, record_answer, record_no_answer, take_question
from app.services.reading import open_study
from tests.unit.services.conftest import NOW, QUIET, WORKER, House, uid

AT = NOW + QUIET
MODEL = {"id": "janus-tiny", "weights_sha256": "ab" * 32, "adapters_sha256": "cd" * 32}
YES = Answer(
    "Yes, in the left lung.",
    finding="Lung Lesion",
    decision="present",
    probability=0.81,
    sop_uid=uid("s1", "image", 1),
    regions=(AnswerRegion("Lung Lesion", (1.0, 2.0, 30.0, 40.0), 0.7),),
)


@pytest.fixture
def asked(house: House) -> Question:
    house.drafted()
    open_study(house.store, house["attending"], uid("s1"), now=AT)
    return ask(house.store, house["attending"], uid("s1"), " Is there a nodule? ", now=AT)


def listed(house: House, now=AT) -> list[Question]:
    return list(questions_of(house.store, house["attending"], uid("s1"), now=now))


@pytest.mark.covers("A1")
def test_question_waits_for_its_worker_and_the_answer_is_kept_with_its_model(
    house: House, asked: Question
) -> None:
    assert house.jobs("answer_question") == [{"question_id": asked.question_id, "study_uid": uid("s1")}]
    order = take_question(house.store, asked.question_id)
    assert order is not None
    assert (order.question.text, len(order.instances)) == ("Is there a nodule?", 1)
    assert record_answer(house.store, WORKER, asked.question_id, YES, MODEL, now=AT)
    [answered] = listed(house)
    assert (answered.state, answered.answer) == (QuestionState.ANSWERED, YES)
    assert answered.model_name == "janus-tiny (abababababab)"
    assert take_question(house.store, asked.question_id) is None
    assert not record_answer(house.store, WORKER, asked.question_id, YES, MODEL, now=AT)
    [put], [got] = house.log("question asked"), house.log("question answered")
    assert (put.username, got.username) == ("attending", WORKER.username)
    assert "nodule" not in f"{put.detail} {got.detail}"
    # the report is untouched: an answer is never written into it by itself
    report = house.report(1)
    assert all("Yes" not in sentence.text for sentence in report.sentences)


def test_answers_are_seen_by_every_reader_who_opened_the_study_and_by_nobody_else(
    house: House, asked: Question
) -> None:
    with pytest.raises(NotAuthorised, match="open the study first"):
        questions_of(house.store, house["viewer"], uid("s1"), now=AT)
    open_study(house.store, house["viewer"], uid("s1"), now=AT)
    assert [q.text for q in questions_of(house.store, house["viewer"], uid("s1"), now=AT)] == [asked.text]
    with pytest.raises(NotAuthorised, match="may not ask the AI"):
        ask(house.store, house["viewer"], uid("s1"), "Normal?", now=AT)


def test_nobody_asks_about_a_study_that_is_not_open(house: House) -> None:
    house.drafted()
    with pytest.raises(NotAuthorised, match="open the study first"):
        ask(house.store, house["attending"], uid("s1"), "Normal?", now=AT)
    assert house.jobs("answer_question") == []
    assert len(house.log("access denied", study="s1")) == 1


@pytest.mark.covers("C2")
def test_restriction_closes_questions_too(house: House, asked: Question) -> None:
    admin = house["admin"]
    study_groups.add_group(house.store, admin, "staff", now=AT)
    study_groups.restrict_study(house.store, admin, uid("s1"), ["staff"], "private", now=AT)
    with pytest.raises(StudyRestricted):
        questions_of(house.store, house["attending"], uid("s1"), now=AT)
    with pytest.raises(StudyRestricted):
        ask(house.store, house["attending"], uid("s1"), "Normal?", now=AT)


def test_three_may_wait_and_ten_may_be_asked_in_a_minute(house: House, asked: Question) -> None:
    for _ in range(2):
        ask(house.store, house["attending"], uid("s1"), "Normal?", now=AT)
    with pytest.raises(TooManyRequests, match="3 of your questions wait"):
        ask(house.store, house["attending"], uid("s1"), "Normal?", now=AT)
    for number in range(3, 10):
        for one in listed(house):
            if one.state is QuestionState.PENDING:
                record_answer(house.store, WORKER, one.question_id, YES, MODEL, now=AT)
        ask(house.store, house["attending"], uid("s1"), f"Normal, {number}?", now=AT)
    for one in listed(house):
        record_no_answer(house.store, WORKER, one.question_id, "x", now=AT)
    with pytest.raises(TooManyRequests, match="10 questions in a minute"):
        ask(house.store, house["attending"], uid("s1"), "Normal?", now=AT)
    ask(house.store, house["attending"], uid("s1"), "Normal?", now=AT + timedelta(seconds=61))


def test_reader_is_told_after_a_minute_and_a_late_answer_is_welcome(house: House, asked: Question) -> None:
    assert listed(house, AT + timedelta(seconds=59))[0].state is QuestionState.PENDING
    [told] = listed(house, AT + timedelta(seconds=60))
    assert (told.state, told.reason) == (QuestionState.FAILED, NOBODY_ANSWERS)
    assert house.log("question answered")[0].outcome == "failure"
    assert take_question(house.store, asked.question_id) is not None
    assert record_answer(house.store, WORKER, asked.question_id, YES, MODEL, now=AT + timedelta(minutes=2))
    assert listed(house)[0].answer == YES


@pytest.mark.covers("T25")
def test_stopped_model_does_not_answer_not_even_what_was_under_way(house: House, asked: Question) -> None:
    ai_models.note_loaded(house.store, WORKER, identify(MODEL), preset="tiny", card="", now=AT)
    ai_models.stop_model(house.store, house["attending"], 1, "wrong answers", now=AT)
    assert record_answer(house.store, WORKER, asked.question_id, YES, MODEL, now=AT)
    [ended] = listed(house)
    assert (ended.state, ended.answer) == (QuestionState.FAILED, None)
    assert ended.reason == "the AI model janus-tiny (abababababab) is stopped"


@pytest.mark.covers("T25")
@pytest.mark.parametrize(
    "changes", [{"sop_uid": uid("s2", "image", 1)}, {"probability": float("nan")}, {"text": ""}]
)
def test_unfit_answer_is_none(house: House, asked: Question, changes: dict[str, object]) -> None:
    record_answer(house.store, WORKER, asked.question_id, replace(YES, **changes), MODEL, now=AT)  # type: ignore[arg-type]
    [ended] = listed(house)
    assert (ended.state, ended.answer) == (QuestionState.FAILED, None)


def test_refusal_of_the_model_is_an_answer(house: House, asked: Question) -> None:
    no = Answer("The model does not measure.", refused="measurement")
    record_answer(house.store, WORKER, asked.question_id, no, MODEL, now=AT)
    assert listed(house)[0].state is QuestionState.REFUSED
    assert house.log("question answered")[0].outcome == "success"


def test_rule_that_keeps_a_study_from_models_keeps_questions_too(house: House, asked: Question) -> None:
    kept_away = replace(house.study(), routing=Routing(draft=False, draft_reason="staff"))
    with house.store.begin() as tx:
        tx.studies.save(kept_away)
    with pytest.raises(Rejected, match="no model reads this study: staff"):
        ask(house.store, house["attending"], uid("s1"), "Normal?", now=AT)


@pytest.mark.covers("T40")
def test_questions_go_with_their_patient_and_a_worker_that_comes_late_finds_nothing(
    house: House, asked: Question
) -> None:
    record_no_answer(house.store, WORKER, asked.question_id, "x", now=AT)
    with house.store.begin() as tx:
        tx.session.execute(text("DELETE FROM procrastinate_jobs"))
        tx.session.execute(text("DELETE FROM report_locks"))
    patient = PatientKey("id-of-s1", "HOSPITAL")
    erasure.erase_patient(house.store, house["admin"], patient, "asked for it", now=AT)
    assert house.count("questions") == 0
    assert take_question(house.store, asked.question_id) is None
    assert not record_no_answer(house.store, WORKER, asked.question_id, "late", now=AT)
