"""How often an address, an account or a session may ask the web server; a burst is told once.

The address is that of the connection, or what a trusted proxy says (`ui_trusted_proxies`). An account counts
wherever somebody types its password: log-in, second factor, signature.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from app.addresses import neighbourhood
from app.domain.errors import DatabaseUnavailable, TooManyRequests
from app.services.bursts import LOG_IN, record_burst
from app.services.pace import Pace
from app.settings import Settings
from app.store.engine import Store

REQUESTS = "requests"
BURST_ENDS = timedelta(minutes=10)
_ATTEMPT_SECONDS = 60.0
_SESSIONS_OF_AN_ADDRESS = 10
_REMEMBERED = 1024


class Limits:
    """The limits of one web server; safe between threads.

    Parameters
    ----------
    counter
        Counts refusals by what was asked.
    """

    def __init__(self, store: Store, settings: Settings, counter: Counter) -> None:
        self._store = store
        self._counter = counter
        per_second = settings.log_in_attempts_per_minute / 60
        self._addresses = Pace(per_second, burst_seconds=_ATTEMPT_SECONDS)
        self._accounts = Pace(per_second / 3, burst_seconds=_ATTEMPT_SECONDS)
        self._sessions = Pace(settings.ui_requests_per_second)
        # whoever makes up a session each time is still one address; many readers may share one
        self._networks = Pace(_SESSIONS_OF_AN_ADDRESS * settings.ui_requests_per_second)
        self._bursts: OrderedDict[str, datetime] = OrderedDict()
        self._lock = threading.Lock()

    def attempt_from(self, source: str, *, now: datetime) -> None:
        """Count an attempt to show who one is by its address; blocks on the database at the first refusal.

        Raises
        ------
        TooManyRequests
            Past the limit of the address.
        """
        self._take(self._addresses, LOG_IN, neighbourhood(source), source, now)

    def attempt_as(self, account: str, *, source: str, now: datetime) -> None:
        """Count an attempt by the account that somebody says to be; raises `TooManyRequests` too."""
        self._take(self._accounts, LOG_IN, f"account {account.casefold()[:64]}", source, now)

    def request(self, session: str, *, source: str, now: datetime) -> None:
        """Count a request of a session (empty without one) and of its address; raises `TooManyRequests`."""
        network = neighbourhood(source)
        self._take(self._networks, REQUESTS, network, source, now)
        self._take(self._sessions, REQUESTS, session or network, source, now)

    def tell(self, what: str, caller: str, source: str, *, now: datetime) -> None:
        """Count a refusal, and record the first one of a burst."""
        self._counter.labels(what).inc()
        if not self._begins_burst(f"{what} {caller}", now):
            return
        structlog.get_logger().warning("too many requests", what=what)
        try:
            record_burst(self._store, what, source=source, now=now)
        except DatabaseUnavailable:
            return  # the refusal stands, and the metric counts it

    def _take(self, pace: Pace, what: str, caller: str, source: str, now: datetime) -> None:
        try:
            pace.take(caller, now=now)
        except TooManyRequests:
            self.tell(what, caller, source, now=now)
            raise

    def _begins_burst(self, key: str, now: datetime) -> bool:
        with self._lock:
            last = self._bursts.pop(key, None)
            self._bursts[key] = now
            while len(self._bursts) > _REMEMBERED:
                self._bursts.popitem(last=False)
        return last is None or now - last > BURST_ENDS
