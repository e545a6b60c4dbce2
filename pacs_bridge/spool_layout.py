"""Where things lie in the spool, and the steps that put them there.

::

    objects/<2 hex>/<SHA-256 of the data set>.dcm     preamble, file meta, data set as received
    records/<2 hex>/<SHA-256 of the SOP UID>.json     one per instance; made exclusively with link(2)
    incoming/<received, us>-<SHA-256 of SOP UID>.json hard links to records: what intake has not indexed yet
    quarantine/<2 hex>/<SHA-256 of the data set>.{dcm,json}
    temp/                                             unfinished files, each joined process its own folder
    commitments/<SHA-256>.json                        storage commitment asked of us and not yet answered
    commitments_asked/<SHA-256>.json                  storage commitment that we asked for
    commitment_reports/<SHA-256>.json                 answers to that, which intake has not taken yet
    locks/<2 hex>                                     who stores and who removes, see `hold`

No value of a peer is ever part of a name. An object and its name are durable before the sender hears of it.
Its record waits for no fsync: one that a power failure took is made again from the object. The mode bits are
the marks of progress: record and object are 0600 until intake has indexed them, then 0400. So the janitor
looks into few objects to find what a crash left half done.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pacs_bridge.data_set_bytes import Part
from pacs_bridge.durable import (
    FINISHED,
    UNFINISHED,
    link_once,
    make_private_folder,
    sync_folder,
    temporary_name,
    write_new_file,
)
from pacs_bridge.errors import Rejected
from pacs_bridge.received import FileHead, ReceivedInstance, read_head
from pacs_bridge.spool_record import Record, index_key
from pacs_bridge.spool_types import SpooledInstance

LOGGER = logging.getLogger(__name__)
_FANOUT = [f"{i:02x}" for i in range(256)]


class SpoolLayout:
    """The folders below one root.

    Parameters
    ----------
    root
        Made with mode 0700 when it is not there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.records = root / "records"
        self.quarantine = root / "quarantine"
        self.incoming = root / "incoming"
        self.temp = root / "temp"
        self.commitments = root / "commitments"
        self.commitments_asked = root / "commitments_asked"
        self.commitment_reports = root / "commitment_reports"
        self.locks = root / "locks"

    def make(self) -> None:
        """Make every folder, private, once."""
        make_private_folder(self.root)
        for folder in (self.incoming, self.temp, self.locks):
            make_private_folder(folder)
        for tree in (self.objects, self.records, self.quarantine):
            if not (tree / _FANOUT[-1]).is_dir():
                make_private_folder(tree)
                for name in _FANOUT:
                    make_private_folder(tree / name)
                sync_folder(tree)
        sync_folder(self.root)

    def object_path(self, digest: str) -> Path:
        """Return where the object of a digest lies."""
        return self.objects / digest[:2] / f"{digest}.dcm"

    def record_path(self, sop_instance_uid: str) -> Path:
        """Return where the record of an instance lies."""
        key = index_key(sop_instance_uid)
        return self.records / key[:2] / f"{key}.json"

    def quarantine_path(self, digest: str) -> Path:
        """Return where a quarantined object lies; its record has the suffix ``.json``."""
        return self.quarantine / digest[:2] / f"{digest}.dcm"

    def incoming_path(self, record: Record) -> Path:
        """Return the hand-over entry of a record; its name sorts by time of receipt."""
        assert record.header is not None
        microseconds = int((record.received_at - datetime.fromtimestamp(0, UTC)).total_seconds() * 1e6)
        return self.incoming / f"{microseconds:020d}-{index_key(record.header.sop_instance_uid)}.json"

    def open_part(self, head: FileHead) -> Part:
        """Open a file for a data set that is still arriving."""
        path = temporary_name(self.temp, ".part")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, UNFINISHED)
        file = os.fdopen(descriptor, "wb", buffering=1 << 20)
        encoded = head.encode()
        file.write(encoded)
        return Part(path, file, len(encoded))

    def finish_part(self, instance: ReceivedInstance) -> Path:
        """Bring the bytes of an instance to the disk under a temporary name and return it."""
        content = instance.content
        if content.part is None:
            path = temporary_name(self.temp, ".part")
            with content.view() as data:
                write_new_file(path, instance.head.encode(), data)
            return path
        content.part.file.flush()
        os.fsync(content.part.file.fileno())
        content.part.file.close()
        path, content.part = content.part.path, None
        return path

    def publish(self, file: Path, target: Path, prepared: Path, path: Path) -> bool:
        """Name a finished object, durably, and its record; False when the record's name is taken."""
        try:
            os.replace(file, target)
        except OSError:
            remove_quietly(file)
            remove_quietly(prepared)
            raise
        added = name_record(prepared, path)
        sync_folder(target.parent)
        return added

    def prepare_record(self, record: Record, *, sync: bool = False) -> Path:
        """Write a record under a temporary name."""
        temporary = temporary_name(self.temp, ".json")
        write_new_file(temporary, record.encode(), sync=sync)
        return temporary

    def add_record(self, record: Record, path: Path) -> bool:
        """Make a record, durably; False when there is one already."""
        added = name_record(self.prepare_record(record, sync=True), path)
        sync_folder(path.parent)
        return added

    def hand_over(self, record: Record) -> None:
        """Put a record in front of intake, unless it was indexed or is there already."""
        assert record.header is not None
        path = self.record_path(record.header.sop_instance_uid)
        if not is_finished(path):
            link_once(path, self.incoming_path(record))

    def set_aside(self, file: Path, record: Record) -> bool:
        """Move a file into quarantine with a record of why; False when these bytes are there already."""
        target = self.quarantine_path(record.digest)
        try:
            os.replace(file, target)
        except FileNotFoundError:
            # a second sender of the same bytes set them aside a moment ago
            if not target.exists():
                raise
        sync_folder(target.parent)
        return self.add_record(record, target.with_suffix(".json"))


def name_record(prepared: Path, path: Path) -> bool:
    """Give a prepared record its name; False when there is one already. A damaged one is replaced."""
    try:
        if link_once(prepared, path):
            return True
        if read_record(path) is not None:
            return False
        os.replace(prepared, path)
        return True
    finally:
        remove_quietly(prepared)


def place_object(file: Path, target: Path) -> None:
    """Give finished bytes their name: rename, then fsync of the folder."""
    os.replace(file, target)
    sync_folder(target.parent)


def mark_finished(path: Path) -> None:
    """Mark an object or a record as indexed."""
    os.chmod(path, FINISHED)


def is_finished(path: Path) -> bool:
    """Tell whether an object or a record is indexed."""
    return not os.stat(path).st_mode & 0o200


def read_record(path: Path) -> Record | None:
    """Return the record at a path; None when there is none, or one that a power failure tore."""
    try:
        return Record.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        LOGGER.exception("spool_record_damaged", extra={"record": path.name})
        return None


def is_recorded(layout: SpoolLayout, path: Path) -> bool:
    """Tell whether an object has its record; False for one that cannot be read."""
    try:
        known = read_record(layout.record_path(read_head(path)[0].sop_instance_uid))
    except (Rejected, ValueError):
        return False
    return known is not None and known.digest == path.stem


def read_entry(layout: SpoolLayout, entry: Path) -> SpooledInstance | None:
    """Return the instance of a hand-over entry; None when intake has taken it meanwhile, or it is damaged."""
    record = read_record(entry)
    if record is None or record.header is None:
        return None
    return SpooledInstance(
        header=record.header,
        association=record.association,
        received_at=record.received_at,
        digest=record.digest,
        size=record.size,
        path=layout.object_path(record.digest),
        entry=entry,
    )


def files_below(tree: Path, suffix: str) -> Iterator[os.DirEntry[str]]:
    """Go through the files of a fanned-out tree."""
    for name in _FANOUT:
        with os.scandir(tree / name) as entries:
            for entry in entries:
                if entry.name.endswith(suffix):
                    yield entry


def remove_quietly(path: Path) -> None:
    """Remove a temporary file on the way out of an error; the janitor finds what cannot be removed now."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
