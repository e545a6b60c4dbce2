"""Hears that the worklist has changed: one listening connection a process, however many readers wait.

PostgreSQL tells that something changed (`LISTEN worklist`), never what. While the connection is away nobody
is told anything; when it is back everybody is, because changes may have been missed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import structlog

log = structlog.get_logger()
_CHANNEL = "worklist"
_LOOK_UP_SECONDS = 1.0  # how soon a feed that was closed ends
_AGAIN_SECONDS = 2.0


class ChangeFeed:
    """Counts the changes of the worklist; starts to listen when somebody first asks.

    Parameters
    ----------
    conninfo
        How to reach the database (libpq); never shown.
    on_change
        Called with the new count, from the listening thread.
    """

    def __init__(self, conninfo: str, on_change: Callable[[int], object]) -> None:
        self._conninfo = conninfo
        self._on_change = on_change
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._count = 0
        self._listens = False

    @property
    def count(self) -> int:
        """How many changes were heard of, plus one for each time that listening began."""
        return self._count

    @property
    def listens(self) -> bool:
        """Whether changes are heard of at this moment."""
        return self._listens

    def start(self) -> None:
        """Begin to listen; nothing happens when that has begun."""
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="worklist-changes", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(2 * _LOOK_UP_SECONDS)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except (psycopg.Error, RuntimeError) as error:
                # RuntimeError: who was to be told is just ending; a thread that dies here leaves lists still
                log.warning("worklist changes not heard", error=type(error).__name__)
            finally:
                self._listens = False
            self._closed.wait(_AGAIN_SECONDS)

    def _listen(self) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(f"LISTEN {_CHANNEL}")
            self._listens = True
            self._tell()
            while not self._closed.is_set():
                if any(True for _ in connection.notifies(timeout=_LOOK_UP_SECONDS, stop_after=1)):
                    self._tell()

    def _tell(self) -> None:
        self._count += 1
        self._on_change(self._count)
