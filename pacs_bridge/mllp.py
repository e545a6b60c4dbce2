"""The MLLP server: takes HL7 v2 messages, and answers each when the sink has made it durable.

One thread a connection, so that a slow sender holds up nobody else. A connection ends when its address is
not allowed, when a block does not come in time, or when it is silent for an hour. What cannot be read as a
message is answered with a rejection and the connection stays: the next message may be a good one.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import ssl
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from pacs_bridge.errors import Fatal
from pacs_bridge.hl7_charsets import UnknownCharset
from pacs_bridge.hl7_message import Malformed, Message, read_message
from pacs_bridge.hl7_reply import (
    INTERNAL_ERROR,
    REQUIRED_FIELD_MISSING,
    SEQUENCE_ERROR,
    UNKNOWN_KEY,
    VALUE_NOT_FOUND,
    Reply,
    Verdict,
    acknowledge,
    refuse_unreadable,
    reject,
)
from pacs_bridge.mllp_config import Hl7Sink, MllpConfig, ReceivedMessage
from pacs_bridge.mllp_framing import Block, BlockReader, receive_block, wrap

LOGGER = logging.getLogger(__name__)
_HANDSHAKE_SECONDS = 5.0
_SEND_SECONDS = 10.0
_ACCEPT_SECONDS = 0.5


class MllpServer:
    """Listens from `start` to `stop`.

    Parameters
    ----------
    now
        The clock of acknowledgements.
    """

    def __init__(
        self, config: MllpConfig, sink: Hl7Sink, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._config = config
        self._sink = sink
        self._now = now
        self._places = threading.BoundedSemaphore(config.maximum_connections)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._busy: set[threading.Thread] = set()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1]) if self._socket else 0

    def start(self) -> None:
        """Begin to take connections.

        Raises
        ------
        Fatal
            If the address or the port is not to be had.
        """
        family = socket.AF_INET6 if ":" in self._config.address else socket.AF_INET
        try:
            self._socket = socket.create_server((self._config.address, self._config.port), family=family)
        except OSError as error:
            raise Fatal(f"HL7 cannot listen on port {self._config.port}: {error.strerror}") from error
        self._socket.settimeout(_ACCEPT_SECONDS)
        self._thread = threading.Thread(target=self._accept, name="mllp", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Take no more connections, end idle ones at once, and let messages in work be answered."""
        self._stop.set()
        if self._socket is not None:
            self._socket.close()
        with self._lock:
            idle = {thread: sock for thread, sock in self._open.items() if thread not in self._busy}
            threads = list(self._open)
        for sock in idle.values():
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout)

    def _accept(self) -> None:
        assert self._socket is not None
        while not self._stop.is_set():
            try:
                sock, address = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                if self._stop.wait(0.05):
                    return
                continue
            self._admit(sock, str(address[0]).removeprefix("::ffff:"))

    def _admit(self, sock: socket.socket, source: str) -> None:
        if not self._places.acquire(blocking=False):
            sock.close()
            LOGGER.warning("mllp_full")
            return
        # the address is judged in the thread: telling of a refusal may take as long as a database does
        thread = threading.Thread(target=self._serve, args=(sock, source), name="mllp-peer", daemon=True)
        with self._lock:
            self._open[thread] = sock
        thread.start()

    def _serve(self, sock: socket.socket, source: str) -> None:
        me = threading.current_thread()
        try:
            if not any(peer.may_call_from(source) for peer in self._config.peers):
                sock.close()
                self._tell_refused(source, "no system may send HL7 from this address")
                return
            with self._secured(sock) as secured:
                self._talk(secured, source, me)
        except (OSError, ssl.SSLError):
            LOGGER.info("mllp_connection_lost")
        finally:
            sock.close()
            with self._lock:
                self._open.pop(me, None)
                self._busy.discard(me)
            self._places.release()

    def _secured(self, sock: socket.socket) -> socket.socket:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._config.tls is None:
            return sock
        sock.settimeout(_HANDSHAKE_SECONDS)
        secured = self._config.tls.wrap_socket(sock, server_side=True)
        with self._lock:
            self._open[threading.current_thread()] = secured
        return secured

    def _talk(self, sock: socket.socket, source: str, me: threading.Thread) -> None:
        reader = BlockReader(self._config.largest_message)
        while not self._stop.is_set():
            block = receive_block(
                sock,
                reader,
                idle_seconds=self._config.idle_seconds,
                block_seconds=self._config.message_seconds,
            )
            if block is None:
                return
            with self._lock:
                self._busy.add(me)
            for answer in self._answer(block, source):
                sock.settimeout(_SEND_SECONDS)
                sock.sendall(wrap(answer))
            with self._lock:
                self._busy.discard(me)

    def _answer(self, block: Block, source: str) -> list[bytes]:
        control_id = uuid.uuid4().hex[:20]
        if block.is_oversize:
            reply = reject(SEQUENCE_ERROR, f"larger than {self._config.largest_message} bytes")
            return [refuse_unreadable(block.content, reply, now=self._now(), control_id=control_id)]
        try:
            message = read_message(block.content)
        except (Malformed, UnknownCharset) as error:
            condition = VALUE_NOT_FOUND if isinstance(error, UnknownCharset) else SEQUENCE_ERROR
            reply = reject(condition, str(error))
            return [refuse_unreadable(block.content, reply, now=self._now(), control_id=control_id)]
        reply = self._judge(message, block.content, source)
        return acknowledge(message, reply, now=self._now(), control_id=control_id)

    def _judge(self, message: Message, content: bytes, source: str) -> Reply:
        peers = [peer for peer in self._config.peers if peer.may_call_from(source)]
        if not any(peer.is_sender_of(message) for peer in peers):
            self._tell_refused(source, "the sending application is not allowed")
            return reject(UNKNOWN_KEY, "the sending application (MSH-3, MSH-4) is not allowed from there")
        if not message.control_id:
            return reject(REQUIRED_FIELD_MISSING, "MSH-10 is empty")
        sender = f"{message.header.text(3)}|{message.header.text(4)}"
        received = ReceivedMessage(message, sender, source, hashlib.sha256(content).hexdigest())
        try:
            return self._sink.receive(received)
        except Exception as error:  # whatever it was, the message is not kept and the sender must know
            LOGGER.warning("mllp_sink_failed", extra={"error": type(error).__name__})
            return Reply(Verdict.ERROR, INTERNAL_ERROR, "not kept: try again later")

    def _tell_refused(self, source: str, reason: str) -> None:
        try:
            self._sink.refused(source, reason)
        except Exception as error:  # an audit that fails changes nothing for the peer
            LOGGER.warning("mllp_sink_failed", extra={"error": type(error).__name__})
