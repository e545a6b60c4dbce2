"""Tasks that note what they are asked to do, and workers that run until there is nothing left to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.access import service_actor
from app.settings import Settings
from app.store.engine import Store
from app.workers.runtime import Worker


@dataclass
class NotingTask:
    """A task whose behaviour is a function of its arguments.

    Attributes
    ----------
    done, given_up
        Arguments of each run that ended well, and (reason, arguments) of each job that was given up.
    """

    act: Callable[..., None] = lambda **_: None
    name: str = "note"
    queue: str = "draft"
    runs: list[dict[str, object]] = field(default_factory=list)
    failed: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    given_up: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def run(self, **arguments: object) -> None:
        self.runs.append(arguments)
        self.act(**arguments)

    def note_failure(self, reason: str, **arguments: object) -> None:
        self.failed.append((reason, arguments))

    def give_up(self, reason: str, **arguments: object) -> None:
        self.given_up.append((reason, arguments))


def work_until(store: Store, task: NotingTask, done: Callable[[], bool], **settings: object) -> None:
    """Run a worker in a thread until `done`."""
    chosen = Settings(data_dir=Path("/nonexistent"), **{"stalled_seconds": 2, **settings})  # type: ignore[arg-type]
    with run_worker(Worker(store, chosen, service_actor("test"), [task])):
        wait_until(done)


@contextmanager
def run_worker(worker: Worker) -> Iterator[None]:
    """Run a worker in a thread until the block ends."""
    worker.leave = lambda status: None  # it would take the tests with it, and say that all is well
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(60)
    assert not thread.is_alive(), "the job did not end"


def wait_until(done: Callable[[], bool], seconds: float = 180.0) -> None:
    """Wait until something holds; fail after `seconds`, which are many: the machine may be busy."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def defer(store: Store, *, priority: int = 0, lock: str | None = None, **arguments: object) -> bool:
    """Put a job for `NotingTask` into the queue."""
    with store.begin() as unit:
        return unit.work.defer(
            "note", queue="draft", priority=priority, queueing_lock=lock, arguments=dict(arguments)
        )


def depth(store: Store) -> tuple[int, int]:
    """Return how many jobs wait and run."""
    with store.begin() as unit:
        depths = unit.work.queue_depths()
    return sum(d.waiting for d in depths), sum(d.running for d in depths)
