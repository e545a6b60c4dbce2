"""Several receiving processes behind one port: the parent accepts, and gives connections to them.

The parent keeps what must hold over all of them: ports, caps, open studies, the order of events, the lock of
the spool. A receiving process that dies takes its own associations with it and nothing acknowledged, and is
replaced. Why not SO_REUSEPORT: docs/adr/0011.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pacs_bridge.acceptor import Acceptor, Deliver, bind
from pacs_bridge.desk import FrontDesk
from pacs_bridge.dimse_service import NormalizedService
from pacs_bridge.errors import Fatal
from pacs_bridge.listener_config import ListenerConfig
from pacs_bridge.listener_events import ListenerEvents
from pacs_bridge.orders import Orders
from pacs_bridge.receiver import Receiver
from pacs_bridge.spool import Spool
from pacs_bridge.station import SERVICE_THREADS
from pacs_bridge.tls import TlsFiles

LOGGER = logging.getLogger(__name__)
_LONGEST_END = 3.0
_SHORTEST_LIFE = 2.0
_Gift = tuple[socket.socket, str, bool]


class ListenerGroup:
    """Receives like `Listener`, in processes of its own.

    Parameters
    ----------
    config
        How to behave; TLS as files, since every process makes its own context.
    spool
        Where instances go; taken by `Spool.recover`.
    events
        Who is told, in this process.
    services
        Answer N-ACTION and N-EVENT-REPORT, in this process.
    processes
        How many receive.
    """

    def __init__(
        self,
        config: ListenerConfig,
        spool: Spool,
        events: ListenerEvents,
        *,
        services: Sequence[NormalizedService] = (),
        processes: int = 2,
    ) -> None:
        if config.tls is not None and not isinstance(config.tls, TlsFiles):
            raise Fatal("several receiving processes need TLS as files")
        self._config = config
        self._desk = FrontDesk(config, events, services)
        self._orders = Orders(config, spool.layout.root, spool.floor, self._desk.service_classes)
        self._inherited = spool.owner_descriptors
        self._count = processes
        self._services = ThreadPoolExecutor(SERVICE_THREADS, thread_name_prefix="service")
        self._lock = threading.Lock()
        self._receivers: list[Receiver] = []
        self._waiting: deque[_Gift] = deque()
        self._stopping = False
        self._started_at = 0.0
        self._loop = asyncio.new_event_loop()
        self._acceptors: list[Acceptor] = []
        self._ports = (config.port, config.tls_port or 0)
        self._thread = threading.Thread(target=self._loop.run_forever, name="dicom-listener", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._ports[0]

    @property
    def tls_port(self) -> int:
        """The TLS port beside it; 0 when there is none."""
        return self._ports[1]

    @property
    def open_associations(self) -> int:
        """Number of associations that are open, in all processes."""
        return self._desk.admission.open_count

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The receiving processes."""
        return tuple(receiver.pid for receiver in self._receivers)

    def open_studies(self) -> frozenset[str]:
        """Return the StudyInstanceUIDs of associations that are still open, in all processes."""
        return self._desk.studies.uids()

    def start(self) -> None:
        """Listen, in processes and threads of its own.

        Raises
        ------
        Fatal
            If a port cannot be taken, TLS not be set up, or a process does not start.
        """
        config = self._config
        config.tls_context()
        sockets = [bind(config.address, config.port)]
        if config.tls_port is not None:
            sockets.append(bind(config.address, config.tls_port))
        self._ports = (sockets[0].getsockname()[1], sockets[-1].getsockname()[1] if sockets[1:] else 0)
        with self._lock:
            self._receivers = [self._make() for _ in range(self._count)]
        if not all(receiver.wait_until_ready() for receiver in self._receivers):
            for sock in sockets:
                sock.close()
            self._end(0.0)
            raise Fatal("a receiving process did not start")
        for number, sock in enumerate(sockets):
            encrypted = config.tls is not None and number == len(sockets) - 1
            self._acceptors.append(Acceptor(self._loop, sock, self._giver(encrypted)))
            self._loop.call_soon(self._acceptors[-1].start)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Stop accepting, let associations end, abort those that have not after `timeout` seconds."""
        if self._stopping:
            return
        self._loop.call_soon_threadsafe(self._wind_down)
        self._thread.join()
        self._loop.close()
        self._end(timeout)

    def _wind_down(self) -> None:
        for acceptor in self._acceptors:
            acceptor.stop()
        self._loop.stop()

    def _end(self, timeout: float) -> None:
        with self._lock:
            self._stopping = True
            receivers = list(self._receivers)
        for receiver in receivers:
            receiver.stop(timeout)
        deadline = time.monotonic() + timeout + _LONGEST_END
        for receiver in receivers:
            receiver.join(max(0.1, deadline - time.monotonic()))
        for sock, _, _ in self._waiting:
            sock.close()
        self._services.shutdown(wait=False)

    def _giver(self, encrypted: bool) -> Deliver:
        return lambda sock, address: self._give((sock, address, encrypted))

    def _give(self, gift: _Gift) -> None:
        """Hand a connection to the process that has the fewest; keep it while there is none."""
        sock, address, encrypted = gift
        for receiver in sorted(self._receivers, key=lambda r: r.load):
            if receiver.is_ready and receiver.give(sock, address, encrypted=encrypted):
                sock.close()
                return
        self._waiting.append(gift)
        self._loop.call_later(0.1, self._give_again)

    def _give_again(self) -> None:
        if self._waiting:
            self._give(self._waiting.popleft())

    def _make(self) -> Receiver:
        self._started_at = time.monotonic()
        return Receiver(self._orders, self._desk, self._inherited, self._services, self._replace)

    def _replace(self, ended: Receiver) -> None:
        """Start another process for one that ended, not faster than it can be started in vain."""
        if self._stopping:
            return
        LOGGER.error("receiving_process_ended", extra={"pid": ended.pid})
        if time.monotonic() - self._started_at < _SHORTEST_LIFE:
            time.sleep(_SHORTEST_LIFE)
        with self._lock:
            if not self._stopping and ended in self._receivers:
                self._receivers[self._receivers.index(ended)] = self._make()
