"""Lanes: how many senders may be busy with one destination, so that a dead or slow one delays no other.

A destination that answers may have half of the senders; one that did not answer the last time has one. Who
finds the lane full comes back later: it gets a place behind those that were sent away before it, so that a
thousand waiting deliveries do not all ask again at the same moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_PATIENCE_SECONDS = 1.0
_SHORTEST_TURN, _LONGEST_TURN = 0.5, 60.0


@dataclass
class _Lane:
    """What is known of one destination."""

    busy: int = 0
    healthy: bool = True
    turn_seconds: float = _SHORTEST_TURN
    next_place_at: float = 0.0


class LaneFull(Exception):
    """The destination is busy.

    Parameters
    ----------
    wait_seconds
        When to come back.
    """

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"again in {wait_seconds:.1f} s")
        self.wait_seconds = wait_seconds


@dataclass
class Lanes:
    """The lanes of one process.

    Attributes
    ----------
    width
        Senders that a healthy destination may have at a time.
    clock
        Monotonic seconds.
    """

    width: int
    clock: Callable[[], float] = time.monotonic
    _lanes: dict[str, _Lane] = field(default_factory=dict, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)

    @contextmanager
    def enter(self, destination: str) -> Iterator[None]:
        """Hold a place in the lane; the block's exception, if any, tells that the destination is not well.

        Raises
        ------
        LaneFull
            If there is no place.
        """
        lane = self._take_place(destination)
        began, healthy = self.clock(), False
        try:
            yield
            healthy = True
        finally:
            self._leave(lane, self.clock() - began, healthy=healthy)

    def _take_place(self, destination: str) -> _Lane:
        with self._changed:
            lane = self._lanes.setdefault(destination, _Lane())
            # a healthy destination is done soon: waiting for it is cheaper than another turn of the queue
            self._changed.wait_for(lambda: self._has_place(lane), _PATIENCE_SECONDS if lane.healthy else 0.0)
            if not self._has_place(lane):
                raise LaneFull(self._place_behind(lane))
            lane.busy += 1
            return lane

    def _leave(self, lane: _Lane, seconds: float, *, healthy: bool) -> None:
        with self._changed:
            lane.busy -= 1
            lane.healthy = healthy
            lane.turn_seconds = min(max(seconds, _SHORTEST_TURN), _LONGEST_TURN)
            self._changed.notify_all()

    def _has_place(self, lane: _Lane) -> bool:
        return lane.busy < (self.width if lane.healthy else 1)

    def _place_behind(self, lane: _Lane) -> float:
        now = self.clock()
        lane.next_place_at = max(lane.next_place_at, now) + lane.turn_seconds
        return lane.next_place_at - now
