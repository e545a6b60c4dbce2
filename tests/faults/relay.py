"""A TCP relay that tells of every piece that passes, before and after it is handed on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Relay:
    """Between a client of ours and a real server.

    Attributes
    ----------
    at_point
        Called with the number of the point since `arm`: 0 before the first piece is handed on, 1 after it,
        2 before the second ... in both directions.
    """

    port: int
    at_point: Callable[[int], None] = lambda _: None
    _points: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def arm(self, at_point: Callable[[int], None]) -> None:
        """Begin to count."""
        with self._lock:
            self._points, self.at_point = 0, at_point

    def passes(self) -> None:
        with self._lock:
            point, self._points = self._points, self._points + 1
            self.at_point(point)


@contextmanager
def relay_to(target: int, *, port: int = 0) -> Iterator[Relay]:
    """Relay to a port of this machine until the block ends, from `port` or one of the system's choice."""
    with socket.create_server(("127.0.0.1", port)) as server:
        relay = Relay(server.getsockname()[1])
        threading.Thread(target=_accept, args=(server, relay, target), daemon=True).start()
        yield relay


def _accept(server: socket.socket, relay: Relay, target: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            try:
                behind = socket.create_connection(("127.0.0.1", target), timeout=30)
            except OSError:
                client.close()
                continue
            for one, other in ((client, behind), (behind, client)):
                threading.Thread(target=_pass_on, args=(one, other, relay), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket, relay: Relay) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 16):
            relay.passes()
            other.sendall(data)
            relay.passes()
    for side in (one, other):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
        side.close()
