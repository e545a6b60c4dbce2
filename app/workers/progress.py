"""What a drafting worker is at, for the lists whose readers wait: told with its signs of life alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.waiting_draft import DraftStep
from app.store.draft_queue import DRAFT_STEP, IN_A_ROW, QUEUE_WORKER, STEPS
from app.workers.runtime import Worker


@dataclass
class Progress:
    """The step of the study that a worker drafts.

    Attributes
    ----------
    worker
        Whose numbers are told; None before it is there.
    on_begin
        Called when a study is begun: its readers are told at once.
    """

    worker: Worker | None = None
    on_begin: Callable[[], None] = lambda: None
    _step: int = 0
    _begun: int = 0

    @contextmanager
    def study(self) -> Iterator[None]:
        """Begin a study, and be done with it at the end of the block."""
        self._begun += 1
        self.at(DraftStep.ORDER)
        self.on_begin()
        try:
            yield
        finally:
            self._step = 0

    def at(self, step: DraftStep) -> None:
        """Say what is done now."""
        self._step = STEPS.index(step) + 1

    def gauges(self) -> Mapping[str, float]:
        """Return the worker's number in the queue, its step and its last picks."""
        worker = self.worker
        if worker is None or worker.number is None:
            return {}
        return {QUEUE_WORKER: worker.number, DRAFT_STEP: self._step, IN_A_ROW: worker.urgent_in_a_row}

    def news(self) -> object:
        """Return what lists are told a change of; None while nothing is drafted."""
        return (self._begun, self._step) if self._step else None
