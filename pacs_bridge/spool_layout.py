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

No value of a peer is ever part of a name. The mode bits are the durable marks of progress: an object is
0600 until its record is durable, then 0400; a record is 0600 until intake has indexed it, then 0400. So the
janitor needs no more than the names and modes to find what a crash left half done.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
from pacs_bridge.received import FileHead, ReceivedInstance
from pacs_bridge.spool_record import Record, index_key
from pacs_bridge.spool_types import SpooledInstance

LOGGER = logging.getLogger(__name__)
WRITERS = 16
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
        # a record is brought to the disk beside its object: one wait for the journal instead of two
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="record")

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

    def begin_record(self, record: Record) -> Future[Path]:
        """Bring a record to the disk in another thread; the future is its temporary name."""
        return self._writers.submit(self.prepare_record, record)

    def publish(self, file: Path, target: Path, prepared: Future[Path], path: Path) -> bool:
        """Give object and record their names, durably; False when the record's name is taken.

        Both names are there before a folder is synced, and both folders are synced at once: a journal writes
        them in one go, and one flush of the disk is waited for instead of two.
        """
        try:
            temporary = prepared.result()
            os.replace(file, target)
        except BaseException:
            remove_quietly(file)
            drop_record(prepared)
            raise
        try:
            added = link_once(temporary, path)
        finally:
            remove_quietly(temporary)
        self.sync_both(target.parent, path.parent)
        return added

    def sync_both(self, first: Path, second: Path) -> None:
        """Make the names in two folders durable, beside each other."""
        other = self._writers.submit(sync_folder, second)
        try:
            sync_folder(first)
        finally:
            wait([other])
        other.result()

    def prepare_record(self, record: Record) -> Path:
        """Bring a record to the disk under a temporary name."""
        temporary = temporary_name(self.temp, ".json")
        write_new_file(temporary, record.encode())
        return temporary

    def publish_record(self, temporary: Path, path: Path) -> bool:
        """Give a prepared record its final name, durably; False when the name is taken."""
        try:
            added = link_once(temporary, path)
        finally:
            temporary.unlink()
        sync_folder(path.parent)
        return added

    def add_record(self, record: Record, path: Path) -> bool:
        """Make a record under its final name, durably; False when there is one already."""
        return self.publish_record(self.prepare_record(record), path)

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


def place_object(file: Path, target: Path) -> None:
    """Give finished bytes their name: rename, then fsync of the folder."""
    os.replace(file, target)
    sync_folder(target.parent)


def mark_finished(path: Path) -> None:
    """Set the durable mark of an object (recorded) or a record (indexed)."""
    os.chmod(path, FINISHED)


def is_finished(path: Path) -> bool:
    """Tell whether an object is recorded, or a record indexed."""
    return not os.stat(path).st_mode & 0o200


def read_record(path: Path) -> Record | None:
    """Return the record at a path, None when there is none."""
    try:
        return Record.decode(path.read_bytes())
    except FileNotFoundError:
        return None


def read_entry(layout: SpoolLayout, entry: Path) -> SpooledInstance | None:
    """Return the instance of a hand-over entry; None when intake has taken it meanwhile, or it is damaged."""
    try:
        record = read_record(entry)
    except ValueError:
        LOGGER.exception("spool_record_damaged", extra={"entry": entry.name})
        return None
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


def drop_record(prepared: Future[Path]) -> None:
    """Remove a prepared record on the way out of an error."""
    if prepared.exception() is None:
        remove_quietly(prepared.result())


def remove_quietly(path: Path) -> None:
    """Remove a temporary file on the way out of an error; the janitor finds what cannot be removed now."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
