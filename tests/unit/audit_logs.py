"""Audit logs made without a database, as quickly as tests of 10,000 entries need them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.domain.audit import GENESIS, AuditEntry, digest_entry
from app.domain.checkpoint import Checkpoint, Occasion, checkpoint_bytes
from app.services.audit_file import ExportHeading, write_export
from app.store.signing_keys import SealingKey, file_signer, sealing_key

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
KEY = sealing_key(file_signer(b"\x01" * 32))
FOREIGN = sealing_key(file_signer(b"\x02" * 32))
USERS = ("ada", "rana", "janus-med/listener", "Dr. Ö", "=cmd", "'quoted")


def entry_after(log: Sequence[AuditEntry], **changes: object) -> AuditEntry:
    """Return an entry that follows the last one of a log."""
    seq = len(log) + 1
    body: dict[str, object] = {
        "seq": seq,
        "at": NOW + timedelta(seconds=seq, microseconds=seq % 7),
        "event": "study opened",
        "outcome": "success",
        "username": USERS[seq % len(USERS)],
        "role": "attending",
        "source": "192.0.2.1",
        "patient_ref": f"{seq % 5:032x}",
        "study_uid": f"1.2.{seq % 11}",
        "detail": {"report_id": seq, "nested": {"é": [1, 2.5, True, None, 1e-7]}},
        "previous": log[-1].digest if log else GENESIS,
    } | changes
    return redigest(AuditEntry(**body, digest=""))  # type: ignore[arg-type]


def redigest(entry: AuditEntry) -> AuditEntry:
    """Return an entry with the digest that belongs to its content."""
    return replace(entry, digest=digest_entry(entry.body()))


def checkpoint_after(log: Sequence[AuditEntry], number: int, key: SealingKey = KEY) -> AuditEntry:
    """Return a checkpoint over a log, as its next entry."""
    at = NOW + timedelta(seconds=len(log) + 1)
    made = Checkpoint(number, len(log), log[-1].digest, at, Occasion.ROWS.value, key.key_id)
    made = replace(made, seal=key.seal(checkpoint_bytes(made)))
    return entry_after(log, at=at, event="audit checkpoint", detail=made.as_detail())


def make_log(count: int, *, every: int = 100, key: SealingKey = KEY) -> list[AuditEntry]:
    """Make a log with a checkpoint as every so many-th entry."""
    return grow([], count, every=every, key=key)


def grow(
    log: list[AuditEntry], count: int, *, every: int = 100, key: SealingKey = KEY, **changes: object
) -> list[AuditEntry]:
    """Append entries until the log has so many; `changes` are what the new ones say otherwise."""
    number = sum(entry.event == "audit checkpoint" for entry in log)
    while len(log) < count:
        if every and len(log) % every == every - 1:
            number += 1
            log.append(checkpoint_after(log, number, key))
        else:
            log.append(entry_after(log, **changes))
    return log


def export_of(log: Sequence[AuditEntry], format_: str = "jsonl") -> str:
    """Return the whole log as an export."""
    out = io.StringIO()
    write_export(log, heading_of(log), out, format_)  # type: ignore[arg-type]
    return out.getvalue()


def heading_of(log: Sequence[AuditEntry], *, whole: bool = True) -> ExportHeading:
    """Return the heading of an export of this log."""
    return ExportHeading(NOW, "aud", whole, {}, log[-1].seq, log[-1].digest)


def as_lines(entries: Iterable[AuditEntry]) -> str:
    """Return entries as lines of JSON."""
    return "".join(
        json.dumps(entry.body() | {"digest": entry.digest}, ensure_ascii=False) + "\n" for entry in entries
    )
