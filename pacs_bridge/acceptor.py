"""Accepts connections and shakes hands; nothing that a peer does keeps another one waiting."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from pacs_bridge.association import Association
from pacs_bridge.errors import Fatal
from pacs_bridge.station import Station

LOGGER = logging.getLogger(__name__)
BACKLOG = 128
_AT_ONCE = 32
_BREATH_SECONDS = 0.2
_TLS_CLOSE_SECONDS = 1.0
Deliver = Callable[[socket.socket, str], None]


def bind(address: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises
    ------
    Fatal
        If the port cannot be taken.
    """
    try:
        family, *_, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        sock = socket.create_server(where[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise Fatal(f"cannot listen on {address}:{port}: {error.strerror}") from error
    sock.setblocking(False)
    return sock


class Acceptor:
    """Takes connections from a listening socket.

    Parameters
    ----------
    loop
        Where it runs.
    sock
        The listening socket, not blocking.
    deliver
        Gets each connection, not blocking, and the IP address it came from.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, deliver: Deliver) -> None:
        self._loop = loop
        self._sock = sock
        self._deliver = deliver
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        self._pause = None
        self._loop.add_reader(self._sock, self._accept)

    def stop(self) -> None:
        """Accept no more and give the port free."""
        self._loop.remove_reader(self._sock)
        if self._pause is not None:
            self._pause.cancel()
        self._sock.close()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # no descriptors left: those that wait are served when others have gone
                LOGGER.exception("connection_failed")
                self._loop.remove_reader(self._sock)
                self._pause = self._loop.call_later(_BREATH_SECONDS, self.start)
                return
            connection.setblocking(False)
            self._deliver(connection, str(address[0]))


def attend(station: Station, sock: socket.socket, source_address: str, tls: ssl.SSLContext | None) -> None:
    """Serve a connection from now on, in a task of its own."""
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    association = Association(station, sock, source_address)
    key = association.facts.association_id
    station.live[key] = association
    station.waiting_room.enter(key, source_address, association)
    association.greeting = station.loop.create_task(_greet(station, association, sock, tls))


async def _greet(
    station: Station, association: Association, sock: socket.socket, tls: ssl.SSLContext | None
) -> None:
    """Connect an association to its transport, after the TLS handshake when there is one."""
    limits = station.config.transport
    try:
        await station.loop.connect_accepted_socket(
            lambda: association,
            sock,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else limits.tls_deadline,
            ssl_shutdown_timeout=None if tls is None else _TLS_CLOSE_SECONDS,
        )
    except (OSError, ValueError) as error:
        sock.close()
        timed_out = isinstance(error, TimeoutError) or "longer than" in str(error)
        association.fail_handshake(_reason(error), alert=not timed_out)


def _reason(error: Exception) -> str:
    """Name the fault in words of OpenSSL, which hold nothing of the certificate."""
    reason = getattr(error, "reason", None)
    return f"{type(error).__name__} {reason}" if reason else type(error).__name__
