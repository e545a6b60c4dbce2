"""What the spool hands out: the answer to a C-STORE, and instances as intake and administrators see them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pacs_bridge.header import InstanceHeader
from pacs_bridge.received import AssociationFacts


class Disposition(enum.StrEnum):
    """What became of an instance."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


@dataclass(frozen=True)
class StoreOutcome:
    """The answer to a C-STORE.

    Parameters
    ----------
    status
        DIMSE status for the sender (PS3.4 B.2.3).
    disposition
        What became of the bytes.
    reason
        Empty for success, else one sentence for the administrator.
    digest
        SHA-256 of the data set as received.
    size
        Bytes of the data set as received.
    seconds
        From its last byte to this answer.
    """

    status: int
    disposition: Disposition
    reason: str = ""
    digest: str = ""
    size: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class SpooledInstance:
    """An acknowledged instance, as intake sees it.

    Parameters
    ----------
    header, association, received_at, digest, size
        As in the record; `size` is the data set's, in bytes.
    path
        The DICOM file. Read it only.
    entry
        The hand-over entry, see `Spool.indexed`.
    """

    header: InstanceHeader
    association: AssociationFacts
    received_at: datetime
    digest: str
    size: int
    path: Path
    entry: Path


@dataclass(frozen=True)
class QuarantinedInstance:
    """An instance that was set aside; `header` is None when it could not be read.

    Parameters
    ----------
    status
        What the sender was told; None when it had been acknowledged before.
    """

    header: InstanceHeader | None
    association: AssociationFacts
    received_at: datetime
    digest: str
    size: int
    status: int | None
    reason: str
    path: Path
