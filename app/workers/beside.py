"""A second worker in a process, so that work which may take minutes holds up nothing that must not wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.workers.runtime import STOP_SECONDS, Worker


@contextmanager
def run_beside(worker: Worker | None) -> Iterator[None]:
    """Run a worker in a thread until the block ends; None runs nothing."""
    if worker is None:
        yield
        return
    thread = threading.Thread(target=worker.run, name=worker.actor.source, daemon=True)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(STOP_SECONDS)
