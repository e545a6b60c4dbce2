"""How often a caller may ask: a bucket of requests for each, filled at a steady rate."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

from app.dicomweb.errors import TooManyRequests

BURST_SECONDS = 10
_REMEMBERED = 1024


class Pace:
    """Counts requests by caller; safe between threads.

    Parameters
    ----------
    per_second
        Requests of one caller on average; ten seconds' worth may come at once; 0 for no limit.
    """

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._buckets: OrderedDict[str, tuple[float, datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str, *, now: datetime) -> None:
        """Count one request.

        Raises
        ------
        TooManyRequests
            When the caller has none left; the next are there after a moment.
        """
        if not self._rate:
            return
        most = max(self._rate * BURST_SECONDS, 1.0)
        with self._lock:
            left, since = self._buckets.get(caller, (most, now))
            passed = max((now - since).total_seconds(), 0.0)
            left = min(left + passed * self._rate, most)
            self._buckets[caller] = (left - 1 if left >= 1 else left, now)
            self._buckets.move_to_end(caller)
            while len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
        if left < 1:
            raise TooManyRequests("more requests than one client may make: slow down")
