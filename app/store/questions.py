"""Questions to the images of a study, and their answers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from app.domain.errors import NotFound
from app.domain.question import Answer, AnswerRegion, Question, QuestionState
from app.store.tables import UserRow
from app.store.tables_context import QuestionRow


class Questions:
    """Questions as part of one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, study_uid: str, revision: int, user_id: int, text: str, *, now: datetime) -> int:
        """Keep a question that nobody has answered yet; return its number."""
        row = QuestionRow(
            study_uid=study_uid,
            revision=revision,
            user_id=user_id,
            text=text,
            state=QuestionState.PENDING.value,
            reason="",
            answer={},
            model={},
            asked_at=now,
            ended_at=None,
        )
        self._session.add(row)
        self._session.flush()
        return row.id

    def get(self, question_id: int) -> Question:
        """Return a question, or raise `NotFound`."""
        return self._one(_with_names().where(QuestionRow.id == question_id), question_id)

    def lock(self, question_id: int) -> Question:
        """Return a question and hold its row until the transaction ends, or raise `NotFound`."""
        wanted = _with_names().where(QuestionRow.id == question_id)
        return self._one(wanted.with_for_update(of=QuestionRow), question_id)

    def of_study(self, study_uid: str, *, most: int) -> tuple[Question, ...]:
        """Return the newest questions of a study, oldest of them first."""
        newest = _with_names().where(QuestionRow.study_uid == study_uid).order_by(QuestionRow.id.desc())
        rows = self._session.execute(newest.limit(most)).all()
        return tuple(_as_question(row, name) for row, name in reversed(rows))

    def save(self, question: Question) -> None:
        """Write how a question ended."""
        answer = {} if question.answer is None else asdict(question.answer)
        values = {
            "state": question.state.value,
            "reason": question.reason,
            "answer": answer,
            "model": dict(question.model),
            "ended_at": question.ended_at,
        }
        self._session.execute(
            update(QuestionRow).where(QuestionRow.id == question.question_id).values(**values)
        )

    def waiting_of(self, user_id: int) -> int:
        """Return how many questions of a person wait for an answer."""
        waiting = QuestionRow.state == QuestionState.PENDING.value
        return self._count(QuestionRow.user_id == user_id, waiting)

    def asked_since(self, user_id: int, since: datetime) -> int:
        """Return how many questions a person has put since a time."""
        return self._count(QuestionRow.user_id == user_id, QuestionRow.asked_at > since)

    def _count(self, *conditions: object) -> int:
        return self._session.scalars(select(func.count()).select_from(QuestionRow).where(*conditions)).one()  # type: ignore[arg-type]

    def _one(self, wanted: Select[QuestionRow, str], question_id: int) -> Question:
        found = self._session.execute(wanted.execution_options(populate_existing=True)).one_or_none()
        if found is None:
            raise NotFound(f"there is no question {question_id}")
        row, name = found
        return _as_question(row, name)


def _with_names() -> Select[QuestionRow, str]:
    return select(QuestionRow, UserRow.printed_name).join(UserRow, UserRow.id == QuestionRow.user_id)


def _as_question(row: QuestionRow, printed_name: str) -> Question:
    return Question(
        question_id=row.id,
        study_uid=row.study_uid,
        revision=row.revision,
        user_id=row.user_id,
        printed_name=printed_name,
        text=row.text,
        state=QuestionState(row.state),
        reason=row.reason,
        answer=_as_answer(row.answer) if row.answer else None,
        model=dict(row.model),
        asked_at=row.asked_at,
        ended_at=row.ended_at,
    )


def _as_answer(stored: dict[str, object]) -> Answer:
    values = dict(stored)
    regions = values.pop("regions", ())
    kept = tuple(
        AnswerRegion(one["finding"], tuple(one["box"]), one["score"])
        for one in regions  # type: ignore[attr-defined]
    )
    return Answer(**values, regions=kept)  # type: ignore[arg-type]
