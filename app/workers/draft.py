"""The drafting worker: the one module of the application that knows the model.

A study that cannot be drafted is never held back from its readers: it becomes "no AI draft" with the reason
at once, also when the model itself is missing. That job is then a dead letter, to be retried when the model
is there.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from app.domain.access import Actor, service_actor
from app.domain.ai_model import identify
from app.domain.draft import DraftContent, DraftingOrder, undrafted
from app.domain.embedding import StudyEmbedding
from app.domain.errors import Rejected
from app.domain.order import ClinicalContext
from app.domain.waiting_draft import DraftStep
from app.domain.work import DRAFT_QUEUE, DRAFT_STUDY
from app.services.ai_models import why_stopped
from app.services.counting import Reporter
from app.services.drafting import record_draft, take_order
from app.settings import Settings
from app.store.draft_queue import DRAFTING
from app.store.engine import Store, open_store
from app.workers.announce_model import announce_model
from app.workers.answer import AnswerQuestion
from app.workers.draft_content import as_content, embedding_of
from app.workers.indication import await_worklist, context_of_images
from app.workers.model_alert import tell_model
from app.workers.models_on_demand import ModelOnDemand, NamedModels, model_for
from app.workers.progress import Progress
from app.workers.runtime import Worker
from app.workers.study_images import object_path, read_images

if TYPE_CHECKING:
    from janus_med.decoding import Decoder
    from janus_med.draft import Draft
    from janus_med.engine import JanusMed


def work(settings: Settings) -> None:
    """Draft studies until SIGTERM or SIGINT, then end within 10 s."""
    from transformers.utils.logging import disable_progress_bar

    from janus_med.decoding import Decoder
    from janus_med.preprocessing import load_libraries

    disable_progress_bar()
    actor = service_actor("drafting")
    with ExitStack() as stack:
        store = stack.enter_context(open_store(settings))
        decoder = stack.enter_context(Decoder())
        announce, tell = partial(announce_model, store, actor), partial(tell_model, store)
        model = ModelOnDemand(settings.model, settings.device, announce, tell=tell)
        model.load()
        load_libraries()  # several seconds, which the first study would wait for
        named = NamedModels(settings.models_dir, settings.device, announce, tell=tell)
        progress = Progress()
        task = DraftStudy(
            store,
            actor,
            model,
            decoder,
            settings.spool_dir / "objects",
            named,
            progress=progress,
            order_wait_seconds=settings.order_wait_seconds,
        )
        answers = AnswerQuestion(store, actor, model, decoder, settings.spool_dir / "objects", named)
        worker = progress.worker = Worker(
            store, settings, actor, [answers, task], on_ready=lambda: _say_ready(model)
        )
        reporter = Reporter(DRAFTING, lambda: store, gauges=progress.gauges, news=progress.news)
        progress.on_begin = reporter.soon
        with reporter:
            worker.run()


def _say_ready(model: ModelOnDemand) -> None:
    structlog.get_logger().info("ready", **model.state)


@dataclass(frozen=True)
class DraftStudy:
    """The task of the queue ``draft``.

    Attributes
    ----------
    objects
        Folder of the spool that holds the instances by digest.
    named
        The models that rules may name; None knows only the one of the settings.
    progress
        Where it is told what is done.
    order_wait_seconds
        How long after completion the worklist is waited for.
    """

    store: Store
    actor: Actor
    model: ModelOnDemand
    decoder: Decoder
    objects: Path
    named: NamedModels | None = None
    progress: Progress = field(default_factory=Progress)
    name: str = DRAFT_STUDY
    queue: str = DRAFT_QUEUE
    order_wait_seconds: float = 0.0

    def run(self, **arguments: Any) -> None:
        """Draft one study revision; nothing happens when it is drafted already or superseded."""
        with self.progress.study():
            self._run(str(arguments["study_uid"]), int(arguments["revision"]))

    def _run(self, study_uid: str, revision: int) -> None:
        log = structlog.get_logger().bind(study_uid=study_uid, revision=revision)
        order = self._take(study_uid, revision)
        if order is None:
            log.info("nothing to draft")
            return
        self.progress.at(DraftStep.MODEL)
        chosen = model_for(order.study, self.model, self.named)
        model = chosen.load()
        if model is None:
            raise Rejected(f"model unavailable: {chosen.problem}")
        context = self._context(order)
        draft = self._draft(order, model, context)
        content = draft if isinstance(draft, DraftContent) else as_content(draft, context)
        embedding = None if isinstance(draft, DraftContent) else embedding_of(draft)
        self.progress.at(DraftStep.STORING)
        recorded = self._record(order, content, embedding)
        log.info("draft recorded" if recorded else "draft came too late", status=draft.status)

    def note_failure(self, reason: str, **arguments: Any) -> None:
        """Say nothing: the study waits for the next attempt."""

    def give_up(self, reason: str, **arguments: Any) -> None:
        """Open the study to its readers without a draft."""
        record_draft(
            self.store,
            self.actor,
            study_uid=str(arguments["study_uid"]),
            revision=int(arguments["revision"]),
            content=undrafted(reason),
            now=datetime.now(UTC),
        )

    def _take(self, study_uid: str, revision: int) -> DraftingOrder | None:
        order = take_order(self.store, study_uid, revision)
        if order is None:
            return None
        return await_worklist(
            order, lambda: take_order(self.store, study_uid, revision), seconds=self.order_wait_seconds
        )

    def _context(self, order: DraftingOrder) -> ClinicalContext:
        """Return why the study was made: by its orders, else by the first image that says so."""
        if order.context.is_known:
            return order.context
        found = (context_of_images(self._object(each.sha256)) for each in order.instances if each.is_image)
        return next((context for context in found if context.is_known), order.context)

    def _draft(self, order: DraftingOrder, model: JanusMed, context: ClinicalContext) -> Draft | DraftContent:
        from janus_med.drafting import draft_study

        if stopped := why_stopped(self.store, identify(asdict(model.info))):
            return undrafted(stopped)
        self.progress.at(DraftStep.IMAGES)
        study, problem = read_images(self.objects, order.study.study_uid, order.instances)
        if study is None:
            return undrafted(problem)
        return draft_study(
            study,
            model,
            decoder=self.decoder,
            indication=context.indication,
            on_images=lambda: self.progress.at(DraftStep.IMAGES),
            on_model=lambda: self.progress.at(DraftStep.READING),
        )

    def _object(self, sha256: str) -> Path:
        return object_path(self.objects, sha256)

    def _record(self, order: DraftingOrder, content: DraftContent, embedding: StudyEmbedding | None) -> bool:
        return record_draft(
            self.store,
            self.actor,
            study_uid=order.study.study_uid,
            revision=order.study.revision,
            content=content,
            embedding=embedding,
            now=datetime.now(UTC),
        )
