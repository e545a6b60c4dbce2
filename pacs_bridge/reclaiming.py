"""Frees the memory of ended connections soon: asyncio leaves a cycle of references behind for each.

A transport refers to itself, so that only Python's cycle collector frees it. On its own that collects old
objects when those that were added are a quarter of all: after tens of thousands of connections, in which the
process seems to leak (about 1.2 kB a connection, measured).
"""

from __future__ import annotations

import gc

CONNECTIONS_BETWEEN = 500


def freeze_what_is_loaded() -> None:
    """Take the program itself out of later collections, which then cost a millisecond instead of a hundred.

    For the start of a process that does nothing but receive; see `gc.freeze`.
    """
    gc.collect()
    gc.freeze()


class Reclaiming:
    """Collects after every `CONNECTIONS_BETWEEN` connections that ended."""

    def __init__(self) -> None:
        self._ended = 0

    def note_end(self) -> None:
        """Count a connection that has ended, and collect when it is time."""
        self._ended += 1
        if self._ended % CONNECTIONS_BETWEEN == 0:
            gc.collect()
