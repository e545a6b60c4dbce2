"""The answer to a request of ours is taken by the request, never by pynetdicom's reactor.

A requestor's association reads its queue of DIMSE messages in two threads: the one that sent a request
waits for the answer, and the reactor looks for what the peer asks. pynetdicom 3.0 pauses the reactor while
a request is under way, but the reactor says "paused" a moment before it looks at its checkpoint: a request
that begins in that moment shares the queue with it, and its answer may be discarded as an unexpected
message. The request then ends with an empty status after the whole DIMSE time-out.
"""

from __future__ import annotations

import threading
from typing import Any


class _Gate(threading.Event):
    """The reactor's checkpoint; it closes only between two looks at the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.looking = threading.Lock()
        self.set()

    def clear(self) -> None:
        with self.looking:
            super().clear()


def keep_answers_from_the_reactor(assoc: Any) -> None:
    """Make the look of the reactor and its pause exclude each other.

    Parameters
    ----------
    assoc
        An established association of pynetdicom's that has no request under way yet.
    """
    gate, take = _Gate(), assoc.dimse.get_msg

    def get_msg(block: bool = False) -> Any:
        if block:
            return take(block=True)
        with gate.looking:
            return take(block=False) if gate.is_set() else (None, None)

    assoc._reactor_checkpoint = gate
    assoc.dimse.get_msg = get_msg
