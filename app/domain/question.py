"""A question that a reader puts to the images of a study, and what the model says: never report text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain.ai_model import identify
from app.domain.errors import Rejected
from app.domain.machine import advance
from app.domain.report import clean_text

LONGEST_QUESTION = 200
PATIENCE = timedelta(seconds=60)
"""After so long the reader is told that nobody answers; a later answer is still taken."""
EXAMPLES = (
    "Is there a pneumothorax?",
    "Where is the nodule?",
    "How many nodules are there?",
    "Which findings are present?",
    "Is the film normal?",
)
"""Of each kind that the model understands one; it reads English alone."""
MOST_WAITING = 3
MOST_A_MINUTE = 10
NOBODY_ANSWERS = "no AI worker has answered within 60 s"


class QuestionState(StrEnum):
    """Life of a question; a refusal of the model is an answer."""

    PENDING = "PENDING"
    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"


class QuestionCommand(StrEnum):
    """What can happen to it."""

    ANSWER = "answer"
    REFUSE = "refuse"
    FAIL = "fail"


_S, _C = QuestionState, QuestionCommand
QUESTION_TRANSITIONS: Mapping[tuple[QuestionState, QuestionCommand], QuestionState] = {
    (_S.PENDING, _C.ANSWER): _S.ANSWERED,
    (_S.PENDING, _C.REFUSE): _S.REFUSED,
    (_S.PENDING, _C.FAIL): _S.FAILED,
    # the worker came late, or was retried
    (_S.FAILED, _C.ANSWER): _S.ANSWERED,
    (_S.FAILED, _C.REFUSE): _S.REFUSED,
    (_S.FAILED, _C.FAIL): _S.FAILED,
}


@dataclass(frozen=True)
class AnswerRegion:
    """Where the model looked.

    Attributes
    ----------
    box
        (x0, y0, x1, y1): columns and rows of the image that was asked about.
    """

    finding: str
    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True)
class Answer:
    """What the model says to one question about one image.

    Attributes
    ----------
    refused
        The fixed word for why there is no answer; empty when there is one.
    finding
        What was asked about; empty for an open question.
    decision
        ``present``, ``absent``, ``defer``, or empty.
    probability
        Calibrated; None where there is none.
    sop_uid
        The image that was asked about; empty when none was read.
    """

    text: str
    refused: str = ""
    finding: str = ""
    decision: str = ""
    probability: float | None = None
    sop_uid: str = ""
    regions: tuple[AnswerRegion, ...] = ()


@dataclass(frozen=True)
class Question:
    """A question as it stands.

    Attributes
    ----------
    reason
        Why there is no answer of the model; empty unless it failed.
    model
        Which model answered: id and digests; empty until then.
    printed_name
        Who asked.
    """

    question_id: int
    study_uid: str
    revision: int
    user_id: int
    printed_name: str
    text: str
    state: QuestionState
    reason: str
    answer: Answer | None
    model: Mapping[str, Any]
    asked_at: datetime
    ended_at: datetime | None

    @property
    def model_name(self) -> str:
        """The model's id with the first digits of its weights' digest; empty until it answered."""
        return identify(self.model).name if self.model else ""

    def is_overdue(self, *, now: datetime) -> bool:
        """Tell whether somebody waits for it longer than they are let."""
        return self.state is QuestionState.PENDING and now - self.asked_at >= PATIENCE

    def end(self, answer: Answer, model: Mapping[str, Any], *, now: datetime) -> Question:
        """Return it as answered, or as refused by the model."""
        command = QuestionCommand.REFUSE if answer.refused else QuestionCommand.ANSWER
        state = advance(QUESTION_TRANSITIONS, self.state, command)
        return replace(self, state=state, reason="", answer=answer, model=model, ended_at=now)

    def fail(self, reason: str, *, now: datetime) -> Question:
        """Return it as one that no model answered, and why."""
        state = advance(QUESTION_TRANSITIONS, self.state, QuestionCommand.FAIL)
        return replace(self, state=state, reason=reason, ended_at=now)


def no_model(problem: str) -> str:
    """Return why a question has no answer while the model cannot be loaded."""
    return f"no AI model: {problem}"


def clean_question(text: str) -> str:
    """Return a question fit to be kept.

    Raises
    ------
    Rejected
        If it is empty, longer than 200 characters, or holds control characters.
    """
    asked = clean_text(text[: 10 * LONGEST_QUESTION])
    if not asked:
        raise Rejected("type a question first")
    if len(asked) > LONGEST_QUESTION:
        raise Rejected(f"a question has {LONGEST_QUESTION} characters at most: shorten it")
    return asked


def require_fit(answer: Answer, sop_uids: Sequence[str]) -> None:
    """Raise `Rejected` when an answer has no words, or speaks of an image of another study (T25)."""
    if not answer.text.strip():
        raise Rejected("the model gave an answer without words")
    if answer.sop_uid and answer.sop_uid not in sop_uids:
        raise Rejected("the answer is about an image that is not of this study")
    numbers = [edge for region in answer.regions for edge in (*region.box, region.score)]
    numbers += [answer.probability] if answer.probability is not None else []
    if not all(math.isfinite(number) for number in numbers):
        raise Rejected("the answer holds a number that is none")
    if answer.probability is not None and not 0 <= answer.probability <= 1:
        raise Rejected("the answer's probability is none")
