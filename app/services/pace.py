"""How often somebody may ask: a bucket of requests for each, filled at a steady rate; bounded in memory."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from datetime import datetime

from app.domain.errors import TooManyRequests

BURST_SECONDS = 10
_REMEMBERED = 1024


class Pace:
    """Counts requests by caller; safe between threads.

    Parameters
    ----------
    per_second
        Requests of one caller on average; 0 for no limit.
    burst_seconds
        So many seconds' worth may come at once.
    remembered
        Callers that are kept; whoever has not asked for longest is forgotten first.
    """

    def __init__(
        self, per_second: float, *, burst_seconds: float = BURST_SECONDS, remembered: int = _REMEMBERED
    ) -> None:
        self._rate = per_second
        self._most = max(per_second * burst_seconds, 1.0)
        self._remembered = remembered
        self._buckets: OrderedDict[str, tuple[float, datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str, *, now: datetime) -> None:
        """Count one request.

        Raises
        ------
        TooManyRequests
            When the caller has none left; it says when the next is taken.
        """
        if not self._rate:
            return
        with self._lock:
            left, since = self._buckets.get(caller, (self._most, now))
            passed = max((now - since).total_seconds(), 0.0)
            left = min(left + passed * self._rate, self._most)
            self._buckets[caller] = (left - 1 if left >= 1 else left, now)
            self._buckets.move_to_end(caller)
            while len(self._buckets) > self._remembered:
                self._buckets.popitem(last=False)
        if left < 1:
            wait = max(1, math.ceil((1 - left) / self._rate))
            raise TooManyRequests("more requests than one client may make: slow down", retry_after=wait)

    @property
    def callers(self) -> int:
        """How many callers are kept."""
        return len(self._buckets)
