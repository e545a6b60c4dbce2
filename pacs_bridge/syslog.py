"""Syslog over TLS (RFC 5424, RFC 5425): frames, and a connection that knows what its peer has taken.

Syslog has no acknowledgement of its own. `SyslogConnection.settled` asks the kernel whether the peer's has
taken every octet; together with sending the last ones again after a broken connection (the caller does it)
nothing is lost on the way, and some messages may arrive twice.
"""

from __future__ import annotations

import fcntl
import re
import select
import socket
import ssl
import struct
import termios
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from pacs_bridge.errors import Retriable

# facility 10 (security, authorization), severity 5 (notice) or 4 (warning): PS3.15 A.6
_FACILITY = 10
NOTICE, WARNING = 5, 4
MESSAGE_ID = "DICOM+RFC3881"
# an enterprise number for documentation (RFC 5612); the parameter counts the messages of one source
_STRUCTURED_DATA = '[audit@32473 seq="{}"]'
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_PRINTABLE = re.compile(r"[^!-~]")


@dataclass(frozen=True)
class SyslogOrigin:
    """HOSTNAME, APP-NAME and PROCID of the header."""

    host: str
    application: str = "janus-med"
    process: str = "-"


@dataclass(frozen=True)
class Collector:
    """An audit record repository.

    Attributes
    ----------
    tls
        Client context; None for plain TCP (octet counting all the same), for loopback and tests.
    timeout
        Seconds for the connection and for each send.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    timeout: float = 10.0


def frame_syslog(body: bytes, origin: SyslogOrigin, *, at: datetime, seq: int, severity: int) -> bytes:
    """Return one frame: MSG-LEN SP SYSLOG-MSG (RFC 5425 4.3).

    Parameters
    ----------
    body
        UTF-8 text of the message.
    at
        Aware.
    seq
        Number of the message at its origin, in the structured data: a collector finds doubles by it.
    severity
        `NOTICE` or `WARNING`.
    """
    time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    words = [_word(origin.host, 255), _word(origin.application, 48), _word(origin.process, 128)]
    header = (
        f"<{8 * _FACILITY + severity}>1 {time} {' '.join(words)} {MESSAGE_ID} {_STRUCTURED_DATA.format(seq)} "
    )
    message = header.encode("ascii") + _BYTE_ORDER_MARK + body
    return str(len(message)).encode("ascii") + b" " + message


def _word(text: str, longest: int) -> str:
    """Return a header field: printable ASCII without spaces, or the nil value."""
    return _NOT_PRINTABLE.sub("", text)[:longest] or "-"


class SyslogConnection:
    """One connection to a collector.

    Raises
    ------
    Retriable
        From every method, when the collector cannot be reached or has gone; the connection is closed then.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        try:
            plain = socket.create_connection((collector.host, collector.port), collector.timeout)
        except OSError as error:
            raise Retriable(f"the audit collector cannot be reached: {error.strerror or error}") from error
        self._socket: socket.socket = plain
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if collector.tls is None:
            return
        try:
            self._socket = collector.tls.wrap_socket(plain, server_hostname=collector.host)
        except OSError as error:
            plain.close()
            raise Retriable(f"no TLS with the audit collector: {error.strerror or error}") from error

    def send(self, frames: bytes) -> None:
        """Send whole frames."""
        try:
            self._socket.sendall(frames)
        except OSError as error:
            self.close()
            raise Retriable(f"the audit collector went away: {error.strerror or error}") from error

    def settled(self) -> bool:
        """Tell whether the peer's kernel has acknowledged everything that was sent."""
        if self._has_ended():
            self.close()
            raise Retriable("the audit collector closed the connection")
        waiting = fcntl.ioctl(self._descriptor(), termios.TIOCOUTQ, struct.pack("i", 0))
        return bool(struct.unpack("i", waiting)[0] == 0)

    def close(self) -> None:
        """Close the connection; safe to repeat."""
        with suppress(OSError):
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.settimeout(1.0)
                self._socket.unwrap()
        self._socket.close()

    def _descriptor(self) -> int:
        descriptor = self._socket.fileno()
        if descriptor < 0:
            raise Retriable("the connection to the audit collector is closed")
        return descriptor

    def _has_ended(self) -> bool:
        """Tell whether the collector closed: it has nothing to say, so what can be read is an end."""
        descriptor = self._descriptor()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN | select.POLLRDHUP)
        if not poll.poll(0):
            return False
        self._socket.settimeout(0.0)
        try:
            return self._socket.recv(4096) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return False  # a session ticket of TLS 1.3, for example
        except OSError:
            return True
        finally:
            with suppress(OSError):
                self._socket.settimeout(self._collector.timeout)
