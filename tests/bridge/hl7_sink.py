"""A RIS in a thread: takes HL7 messages over MLLP and behaves as scripted, one behaviour a message."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import hl7

from pacs_bridge.mllp_framing import BlockReader, receive_block, wrap

# what the sink may do with a message
ACCEPT, ERROR, REJECT = "AA", "AE", "AR"
TAKE_AND_HANG_UP, HANG_UP, SAY_NOTHING = "takes it, answer is lost", "hangs up", "says nothing"
GARBAGE, OTHER_ACK_FIRST, COMMIT_FIRST = "garbage", "answers another message first", "CA, then AA"


def ack(code: str, control_id: str) -> bytes:
    header = f"MSH|^~\\&|RIS||JANUSMED||20261126||ACK|{code}1|P|2.5.1\r"
    text = f"{header}MSA|{code}|{control_id}|Doe^Jane is unknown\r"
    return (text + ("ERR|||204^Unknown key identifier^HL70357|E\r" if code in {"AE", "AR"} else "")).encode()


@dataclass
class Sink:
    """The sink.

    Attributes
    ----------
    script
        Behaviours of the next messages; afterwards each is accepted.
    received
        Every message as it came.
    accepted
        Those that it took, by MSH-10: a repeated one replaces itself.
    """

    port: int
    script: list[str] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    accepted: dict[str, bytes] = field(default_factory=dict)
    on_message: Callable[[bytes], None] = lambda _: None

    def handle(self, connection: socket.socket) -> None:
        """Serve one connection to its end."""
        reader = BlockReader()
        while (block := receive_block(connection, reader, idle_seconds=30, block_seconds=30)) is not None:
            self.received.append(block.content)
            self.on_message(block.content)
            control_id = str(hl7.parse(block.content.decode()).segment("MSH")[10])
            behaviour = self.script.pop(0) if self.script else ACCEPT
            if behaviour in {ACCEPT, TAKE_AND_HANG_UP, OTHER_ACK_FIRST, COMMIT_FIRST}:
                self.accepted[control_id] = block.content
            if behaviour in {HANG_UP, TAKE_AND_HANG_UP}:
                return
            self._answer(connection, behaviour, control_id)

    def _answer(self, connection: socket.socket, behaviour: str, control_id: str) -> None:
        if behaviour == GARBAGE:
            connection.sendall(wrap(b"not HL7 at all"))
        elif behaviour == OTHER_ACK_FIRST:
            connection.sendall(wrap(ack(REJECT, "ANOTHER")) + wrap(ack(ACCEPT, control_id)))
        elif behaviour == COMMIT_FIRST:
            connection.sendall(wrap(ack("CA", control_id)) + wrap(ack(ACCEPT, control_id)))
        elif behaviour != SAY_NOTHING:
            connection.sendall(wrap(ack(behaviour, control_id)))


@contextmanager
def run_sink(*script: str, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Sink]:
    """Run a sink until the block ends."""
    with socket.create_server(("127.0.0.1", port)) as server:
        sink = Sink(server.getsockname()[1], list(script))
        stopping = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, sink, tls, stopping))
        thread.start()
        try:
            yield sink
        finally:
            stopping.set()
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", sink.port), timeout=1).close()
            thread.join(10)


def _serve(server: socket.socket, sink: Sink, tls: ssl.SSLContext | None, stopping: threading.Event) -> None:
    while not stopping.is_set():
        plain, _ = server.accept()
        if stopping.is_set():
            plain.close()
            return
        threading.Thread(target=_one, args=(plain, sink, tls), daemon=True).start()


def _one(plain: socket.socket, sink: Sink, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError), tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
        sink.handle(connection)
