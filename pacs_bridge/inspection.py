"""Look at a spool that receives: what waits, and what a crash or a hand left amiss; changes nothing.

The janitor mends at start, before anything is received. While instances arrive, what is half done is normal
for a moment, so only what has been amiss for longer than any store takes is told.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from pacs_bridge.spool_layout import SpoolLayout, files_below, is_recorded, read_record

SETTLED_SECONDS = 600.0


@dataclass(frozen=True)
class SpoolInspection:
    """What lies in a spool.

    Parameters
    ----------
    objects, records, incoming, quarantined, temporary
        Number of each.
    unrecorded
        Objects that were never recorded and are old: the next start of the listener takes them.
    not_handed_over
        Records that intake has not seen and that do not wait for it: the next start hands them over.
    missing_objects
        SOP Instance UIDs whose record has no object: an alarm, unless they were given up on purpose.
    """

    objects: int
    records: int
    incoming: int
    quarantined: int
    temporary: int
    unrecorded: int
    not_handed_over: int
    missing_objects: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is amiss."""
        return not (self.unrecorded or self.not_handed_over or self.missing_objects)


def inspect_spool(layout: SpoolLayout, *, settled: float = SETTLED_SECONDS) -> SpoolInspection:
    """Count what lies in a spool and find what is amiss.

    Parameters
    ----------
    settled
        Seconds after which something half done is not on its way any more.
    """
    limit = time.time() - settled
    # records before objects: an instance stored meanwhile can only add objects
    records = _facts(layout.records, ".json")
    objects = _facts(layout.objects, ".dcm")
    return SpoolInspection(
        objects=len(objects),
        records=len(records),
        incoming=len(os.listdir(layout.incoming)),
        quarantined=sum(1 for _ in files_below(layout.quarantine, ".dcm")),
        temporary=len(os.listdir(layout.temp)),
        unrecorded=sum(
            1
            for path, facts in objects.items()
            if facts.st_mode & 0o200 and facts.st_mtime < limit and not _is_settled(layout, Path(path))
        ),
        not_handed_over=sum(
            1
            for facts in records.values()
            if facts.st_mode & 0o200 and facts.st_nlink == 1 and facts.st_mtime < limit
        ),
        missing_objects=_missing(layout, records, objects, limit),
    )


def _facts(tree: Path, suffix: str) -> dict[str, os.stat_result]:
    found = {}
    for entry in files_below(tree, suffix):
        try:
            found[entry.path] = entry.stat()
        except FileNotFoundError:
            continue  # removed since it was listed
    return found


def _is_settled(layout: SpoolLayout, path: Path) -> bool:
    """Tell whether an object has its record, or is no longer there."""
    try:
        return is_recorded(layout, path)
    except FileNotFoundError:
        return True


def _missing(
    layout: SpoolLayout, records: dict[str, os.stat_result], objects: dict[str, os.stat_result], limit: float
) -> tuple[str, ...]:
    """Return the instances of records without an object; records are read when there are too few objects."""
    if len(records) <= len(objects):
        return ()
    missing = []
    for path, facts in records.items():
        record = read_record(Path(path))
        if record is None or facts.st_mtime > limit or record.header is None:
            continue
        if not layout.object_path(record.digest).is_file() and Path(path).exists():
            missing.append(record.header.sop_instance_uid)
    return tuple(sorted(missing))
