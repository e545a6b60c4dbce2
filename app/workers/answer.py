"""Answers questions to images, beside the drafts, in the process that has the model.

Nobody is alarmed by a question without an answer: the reader sits there and reads the reason.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from app.domain.access import Actor
from app.domain.ai_model import identify, stopped_reason
from app.domain.errors import Rejected
from app.domain.question import Answer, AnswerRegion, no_model
from app.domain.work import ANSWER_QUESTION, QUESTION_QUEUE
from app.services.ai_models import why_stopped
from app.services.asking import QuestionOrder, record_answer, record_no_answer, take_question
from app.store.engine import Store
from app.workers.models_on_demand import ModelOnDemand, NamedModels, model_for
from app.workers.study_images import read_images

if TYPE_CHECKING:
    from janus_med.decoding import Decoder
    from janus_med.engine import JanusMed
    from janus_med.study_answer import StudyAnswer


@dataclass(frozen=True)
class AnswerQuestion:
    """The task of the queue ``question``.

    Attributes
    ----------
    objects
        Folder of the spool that holds the instances by digest.
    named
        The models that rules may name; None knows only the one of the settings.
    """

    store: Store
    actor: Actor
    model: ModelOnDemand
    decoder: Decoder
    objects: Path
    named: NamedModels | None = None
    name: str = ANSWER_QUESTION
    queue: str = QUESTION_QUEUE

    def run(self, **arguments: Any) -> None:
        """Answer one question; nothing happens when it was answered before, or went with its patient."""
        number = int(arguments["question_id"])
        order = take_question(self.store, number)
        if order is None:
            return
        log = structlog.get_logger().bind(study_uid=order.study.study_uid, question=number)
        try:
            chosen = model_for(order.study, self.model, self.named)
        except Rejected as error:
            self._fail(number, str(error))
            return
        model = chosen.load()
        if model is None:
            self._fail(number, no_model(chosen.problem))
        elif why_stopped(self.store, identify(asdict(model.info))):
            self._fail(number, stopped_reason(identify(asdict(model.info))))
        else:
            self._answer(order, model)
        log.info("question ended")

    def note_failure(self, reason: str, **arguments: Any) -> None:
        """Say nothing: another attempt follows, and the reader is told after a minute."""

    def give_up(self, reason: str, **arguments: Any) -> None:
        """Tell the reader that there will be no answer."""
        self._fail(int(arguments["question_id"]), reason)

    def _answer(self, order: QuestionOrder, model: JanusMed) -> None:
        from janus_med.study_answer import answer_about_study

        number = order.question.question_id
        study, problem = read_images(self.objects, order.study.study_uid, order.instances)
        if study is None:
            self._fail(number, problem)
            return
        said = answer_about_study(study, model, order.question.text, decoder=self.decoder)
        if said.answer is None:
            self._fail(number, said.reason)
            return
        info = asdict(model.info)
        record_answer(self.store, self.actor, number, as_answer(said), info, now=datetime.now(UTC))

    def _fail(self, number: int, reason: str) -> None:
        record_no_answer(self.store, self.actor, number, reason, now=datetime.now(UTC))


def as_answer(said: StudyAnswer) -> Answer:
    """Return an answer of the model package as the store keeps it."""
    answer = said.answer
    if answer is None:
        raise ValueError("there is no answer to keep")
    return Answer(
        text=answer.text,
        refused=answer.refused or "",
        finding=answer.finding,
        decision=answer.decision or "",
        probability=None if answer.probability is None else round(float(answer.probability), 6),
        sop_uid=said.sop_instance_uid,
        regions=tuple(
            AnswerRegion(finding, tuple(float(edge) for edge in region.box), round(float(region.score), 4))  # type: ignore[arg-type]
            for finding, regions in said.regions.items()
            for region in regions
        ),
    )
