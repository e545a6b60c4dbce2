"""One deadline that moves often and expires rarely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls back when a time has passed that was not moved on before.

    Moving it to a later time costs nothing: the timer that is set already looks again when it fires.

    Parameters
    ----------
    loop
        Gives the time and the timer.
    expired
        Called in the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, due: float | None) -> None:
        """Move the deadline to a time of the loop's clock; None for no deadline."""
        self._due = due
        if due is not None and (self._timer is None or self._timer.when() > due):
            self._arm(due)

    def cancel(self) -> None:
        """Forget the deadline for good."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._arm(self._due)
        else:
            self._due = None
            self._expired()
