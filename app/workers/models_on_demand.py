"""The models of a drafting worker: loaded when asked for, and asked for again while they are missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.domain.errors import Rejected
from app.domain.study import Study

if TYPE_CHECKING:
    from janus_med.engine import JanusMed
    from janus_med.reading import ModelInfo

_ASK_AGAIN_SECONDS = 30.0
Tell = Callable[["Path | None", str], None]
Announce = Callable[["ModelInfo", "Path | None"], None]


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


def model_for(study: Study, model: ModelOnDemand, named: NamedModels | None) -> ModelOnDemand:
    """Return the model that a routing rule names for a study, else that of the settings.

    Raises
    ------
    Rejected
        If a rule names one, and this worker knows none by name.
    """
    name = study.routing.model if study.routing is not None else ""
    if not name:
        return model
    if named is None:
        raise Rejected(f"model unavailable: no model {name} here")
    return named.find(name)
