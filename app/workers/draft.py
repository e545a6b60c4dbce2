"""The drafting worker: the one module of the application that knows the model.

A study that cannot be drafted is never held back from its readers: it becomes "no AI draft" with the reason
at once, also when the model itself is missing. That job is then a dead letter, to be retried when the model
is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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
from app.domain.errors import Rejected
from app.domain.order import ClinicalContext
from app.domain.work import DRAFT_QUEUE, DRAFT_STUDY
from app.services.ai_models import why_stopped
from app.services.counting import Reporter
from app.services.drafting import record_draft, take_order
from app.settings import Settings
from app.store.engine import Store, open_store
from app.workers.announce_model import announce_model
from app.workers.draft_content import as_content
from app.workers.indication import await_worklist, context_of_images
from app.workers.model_alert import tell_model
from app.workers.runtime import Worker

if TYPE_CHECKING:
    from janus_med.decoding import Decoder
    from janus_med.draft import Draft
    from janus_med.engine import JanusMed
    from janus_med.reading import ModelInfo
    from janus_med.study import Study

_ASK_AGAIN_SECONDS = 30.0
Tell = Callable[["Path | None", str], None]
Announce = Callable[["ModelInfo", "Path | None"], None]


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
        task = DraftStudy(
            store,
            actor,
            model,
            decoder,
            settings.spool_dir / "objects",
            named,
            order_wait_seconds=settings.order_wait_seconds,
        )
        with Reporter("drafting", lambda: store):
            Worker(store, settings, actor, [task], on_ready=lambda: _say_ready(model)).run()


def _say_ready(model: ModelOnDemand) -> None:
    structlog.get_logger().info("ready", **model.state)


@dataclass
class ModelOnDemand:
    """The model of the settings: loaded once; while it cannot be, asked for again every half minute.

    Attributes
    ----------
    folder
        None for the bundled model.
    announce
        Called once a model is loaded, before it is used.
    problem
        Why there is no model; empty when there is one.
    tell
        Gets the folder and why its model cannot be used; an empty reason when it can.
    """

    folder: Path | None
    device: str
    announce: Announce = lambda info, folder: None
    tell: Tell = field(default=lambda folder, problem: None, kw_only=True)
    problem: str = field(default="not loaded yet", init=False)
    _model: JanusMed | None = field(default=None, init=False)
    _asked_at: float | None = field(default=None, init=False)

    def load(self) -> JanusMed | None:
        """Return the model, or None with the reason in `problem`."""
        if self._model is None and self._may_ask():
            self._asked_at = time.monotonic()
            self._model = self._try_to_load()
        return self._model

    @property
    def state(self) -> dict[str, str]:
        """What the log may say about the model."""
        if self._model is None:
            return {"model": "unavailable", "reason": self.problem}
        return {"model": self._model.info.id, "weights": self._model.info.weights_sha256[:12]}

    def _may_ask(self) -> bool:
        return self._asked_at is None or time.monotonic() - self._asked_at > _ASK_AGAIN_SECONDS

    def _try_to_load(self) -> JanusMed | None:
        from janus_med.engine import JanusMed
        from janus_med.errors import JanusMedError

        try:
            model = JanusMed.load(self.folder, device=self.device)
        except JanusMedError as error:
            self.problem = str(error)
        except (OSError, MemoryError, RuntimeError, ValueError) as error:
            self.problem = f"{type(error).__name__} while loading"
        else:
            self.announce(model.info, self.folder)
            self.problem = ""
            self.tell(self.folder, "")
            return model
        structlog.get_logger().error("model unavailable", reason=self.problem)
        self.tell(self.folder, self.problem)
        return None


@dataclass
class NamedModels:
    """The models that routing rules name, each loaded when the first study asks for it, and kept.

    Attributes
    ----------
    folder
        Where a name is looked up, before the bundled models.
    """

    folder: Path
    device: str
    announce: Announce = lambda info, folder: None
    tell: Tell = field(default=lambda folder, problem: None, kw_only=True)
    _models: dict[Path, ModelOnDemand] = field(default_factory=dict, init=False)

    def find(self, name: str) -> ModelOnDemand:
        """Return the model of a name, or of the whole path of a folder; it may turn out to be missing."""
        from janus_med.checkpoint import bundled_folder

        own = self.folder / name
        chosen = own if own.is_dir() or Path(name).is_absolute() else bundled_folder().parent / name
        if chosen not in self._models:
            self._models[chosen] = ModelOnDemand(chosen, self.device, self.announce, tell=self.tell)
        return self._models[chosen]


@dataclass(frozen=True)
class DraftStudy:
    """The task of the queue ``draft``.

    Attributes
    ----------
    objects
        Folder of the spool that holds the instances by digest.
    named
        The models that rules may name; None knows only the one of the settings.
    order_wait_seconds
        How long after completion the worklist is waited for.
    """

    store: Store
    actor: Actor
    model: ModelOnDemand
    decoder: Decoder
    objects: Path
    named: NamedModels | None = None
    name: str = DRAFT_STUDY
    queue: str = DRAFT_QUEUE
    order_wait_seconds: float = 0.0

    def run(self, **arguments: Any) -> None:
        """Draft one study revision; nothing happens when it is drafted already or superseded."""
        study_uid, revision = str(arguments["study_uid"]), int(arguments["revision"])
        log = structlog.get_logger().bind(study_uid=study_uid, revision=revision)
        order = self._take(study_uid, revision)
        if order is None:
            log.info("nothing to draft")
            return
        chosen = self._model_for(order)
        model = chosen.load()
        if model is None:
            raise Rejected(f"model unavailable: {chosen.problem}")
        context = self._context(order)
        draft = self._draft(order, model, context)
        content = draft if isinstance(draft, DraftContent) else as_content(draft, context)
        recorded = self._record(order, content)
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

    def _model_for(self, order: DraftingOrder) -> ModelOnDemand:
        name = order.study.routing.model if order.study.routing is not None else ""
        if not name:
            return self.model
        if self.named is None:
            raise Rejected(f"model unavailable: no model {name} here")
        return self.named.find(name)

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
        study, problem = self._read(order)
        if study is None:
            return undrafted(problem)
        return draft_study(study, model, decoder=self.decoder, indication=context.indication)

    def _read(self, order: DraftingOrder) -> tuple[Study | None, str]:
        """Read the headers of the order's objects; the second value says why there is no image."""
        from janus_med.dicom_input import group_studies, read_instance
        from janus_med.errors import UnreadableInput

        found, problems = [], []
        for instance in order.instances:
            try:
                found.append(read_instance(self._object(instance.sha256)))
            except UnreadableInput as error:
                problems.append(error.problem)
        studies, mixed = group_studies(found)
        problems += [error.problem for error in mixed]
        for study in studies:
            if study.study_uid == order.study.study_uid:
                return study, ""
        return None, problems[0] if problems else "the study has no image"

    def _object(self, sha256: str) -> Path:
        return self.objects / sha256[:2] / f"{sha256}.dcm"

    def _record(self, order: DraftingOrder, content: DraftContent) -> bool:
        return record_draft(
            self.store,
            self.actor,
            study_uid=order.study.study_uid,
            revision=order.study.revision,
            content=content,
            now=datetime.now(UTC),
        )
