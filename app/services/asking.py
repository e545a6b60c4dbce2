"""Questions to the images of a study: a reader asks, the drafting worker answers; never report text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.access import Action, Actor
from app.domain.ai_model import identify, stopped_reason
from app.domain.audit import AuditEvent, Outcome
from app.domain.errors import NotAuthorised, NotFound, Rejected, TooManyRequests
from app.domain.priority import STAT
from app.domain.question import (
    MOST_A_MINUTE,
    MOST_WAITING,
    NOBODY_ANSWERS,
    Answer,
    Question,
    QuestionState,
    clean_question,
    require_fit,
)
from app.domain.study import Instance, Study
from app.domain.work import ANSWER_QUESTION, QUESTION_QUEUE
from app.services.facts import fact_about
from app.services.permission import permit, record_denial
from app.services.study_access import begin_on_study, require_access
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

MOST_SHOWN = 50
_SOONER_THAN_ANY_DRAFT = STAT + 100


@dataclass(frozen=True)
class QuestionOrder:
    """What the worker is to answer, and the images of the study that it may look at."""

    question: Question
    study: Study
    instances: tuple[Instance, ...]


def ask(store: Store, actor: Actor, study_uid: str, text: str, *, now: datetime) -> Question:
    """Put a question to the images of the study that is open; the answer is looked for with `questions_of`.

    Raises
    ------
    NotAuthorised, StudyRestricted, NotFound
        If the role may not, or the study was not opened.
    Rejected
        If the question is empty or too long, or a rule keeps this study from every model.
    TooManyRequests
        With three questions waiting, or ten in a minute.
    """
    permit(store, actor, Action.ASK_MODEL, now=now, study_uid=study_uid)
    asked = clean_question(text)
    with begin_on_study(store, actor, Action.ASK_MODEL, now=now) as tx:
        study = tx.studies.get(study_uid)
        require_access(tx, actor, study_uid, now=now)
        was_opened, report_id = tx.reports.last_opened(actor.username, study_uid)
        if was_opened and actor.user_id is not None:
            if study.routing is not None and not study.routing.draft:
                raise Rejected(f"no model reads this study: {study.routing.draft_reason}")
            _require_pace(tx, actor.user_id, now)
            revision = study.revision if report_id is None else tx.reports.get(report_id).revision
            number = tx.questions.add(study_uid, revision, actor.user_id, asked, now=now)
            tx.work.defer(
                ANSWER_QUESTION,
                queue=QUESTION_QUEUE,
                priority=_SOONER_THAN_ANY_DRAFT,
                queueing_lock=f"question:{number}",
                arguments={"question_id": number, "study_uid": study_uid},
            )
            detail = {"question": number, "revision": revision, "length": len(asked)}
            tx.audit.append(fact_about(tx, study, AuditEvent.QUESTION_ASKED, actor, now=now, detail=detail))
            return tx.questions.get(number)
    record_denial(store, actor, "ask about a study that was not opened", now=now, study_uid=study_uid)
    raise NotAuthorised("open the study first")


def questions_of(store: Store, actor: Actor, study_uid: str, *, now: datetime) -> tuple[Question, ...]:
    """Return the newest questions to a study, oldest first; one that waited for 60 s has no answer then.

    Raises
    ------
    NotAuthorised, StudyRestricted, NotFound
        If the role may not, or the study was not opened.
    """
    permit(store, actor, Action.OPEN_STUDY, now=now, study_uid=study_uid)
    with begin_on_study(store, actor, Action.OPEN_STUDY, now=now) as tx:
        study = tx.studies.get(study_uid)
        require_access(tx, actor, study_uid, now=now)
        was_opened, _ = tx.reports.last_opened(actor.username, study_uid)
        if was_opened:
            known = tx.questions.of_study(study_uid, most=MOST_SHOWN)
            return tuple(
                _given_up(tx, study, one, actor, now) if one.is_overdue(now=now) else one for one in known
            )
    record_denial(store, actor, "see questions to a study that was not opened", now=now, study_uid=study_uid)
    raise NotAuthorised("open the study first")


def take_question(store: Store, question_id: int) -> QuestionOrder | None:
    """Return what is to be answered; None when it was answered already, or went with its patient."""
    with store.begin() as tx:
        try:
            question = tx.questions.get(question_id)
        except NotFound:
            return None
        if question.state in {QuestionState.ANSWERED, QuestionState.REFUSED}:
            return None
        study = tx.studies.get(question.study_uid)
        instances = tx.studies.instances(question.study_uid, up_to_revision=question.revision)
        return QuestionOrder(question, study, instances)


def record_answer(
    store: Store, actor: Actor, question_id: int, answer: Answer, model: Mapping[str, Any], *, now: datetime
) -> bool:
    """Keep what a model answered.

    An answer that is not fit to be shown, or of a model that was stopped meanwhile, is kept as none, with
    that reason (T25).

    Returns
    -------
    bool
        False when it was answered already.
    """
    with store.begin() as tx:
        question = tx.questions.lock(question_id)
        if question.state in {QuestionState.ANSWERED, QuestionState.REFUSED}:
            return False
        study = tx.studies.get(question.study_uid)
        identity = identify(model)
        if tx.ai_models.stop_of(identity):
            return _end(tx, study, question.fail(stopped_reason(identity), now=now), actor, now)
        instances = tx.studies.instances(question.study_uid, up_to_revision=question.revision)
        try:
            require_fit(answer, [instance.sop_uid for instance in instances])
        except Rejected as error:
            return _end(tx, study, question.fail(str(error), now=now), actor, now)
        return _end(tx, study, question.end(answer, model, now=now), actor, now)


def record_no_answer(store: Store, actor: Actor, question_id: int, reason: str, *, now: datetime) -> bool:
    """Keep why no model answers; False when one has, or the question is gone."""
    with store.begin() as tx:
        try:
            question = tx.questions.lock(question_id)
        except NotFound:
            return False
        if question.state in {QuestionState.ANSWERED, QuestionState.REFUSED}:
            return False
        study = tx.studies.get(question.study_uid)
        return _end(tx, study, question.fail(reason[:500], now=now), actor, now)


def _require_pace(tx: UnitOfWork, user_id: int, now: datetime) -> None:
    if tx.questions.waiting_of(user_id) >= MOST_WAITING:
        raise TooManyRequests(
            f"{MOST_WAITING} of your questions wait for an answer: wait for one", retry_after=5
        )
    if tx.questions.asked_since(user_id, now - timedelta(minutes=1)) >= MOST_A_MINUTE:
        raise TooManyRequests(
            f"{MOST_A_MINUTE} questions in a minute are enough: wait a little", retry_after=20
        )


def _given_up(tx: UnitOfWork, study: Study, question: Question, actor: Actor, now: datetime) -> Question:
    held = tx.questions.lock(question.question_id)
    if held.is_overdue(now=now):
        held = held.fail(NOBODY_ANSWERS, now=now)
        _end(tx, study, held, actor, now)
    return held


def _end(tx: UnitOfWork, study: Study, question: Question, actor: Actor, now: datetime) -> bool:
    tx.questions.save(question)
    detail: dict[str, Any] = {"question": question.question_id, "state": question.state.value}
    if question.answer is not None:
        detail |= {"model": question.model_name, "refused": question.answer.refused}
    outcome = Outcome.FAILURE if question.state is QuestionState.FAILED else Outcome.SUCCESS
    event = AuditEvent.QUESTION_ANSWERED
    tx.audit.append(fact_about(tx, study, event, actor, now=now, outcome=outcome, detail=detail))
    return True
