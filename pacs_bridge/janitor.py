"""Finish, at start, what a crash left half done in the spool."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pacs_bridge.durable import sync_folder
from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.header import read_header
from pacs_bridge.received import AssociationFacts, read_head
from pacs_bridge.spool_layout import SpoolLayout, files_below, is_recorded, read_record
from pacs_bridge.spool_record import Record
from pacs_bridge.workplace import clear_workplace


@dataclass(frozen=True)
class JanitorReport:
    """What was found at start.

    Parameters
    ----------
    temporary_files
        Number of unfinished files that were deleted; none of them was acknowledged.
    requeued
        Digests of objects without a record that got one. They are whole, and were acknowledged or not.
    quarantined
        Digests of objects without a record that cannot be taken: unreadable, or their UID has other bytes.
    relinked
        Number of records put in front of intake again.
    missing_objects
        SOP Instance UIDs that have a record but no object: an alarm, something acknowledged is gone.
    """

    temporary_files: int = 0
    requeued: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    relinked: int = 0
    missing_objects: tuple[str, ...] = ()


def clean_up(layout: SpoolLayout) -> JanitorReport:
    """Bring a spool that no process receives into back to a consistent state.

    Reads names and modes of everything, and the content only of what is not indexed or amiss. Processes that
    joined the spool may be storing meanwhile: what one of them has just placed is recorded for it, and it
    finds the record as if another sender had been faster.
    """
    temporary = _delete_temporary(layout)
    _delete_damaged_entries(layout)
    requeued, quarantined = _record_objects(layout)
    return JanitorReport(
        temporary_files=temporary,
        requeued=tuple(requeued),
        quarantined=tuple(quarantined),
        relinked=_relink(layout),
        missing_objects=tuple(_missing_objects(layout)),
    )


def _delete_temporary(layout: SpoolLayout) -> int:
    count = 0
    with os.scandir(layout.temp) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                count += clear_workplace(Path(entry.path))
            else:
                os.unlink(entry.path)
                count += 1
    return count


def _delete_damaged_entries(layout: SpoolLayout) -> None:
    """Delete entries for intake that a power failure tore; their objects get new ones."""
    for name in os.listdir(layout.incoming):
        entry = layout.incoming / name
        if read_record(entry) is None:
            entry.unlink(missing_ok=True)


def _record_objects(layout: SpoolLayout) -> tuple[list[str], list[str]]:
    """Give every object that is neither indexed nor recorded its record, or set it aside."""
    requeued, quarantined = [], []
    for entry in list(files_below(layout.objects, ".dcm")):
        path = Path(entry.path)
        try:
            if not entry.stat().st_mode & 0o200 or is_recorded(layout, path):
                continue
            record = _record_of(path)
        except FileNotFoundError:
            # another process has just set it aside itself
            continue
        if _take(layout, path, record):
            requeued.append(record.digest)
        else:
            layout.set_aside(path, record)
            quarantined.append(record.digest)
    return requeued, quarantined


def _take(layout: SpoolLayout, path: Path, record: Record) -> bool:
    """Record an object unless it is unreadable or its UID belongs to other bytes."""
    if record.header is None:
        return False
    target = layout.record_path(record.header.sop_instance_uid)
    accepted = replace(record, status=None, reason="")
    sync_folder(path.parent)
    return layout.add_record(accepted, target) or is_recorded(layout, path)


def _record_of(path: Path) -> Record:
    """Make the record of an object from the object itself; our file meta names the AE titles."""
    facts = path.stat()
    record = Record(
        digest=path.stem,
        size=facts.st_size,
        header=None,
        association=AssociationFacts("recovered", "", "", ""),
        received_at=datetime.fromtimestamp(facts.st_mtime, UTC),
        status=CANNOT_UNDERSTAND,
        reason="found without a record after a crash, and its SOP Instance UID has other content",
    )
    try:
        head, offset = read_head(path)
        sender = AssociationFacts("recovered", head.calling_ae, head.called_ae, "")
        record = replace(record, association=sender, size=facts.st_size - offset)
        return replace(record, header=read_header(path.read_bytes()[offset:], head.transfer_syntax))
    except Rejected as refusal:
        return replace(record, reason=refusal.reason)


def _relink(layout: SpoolLayout) -> int:
    """Put every record that is not indexed in front of intake."""
    count = 0
    for entry in list(files_below(layout.records, ".json")):
        facts = entry.stat()
        if facts.st_mode & 0o200 and facts.st_nlink == 1:
            record = read_record(Path(entry.path))
            if record is not None:
                layout.hand_over(record)
                count += 1
    return count


def _missing_objects(layout: SpoolLayout) -> Iterator[str]:
    """Yield the SOP Instance UIDs of records without an object.

    Every object has its own record by now, so fewer objects than records is the only sign; records are read
    then.
    """
    objects = {entry.name for entry in files_below(layout.objects, ".dcm")}
    records = [Path(entry.path) for entry in files_below(layout.records, ".json")]
    if len(records) <= len(objects):
        return
    for path in records:
        record = read_record(path)
        if record is None or f"{record.digest}.dcm" in objects or layout.object_path(record.digest).is_file():
            continue  # the second: another process has stored it since the objects were listed
        if record.header is not None:
            yield record.header.sop_instance_uid
