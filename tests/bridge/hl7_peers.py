"""Messages as a RIS sends them, and a raw MLLP sender."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from pacs_bridge.mllp_framing import BlockReader, receive_block, wrap

APPLICATION, FACILITY = "RIS", "HOSPITAL"


def header(kind: str, control_id: str, *, charset: str = "", accept: str = "", application: str = "") -> str:
    """An MSH segment."""
    return (
        f"MSH|^~\\&|{APPLICATION}|{FACILITY}|JANUSMED|RADIOLOGY|20261122101500||{kind}|{control_id}|P|2.5.1"
        f"|||{accept}|{application}||{charset}"
    )


def patient(
    patient_id: str = "P1", name: str = "Example^Person", birth: str = "19700101", issuer: str = ""
) -> str:
    """A PID segment."""
    return f"PID|1||{patient_id}^^^{issuer}^MR||{name}||{birth}|F"


def order(
    control_id: str = "M1",
    *,
    control: str = "NW",
    accession: str = "A1",
    priority: str = "R",
    indication: str = "Cough",
    status: str = "",
    pid: str | None = None,
    charset: str = "",
) -> str:
    """An ORM^O01 for one chest radiograph."""
    return "\r".join(
        (
            header("ORM^O01^ORM_O01", control_id, charset=charset),
            pid or patient(),
            f"ORC|{control}|PL1|FI1||{status}|||||||4711^Order^Olga",
            f"OBR|1|PL1|FI1|CXR^Chest 2 views^L||||||||||||4711^Order^Olga||{accession}"
            f"|||||||||^^^^^{priority}||||^{indication}",
        )
    )


@dataclass
class Sender:
    """A connection to an MLLP server."""

    port: int
    sock: socket.socket = field(init=False)
    reader: BlockReader = field(default_factory=BlockReader, init=False)

    def __post_init__(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, message: str | bytes, encoding: str = "utf-8") -> dict[str, list[str]]:
        """Send a message and return its acknowledgement, segments by name."""
        content = message.encode(encoding) if isinstance(message, str) else message
        self.sock.sendall(wrap(content))
        return self.answer()

    def answer(self) -> dict[str, list[str]]:
        """Return the next acknowledgement."""
        block = receive_block(self.sock, self.reader, idle_seconds=20, block_seconds=20)
        assert block is not None, "the server closed the connection"
        lines = block.content.decode("utf-8", "replace").split("\r")
        return {line[:3]: line.split("|") for line in lines if line}

    def is_closed(self) -> bool:
        """Whether the server ends the connection."""
        self.sock.settimeout(20)
        try:
            return self.sock.recv(100) == b""
        except ConnectionError:
            return True
