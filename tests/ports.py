"""Ports for servers that a test starts.

They lie below the range that the system gives to outgoing connections: a port that is free when it is chosen
cannot be taken by somebody's connection before the server listens, or be held by one that has just closed.
"""

from __future__ import annotations

import socket
from pathlib import Path
from random import SystemRandom

_LOWEST = 16_384
_given: set[int] = set()


def free_port() -> int:
    """Return a port that nobody uses, another one at each call."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = [port for port in range(_LOWEST, first_outgoing) if port not in _given]
    for port in SystemRandom().sample(candidates, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError(f"no free port between {_LOWEST} and {first_outgoing}")
