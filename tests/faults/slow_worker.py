"""A worker whose jobs take a while and leave a line when they begin and end; it is there to be killed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from app.domain.access import service_actor
from app.logs import set_up_logging
from app.settings import read_settings
from app.store.engine import open_store
from app.workers.runtime import Worker

JOB_SECONDS = 0.4


class SlowTask:
    """Writes ``begin`` and ``end`` with number, process and time into a file."""

    name = "note"
    queue = "draft"

    def __init__(self, notes: Path) -> None:
        self._notes = notes

    def run(self, **arguments: Any) -> None:
        self._note("begin", arguments["n"])
        time.sleep(JOB_SECONDS)
        self._note("end", arguments["n"])

    def note_failure(self, reason: str, **arguments: Any) -> None:
        self._note("failed", arguments["n"])

    def give_up(self, reason: str, **arguments: Any) -> None:
        self._note("given-up", arguments["n"])

    def _note(self, what: str, number: int) -> None:
        line = f"{what} {number} {os.getpid()} {time.time()}\n"
        descriptor = os.open(self._notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)


def main() -> None:
    set_up_logging("slow", level="WARNING")
    settings = read_settings()
    with open_store(settings) as store:
        Worker(store, settings, service_actor("slow"), [SlowTask(Path(sys.argv[1]))]).run()


if __name__ == "__main__":
    main()
