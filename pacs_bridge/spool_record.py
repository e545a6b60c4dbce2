"""The record of a spooled instance: sidecar, proof of receipt and index entry in one small JSON file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pacs_bridge.header import InstanceHeader
from pacs_bridge.received import AssociationFacts

RECORD_VERSION = 1


@dataclass(frozen=True)
class Record:
    """What the spool knows of an instance.

    Parameters
    ----------
    digest
        SHA-256 of the data set as received; names the object.
    size
        Bytes of the data set.
    header
        Header facts; None when the data set could not be read (quarantine only).
    association
        Who sent it.
    received_at
        When its last byte was here, UTC.
    status, reason
        Only in quarantine: the DIMSE status that was answered (None when it was acknowledged and set aside
        later) and why.
    """

    digest: str
    size: int
    header: InstanceHeader | None
    association: AssociationFacts
    received_at: datetime
    status: int | None = None
    reason: str = ""

    def encode(self) -> bytes:
        """Return the record as JSON, UTF-8, one line."""
        document = vars(self) | {
            "version": RECORD_VERSION,
            "header": None if self.header is None else vars(self.header),
            "association": vars(self.association),
            "received_at": self.received_at.astimezone(UTC).isoformat(),
        }
        return json.dumps(document, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace") + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """Read a record back.

        Raises
        ------
        ValueError
            If the bytes are no record of this version.
        """
        try:
            document: dict[str, Any] = json.loads(data)
            if document.pop("version") != RECORD_VERSION:
                raise ValueError("record of another version")
            header = document.pop("header")
            return cls(
                header=None if header is None else InstanceHeader(**header),
                association=AssociationFacts(**document.pop("association")),
                received_at=datetime.fromisoformat(document.pop("received_at")),
                **document,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"damaged record: {error}") from error


@lru_cache(maxsize=1024)
def index_key(sop_instance_uid: str) -> str:
    """Return the name under which a SOP Instance UID is indexed; a UID itself never becomes a name."""
    return hashlib.sha256(sop_instance_uid.encode("ascii")).hexdigest()
