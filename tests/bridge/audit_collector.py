"""An audit record repository for tests: takes TLS syslog frames (RFC 5425) and keeps what they say."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field

FRAME = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<time>\S+) (?P<host>\S+) (?P<app>\S+) (?P<pid>\S+) (?P<msgid>\S+) "
    rb'\[audit@32473 seq="(?P<seq>\d+)"\] \xef\xbb\xbf(?P<body>.*)',
    re.DOTALL,
)


@dataclass
class Taken:
    """One message."""

    seq: int
    pri: int
    msgid: str
    octets: int
    body: bytes


@dataclass
class CollectorServer:
    """Listens on a free port of its own choice, which it keeps over `stop` and `start`."""

    tls: ssl.SSLContext | None = None
    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    _server: socket.socket | None = None
    _open: list[socket.socket] = field(default_factory=list)

    def start(self) -> None:
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def stop(self) -> None:
        """Go away at once, with whatever is on its way."""
        server, self._server = self._server, None
        if server is not None:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
        while self._open:
            connection = self._open.pop()
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    @property
    def numbers(self) -> list[int]:
        return [message.seq for message in self.taken]

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                plain, _ = server.accept()
                connection = plain if self.tls is None else self.tls.wrap_socket(plain, server_side=True)
            except (ssl.SSLError, ConnectionError):
                continue
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection.makefile("rb") as stream:
            while True:
                length = b""
                while not length.endswith(b" "):
                    octet = stream.read(1)
                    if not octet:
                        return
                    length += octet
                frame = stream.read(int(length))
                if len(frame) < int(length):
                    return
                self.taken.append(_parse(frame))


def _parse(frame: bytes) -> Taken:
    found = FRAME.fullmatch(frame)
    assert found is not None, frame[:200]
    return Taken(int(found["seq"]), int(found["pri"]), found["msgid"].decode(), len(frame), found["body"])
