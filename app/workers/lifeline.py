"""A child process ends with its parent, also when the parent is killed.

The parent keeps the write end of a pipe open and never writes; the child reads it. The kernel closes it
with the parent, whatever happened to that, and the child stops as if it had been asked to.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
import threading
import time

LIFELINE = "JANUSMED_LIFELINE"
_PATIENCE_SECONDS = 9.0


class Lifeline:
    """The parent's end: pass `environment` and `descriptors` to every child, and keep the object alive."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    @property
    def environment(self) -> dict[str, str]:
        """Tells a child which descriptor to watch."""
        return {LIFELINE: str(self._read)}

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child inherits."""
        return (self._read,)

    def close(self) -> None:
        """Let go: children that still run stop themselves."""
        for descriptor in (self._read, self._write):
            os.close(descriptor)


def hold_lifeline() -> None:
    """Stop this process (SIGTERM, then the hard way) when its supervisor is gone; without one, do nothing."""
    descriptor = os.environ.pop(LIFELINE, "")
    if descriptor.isdigit():
        threading.Thread(target=_watch, args=(int(descriptor),), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_SECONDS)
    os._exit(1)


def main() -> None:
    """Run ``python -m app.workers.lifeline MODULE ARGUMENT...``: any module, tied to its parent."""
    hold_lifeline()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
