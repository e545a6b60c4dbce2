"""Remove what a retention policy gave up, never what arrives at the same moment.

`Spool.store` shares a lock on the instance while it stores; a remover takes it alone, for two unlinks, and
never waits for it. The record goes first: a crash in between leaves an object with its mark, which the
janitor leaves alone and the next removal finds. An instance without a record is new to the spool: sent
again it is stored, acknowledged and handed to intake like any other.

The locks (flock) are 256 files, one for each first byte of an instance's key: receivers meet a remover on
one file in 256, for microseconds.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum

from pacs_bridge.spool_layout import SpoolLayout, is_finished
from pacs_bridge.spool_record import index_key


class Removal(StrEnum):
    """What became of an attempt to remove an instance."""

    REMOVED = "removed"
    BUSY = "busy"
    ASKED_AGAIN = "asked again"


@contextmanager
def share_hold(layout: SpoolLayout, sop_instance_uid: str) -> Iterator[None]:
    """Keep removers away from an instance while it is stored; any number may share it."""
    descriptor = _open_lock(layout, sop_instance_uid)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def note_asked_again(layout: SpoolLayout, sop_instance_uid: str) -> None:
    """Note, in the time of an indexed record, that a sender was just told that the instance is here.

    One that is not indexed is not removed anyway, and intake is still to hear of it.
    """
    record = layout.record_path(sop_instance_uid)
    if is_finished(record):
        os.utime(record)


def remove_instance(
    layout: SpoolLayout,
    sop_instance_uid: str,
    digest: str,
    *,
    purged_at: datetime,
) -> Removal:
    """Remove record and object of an instance that was given up.

    Parameters
    ----------
    purged_at
        When it was given up: an instance that was asked for later stays.

    Returns
    -------
    Removal
        BUSY: somebody stores it right now, or intake has not seen it: try later. ASKED_AGAIN: a sender was
        told since then that it is here, so the decision has to be taken back.
    """
    descriptor = _open_lock(layout, sop_instance_uid)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _remove(layout, sop_instance_uid, digest, purged_at)
    except BlockingIOError:
        return Removal.BUSY
    finally:
        os.close(descriptor)


def remove_quarantined(layout: SpoolLayout, digest: str) -> None:
    """Remove a quarantined object and, first, its record; safe to repeat."""
    path = layout.quarantine_path(digest)
    path.with_suffix(".json").unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _remove(layout: SpoolLayout, sop_instance_uid: str, digest: str, purged_at: datetime) -> Removal:
    record = layout.record_path(sop_instance_uid)
    if record.exists():
        if not is_finished(record):
            return Removal.BUSY
        # also that of an instance that was removed, came again and was indexed
        if datetime.fromtimestamp(record.stat().st_mtime, UTC) > purged_at:
            return Removal.ASKED_AGAIN
    record.unlink(missing_ok=True)
    layout.object_path(digest).unlink(missing_ok=True)
    return Removal.REMOVED


def _open_lock(layout: SpoolLayout, sop_instance_uid: str) -> int:
    path = layout.locks / index_key(sop_instance_uid)[:2]
    try:
        # without O_CREAT: that waits for a journal that is being written, even when the file is there
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
