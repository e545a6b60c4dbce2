"""What a receiving process and its parent say to each other: JSON, one message a line.

The parent trusts no more of it than its form: a receiving process reads what strangers send.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from pacs_bridge.admission import Rejection
from pacs_bridge.dimse_service import NormalizedCommand, NormalizedRequest
from pacs_bridge.received import AssociationFacts
from pacs_bridge.spool_types import Disposition, StoreOutcome

_LONGEST_LINE = 8 * 1024**2


class Channel:
    """One end of a stream socket; any thread may send, one reads.

    Parameters
    ----------
    sock
        Connected and blocking.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message; `OSError` when the other side is gone."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            self._sock.sendall(line)

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield messages until the other side is gone or says what is none."""
        with self._sock.makefile("rb") as lines:
            while True:
                try:
                    line = lines.readline(_LONGEST_LINE)
                    message = json.loads(line) if line.endswith(b"\n") else None
                except (OSError, ValueError):
                    return
                if not isinstance(message, dict):
                    return
                yield message

    def close(self) -> None:
        """Close this end."""
        self._sock.close()


def pack(value: object) -> Any:
    """Return a value of the listener's events as JSON can hold it."""
    if isinstance(value, AssociationFacts | Rejection | StoreOutcome):
        return {"type": type(value).__name__, **asdict(value)}
    return value


def unpack(value: Any) -> Any:
    """Return what was packed.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    if not isinstance(value, dict):
        return value
    fields = dict(value)
    kind = fields.pop("type", "")
    if kind == "AssociationFacts":
        return AssociationFacts(**fields)
    if kind == "Rejection":
        return Rejection(**fields)
    if kind == "StoreOutcome":
        return StoreOutcome(**fields | {"disposition": Disposition(str(fields.get("disposition")))})
    raise ValueError("a value of an unknown type")


def pack_request(request: NormalizedRequest) -> dict[str, Any]:
    """Return a normalized request as JSON can hold it."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, request.content)
    return {
        "command": request.command.value,
        "association": asdict(request.association),
        "sop_class_uid": request.sop_class_uid,
        "sop_instance_uid": request.sop_instance_uid,
        "type_id": request.type_id,
        "content": base64.b64encode(buffer.getvalue()).decode(),
        "received_at": request.received_at.isoformat(),
    }


def unpack_request(fields: Mapping[str, Any]) -> NormalizedRequest:
    """Return the request that was packed."""
    content = base64.b64decode(fields["content"])
    dataset: Dataset = read_dataset(DicomBytesIO(content), False, True)
    return NormalizedRequest(
        command=NormalizedCommand(fields["command"]),
        association=AssociationFacts(**fields["association"]),
        sop_class_uid=fields["sop_class_uid"],
        sop_instance_uid=fields["sop_instance_uid"],
        type_id=fields["type_id"],
        content=dataset,
        received_at=datetime.fromisoformat(fields["received_at"]),
    )
