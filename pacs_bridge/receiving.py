"""The loop that associations run in, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from pacs_bridge.acceptor import Acceptor, attend
from pacs_bridge.desk import Desk
from pacs_bridge.listener_config import ListenerConfig
from pacs_bridge.sink import InstanceSink
from pacs_bridge.station import Station

_CUT_SECONDS = 0.5
_LAST_SECONDS = 2.0


class Receiving:
    """Receives over connections that it accepts, or that are given to it.

    Parameters
    ----------
    config
        How to behave.
    sink
        Where instances go.
    desk
        Where associations ask and report.
    service_classes
        SOP classes of normalized services.
    clock
        Gives the time of receipt.
    """

    def __init__(
        self,
        config: ListenerConfig,
        sink: InstanceSink,
        desk: Desk,
        service_classes: Sequence[str],
        clock: Callable[[], datetime],
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._tls = config.tls_context()
        self._station = Station(config, sink, desk, tuple(service_classes), clock, self._loop)
        self._acceptors: list[Acceptor] = []
        self._thread = threading.Thread(target=self._run, name="dicom-listener", daemon=True)

    def start(self, plain: Sequence[socket.socket] = (), encrypted: Sequence[socket.socket] = ()) -> None:
        """Run, and accept from listening sockets."""
        for sockets, context in ((plain, None), (encrypted, self._tls)):
            self._acceptors += [Acceptor(self._loop, s, self._receiver(context)) for s in sockets]
        for acceptor in self._acceptors:
            self._loop.call_soon(acceptor.start)
        self._thread.start()

    def attend(self, sock: socket.socket, source_address: str, *, encrypted: bool) -> None:
        """Serve a connection that another process accepted; from any thread."""
        context = self._tls if encrypted else None
        self._loop.call_soon_threadsafe(attend, self._station, sock, source_address, context)

    def stop(self, timeout: float) -> None:
        """Accept no more, let associations end, abort those that have not after `timeout` seconds."""
        asyncio.run_coroutine_threadsafe(self._wind_down(timeout), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._station.close()
        self._loop.close()

    def _receiver(self, context: ssl.SSLContext | None) -> Callable[[socket.socket, str], None]:
        return lambda sock, address: attend(self._station, sock, address, context)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _wind_down(self, timeout: float) -> None:
        for acceptor in self._acceptors:
            acceptor.stop()
        await self._emptied(timeout)
        for association in list(self._station.live.values()):
            association.abort("the listener is stopping")
        await self._emptied(_CUT_SECONDS)
        for association in list(self._station.live.values()):
            association.cut()
        await self._emptied(_LAST_SECONDS)

    async def _emptied(self, timeout: float) -> None:
        """Wait until every association has ended, but no longer."""
        deadline = self._loop.time() + timeout
        while self._station.live and self._loop.time() < deadline:
            await asyncio.sleep(0.01)
