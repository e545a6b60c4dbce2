"""Batches drawn ahead of the step that needs them, in a process of their own; the same batches as without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from janus_med.training.samples import Batch

AHEAD = 4


class _Steps(Dataset[Any]):
    def __init__(self, draw: Callable[[int], Batch], steps: int) -> None:
        self._draw = draw
        self._steps = steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Batch:
        return self._draw(step)


class BatchQueue:
    """Gives the batch of each step in turn.

    Parameters
    ----------
    draw
        Draws the batch of a step; must depend on nothing but the step.
    steps
        How many there are.
    workers
        Processes that draw ahead; 0 draws when asked.
    """

    def __init__(self, draw: Callable[[int], Batch], steps: int, workers: int) -> None:
        self._steps = _Steps(draw, steps)
        self._workers = workers
        self._running: Iterator[Batch] | None = None
        self._next = -1

    def take(self, step: int) -> Batch:
        """Return the batch of ``step``; starting anywhere, then one after the other."""
        if self._running is None or step != self._next:
            self._running = self._start(step)
        self._next = step + 1
        return next(self._running)

    def _start(self, step: int) -> Iterator[Batch]:
        loader: DataLoader[Any] = DataLoader(
            self._steps,
            batch_size=None,
            sampler=range(step, len(self._steps)),
            num_workers=self._workers,
            prefetch_factor=AHEAD if self._workers else None,
            multiprocessing_context="fork" if self._workers else None,
            generator=torch.Generator(),  # else the loader draws its seed from the numbers that dropout draws
        )
        return cast("Iterator[Batch]", iter(loader))
