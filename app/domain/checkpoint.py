"""Checkpoints of the audit log: entries that seal all before them with a key that the database does not have.

A checkpoint is an entry of the log like any other. So it is in the chain, in every whole export, and goes to
every collector; nobody can take it out, or put one in, without breaking the chain or having the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import rfc8785

from app.domain.audit import AuditEntry, AuditEvent
from app.domain.errors import AuditBroken

PURPOSE = "janus-med audit checkpoint 1"
EVERY_TIME = timedelta(hours=1)


class Occasion(StrEnum):
    """Why a checkpoint was made."""

    ROWS = "rows"
    HOUR = "hour"
    STOP = "stop"
    EXPORT = "export"


class Trust(Protocol):
    """What knows the keys whose seals count."""

    def fits(self, key_id: str, seal: str, message: bytes) -> bool:
        """Tell whether a seal is one of a trusted key over exactly this message."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says.

    Attributes
    ----------
    number
        1, 2, 3 ... within the log.
    seq, digest
        The last entry that it covers: the one before its own.
    at
        When it was made.
    """

    number: int
    seq: int
    digest: str
    at: datetime
    occasion: str
    key_id: str = ""
    seal: str = ""

    def as_detail(self) -> dict[str, Any]:
        """Return it as the detail of its entry."""
        return {
            "number": self.number,
            "seq": self.seq,
            "digest": self.digest,
            "occasion": self.occasion,
            "key_id": self.key_id,
            "seal": self.seal,
        }


def checkpoint_bytes(checkpoint: Checkpoint) -> bytes:
    """Return what the seal of a checkpoint covers (RFC 8785)."""
    body: dict[str, Any] = {
        "purpose": PURPOSE,
        "number": checkpoint.number,
        "seq": checkpoint.seq,
        "digest": checkpoint.digest,
        "at": checkpoint.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "occasion": checkpoint.occasion,
    }
    return rfc8785.dumps(body)


def read_checkpoint(entry: AuditEntry) -> Checkpoint | None:
    """Return the checkpoint that an entry is; None for any other entry.

    Raises
    ------
    AuditBroken
        If it calls itself one and does not say what a checkpoint says.
    """
    if entry.event != AuditEvent.AUDIT_CHECKPOINT:
        return None
    detail: Mapping[str, Any] = entry.detail
    try:
        return Checkpoint(
            number=int(detail["number"]),
            seq=int(detail["seq"]),
            digest=str(detail["digest"]),
            at=entry.at,
            occasion=str(detail["occasion"]),
            key_id=str(detail["key_id"]),
            seal=str(detail["seal"]),
        )
    except (KeyError, TypeError, ValueError):
        raise AuditBroken(f"entry {entry.seq} is no checkpoint, although it says so") from None


@dataclass
class CheckpointWatch:
    """Watches the checkpoints of a whole log go by, from its first entry on.

    Attributes
    ----------
    count
        Checkpoints so far.
    covered
        Number of the last entry that one of them covers.
    last
        The last one; None before the first.
    """

    trust: Trust
    count: int = 0
    covered: int = 0
    last: Checkpoint | None = None

    def see(self, entry: AuditEntry) -> None:
        """Look at the next entry, whose place in the chain was checked before.

        Raises
        ------
        AuditBroken
            If it is a checkpoint that no trusted key made, of another place, or out of its order.
        """
        checkpoint = read_checkpoint(entry)
        if checkpoint is None:
            return
        name = f"the checkpoint in entry {entry.seq}"
        if not self.trust.fits(checkpoint.key_id, checkpoint.seal, checkpoint_bytes(checkpoint)):
            raise AuditBroken(f"{name} has no seal of a trusted key: the log was written again from there on")
        if (checkpoint.seq, checkpoint.digest) != (entry.seq - 1, entry.previous):
            raise AuditBroken(f"{name} was made for another place of the log")
        if checkpoint.number != self.count + 1:
            raise AuditBroken(f"{name} is number {checkpoint.number}, number {self.count + 1} is missing")
        self.count, self.covered, self.last = checkpoint.number, checkpoint.seq, checkpoint


def is_due(last: Checkpoint | None, head: int, *, every: int, now: datetime) -> Occasion | None:
    """Tell on what occasion a checkpoint is due; None when it is not.

    Parameters
    ----------
    head
        Number of the log's last entry.
    every
        Entries after which one is due, whatever the time.
    """
    fresh = head if last is None else head - last.seq - 1
    if fresh >= every:
        return Occasion.ROWS
    if fresh > 0 and (last is None or now - last.at >= EVERY_TIME):
        return Occasion.HOUR
    return None
