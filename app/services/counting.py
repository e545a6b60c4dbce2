"""What a process counts between two reports, and the thread that reports it.

Numbers wait in memory while the database is away and are added when it is back; a process that is killed
takes the last seconds of its counts with it, which a statistic can bear. Several processes of one kind add
to the same numbers.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog

from app.domain.errors import DatabaseUnavailable, JanusMedError
from app.domain.metrics import Increment, add_up, observe
from app.services.watch import ProcessReport, record_report, retire_process
from app.store.engine import Store

REPORT_SECONDS = 5.0


class Counts:
    """Increments that wait to be reported; any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Increment] = []
        self._heard: dict[str, tuple[datetime | None, datetime | None]] = {}

    def add(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Count something."""
        self._extend((Increment(name, tuple(labels.items()), value),))

    def observe(self, name: str, seconds: float) -> None:
        """Put a time into a histogram."""
        self._extend(observe(name, seconds))

    def hear(self, ae_title: str, now: datetime, *, instance: bool = False) -> None:
        """Note that a source was heard."""
        with self._lock:
            association, last = self._heard.get(ae_title, (None, None))
            self._heard[ae_title] = (association, now) if instance else (now, last)

    def take(self) -> tuple[tuple[Increment, ...], Mapping[str, tuple[datetime | None, datetime | None]]]:
        """Return everything that waits, and forget it."""
        with self._lock:
            waiting, heard = add_up(self._waiting), self._heard
            self._waiting, self._heard = [], {}
        return waiting, heard

    def put_back(
        self,
        increments: tuple[Increment, ...],
        heard: Mapping[str, tuple[datetime | None, datetime | None]],
    ) -> None:
        """Keep what could not be reported; what was heard since then is newer."""
        self._extend(increments)
        with self._lock:
            self._heard = {**heard, **self._heard}

    def _extend(self, increments: tuple[Increment, ...]) -> None:
        with self._lock:
            self._waiting.extend(increments)
            if len(self._waiting) > 10_000:
                self._waiting = list(add_up(self._waiting))


class Reporter:
    """A thread that says every few seconds that its process lives, and what it counted.

    Parameters
    ----------
    process
        Kind of the process, as the operations view shows it.
    connect
        Returns the store; raises `DatabaseUnavailable` while it is away.
    gauges
        Numbers as they are right now.
    news
        What worklists are told a change of; None is no news.
    """

    def __init__(
        self,
        process: str,
        connect: Callable[[], Store],
        *,
        counts: Counts | None = None,
        gauges: Callable[[], Mapping[str, float]] = dict,
        news: Callable[[], object] = lambda: None,
    ) -> None:
        self._process = process
        self._instance = f"{socket.gethostname()}:{os.getpid()}"
        self._connect = connect
        self._gauges = gauges
        self._news = news
        self._told: object = None
        self._started_at = datetime.now(UTC)
        self._stop, self._due = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self.counts = counts or Counts()

    def __enter__(self) -> Reporter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._due.set()
        self._thread.join(REPORT_SECONDS)
        try:
            self.report(now=datetime.now(UTC))
            retire_process(self._connect(), self._process, self._instance)
        except JanusMedError:
            return

    def soon(self) -> None:
        """Let the thread report now, without waiting for it."""
        self._due.set()

    def report(self, *, now: datetime) -> None:
        """Report once.

        Raises
        ------
        DatabaseUnavailable
            What was counted stays for the next time.
        """
        increments, heard = self.counts.take()
        news = self._news()
        is_news = news is not None and news != self._told
        report = ProcessReport(
            self._process, self._instance, self._started_at, increments, self._gauges(), heard, is_news
        )
        try:
            record_report(self._connect(), report, now=now)
            self._told = news
        except BaseException:
            self.counts.put_back(increments, heard)
            raise

    def _run(self) -> None:
        wait = 0.0
        while True:
            self._due.wait(wait)
            if self._stop.is_set():
                return
            self._due.clear()
            wait = REPORT_SECONDS
            try:
                self.report(now=datetime.now(UTC))
            except DatabaseUnavailable:
                continue
            except Exception as error:  # counting must never end the process that it is about
                structlog.get_logger().error("report failed", error=type(error).__name__)
