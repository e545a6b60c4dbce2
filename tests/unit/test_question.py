"""A question, its life, what may be asked and what may be answered; embeddings that may be kept."""

from __future__ import annotations

import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.embedding import StudyEmbedding, is_unit, name_space
from app.domain.errors import InvalidTransition, Rejected
from app.domain.question import (
    Answer,
    AnswerRegion,
    Question,
    QuestionState,
    clean_question,
    require_fit,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MODEL = {"id": "m", "weights_sha256": "ab" * 32, "adapters_sha256": ""}
ASKED = Question(1, "1.2", 1, 1, "Dr. A", "Normal?", QuestionState.PENDING, "", None, {}, NOW, None)
YES = Answer("Yes.", decision="present", probability=0.8, sop_uid="1.2.3")


def test_question_is_overdue_after_a_minute_and_answered_late_all_the_same() -> None:
    assert not ASKED.is_overdue(now=NOW + timedelta(seconds=59))
    assert ASKED.is_overdue(now=NOW + timedelta(seconds=60))
    late = ASKED.fail("nobody", now=NOW)
    assert late.end(YES, MODEL, now=NOW).state is QuestionState.ANSWERED
    assert late.end(YES, MODEL, now=NOW).reason == ""


def test_answered_question_is_not_answered_again() -> None:
    answered = ASKED.end(YES, MODEL, now=NOW)
    with pytest.raises(InvalidTransition):
        answered.fail("late", now=NOW)
    refused = ASKED.end(Answer("No age.", refused="person"), MODEL, now=NOW)
    assert refused.state is QuestionState.REFUSED
    with pytest.raises(InvalidTransition):
        refused.end(YES, MODEL, now=NOW)


@pytest.mark.parametrize("text", ["", "   \n", "x" * 201, "a\x00b", "\ud800"], ids=range(5))
def test_what_is_no_question_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        clean_question(text)


def test_longest_question_is_taken_and_white_space_is_made_plain() -> None:
    assert clean_question("x" * 200) == "x" * 200
    assert clean_question("  Is there\n a nodule? ") == "Is there a nodule?"


@pytest.mark.covers("T25")
@pytest.mark.parametrize(
    "answer",
    [
        replace(YES, text=" "),
        replace(YES, sop_uid="9.9"),
        replace(YES, probability=float("nan")),
        replace(YES, probability=1.5),
        replace(YES, regions=(AnswerRegion("Edema", (0, 0, float("inf"), 1), 0.5),)),
    ],
)
def test_answer_that_is_not_fit_is_refused(answer: Answer) -> None:
    with pytest.raises(Rejected):
        require_fit(answer, ["1.2.3"])


def test_fit_answer_passes_and_one_without_an_image_too() -> None:
    require_fit(YES, ["1.2.3"])
    require_fit(Answer("The model does not measure.", refused="measurement"), [])


def vector(*values: float) -> StudyEmbedding:
    return StudyEmbedding("s", array.array("f", values).tobytes())


def test_only_finite_vectors_of_length_one_are_kept() -> None:
    assert is_unit(vector(0.6, 0.8))
    bad = [vector(1.0, 1.0), vector(), vector(float("nan"), 1.0), StudyEmbedding("s", b"abc")]
    assert [is_unit(one) for one in bad] == [False] * 4


def test_space_differs_with_weights_adapters_and_preprocessing() -> None:
    spaces = {
        name_space(MODEL, "p"),
        name_space(MODEL, "q"),
        name_space(MODEL | {"weights_sha256": "cd"}, "p"),
        name_space(MODEL | {"adapters_sha256": "cd"}, "p"),
    }
    assert len(spaces) == 4
