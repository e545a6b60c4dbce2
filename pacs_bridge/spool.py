"""The spool: where an acknowledged instance is durable before its sender hears of it.

Order of one `Spool.store`: object written and fsynced under a temporary name, renamed to its digest, record
linked under the UID, folder of the object fsynced, entry for intake, and only then 0x0000. See `spool_layout`
for what lies where.
"""

from __future__ import annotations

import heapq
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pacs_bridge.data_set_bytes import Part
from pacs_bridge.durable import FreeSpaceFloor, lock_file, sync_folder
from pacs_bridge.errors import CANNOT_UNDERSTAND, OUT_OF_RESOURCES, SUCCESS, Fatal, Rejected
from pacs_bridge.header import InstanceHeader
from pacs_bridge.janitor import JanitorReport, clean_up
from pacs_bridge.received import FileHead, ReceivedInstance
from pacs_bridge.removal import note_asked_again, share_hold
from pacs_bridge.spool_layout import (
    SpoolLayout,
    files_below,
    mark_finished,
    place_object,
    read_entry,
    read_record,
    remove_quietly,
)
from pacs_bridge.spool_record import Record
from pacs_bridge.spool_types import Disposition, QuarantinedInstance, SpooledInstance, StoreOutcome
from pacs_bridge.workplace import take_workplace


class Spool:
    """A folder of instances with the acknowledgement contract.

    Any number of threads and processes may read and index. One process calls `recover` first: it
    and those that it starts receive.
    Others may store beside it: each calls `join` first.

    Parameters
    ----------
    root
        Folder of the spool; made private (0700).
    floor
        Low-water mark of the disk.
    """

    def __init__(self, root: Path, *, floor: FreeSpaceFloor | None = None) -> None:
        self.layout = SpoolLayout(root)
        self.floor = floor or FreeSpaceFloor()
        self.layout.make()
        self._owner: int | None = None
        self._workplace: int | None = None

    def recover(self, *, patience: float = 0.0) -> JanitorReport:
        """Take the spool for this process and finish what a crash left half done.

        Call it once, before anything is received. The spool stays taken until `close` or the end of the
        process, and of every process that inherited `owner_descriptors`.

        Parameters
        ----------
        patience
            Seconds to wait for a process that is just ending.

        Returns
        -------
        JanitorReport
            `missing_objects` not empty is an alarm: an acknowledged instance was lost from the disk.

        Raises
        ------
        Fatal
            If another process receives into this spool.
        """
        owner = os.open(self.layout.root / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + patience
        while not lock_file(owner):
            if time.monotonic() >= deadline:
                os.close(owner)
                raise Fatal(f"another process receives into the spool {self.layout.root}")
            time.sleep(0.05)
        self._owner = owner
        return clean_up(self.layout)

    def join(self) -> None:
        """Store beside the process that receives, with unfinished files that its janitor leaves alone."""
        if self._workplace is None:
            self.layout.temp, self._workplace = take_workplace(self.layout.temp)

    @property
    def owner_descriptors(self) -> tuple[int, ...]:
        """What holds the spool: receiving processes of ours inherit it, so that none outlives the lock."""
        return () if self._owner is None else (self._owner,)

    def close(self) -> None:
        """Give the spool free for another receiving process, or leave it."""
        for descriptor in (self._owner, self._workplace):
            if descriptor is not None:
                os.close(descriptor)
        self._owner = self._workplace = None

    def check_space(self, incoming: int = 0) -> None:
        """Raise `Rejected` (0xA700) when `incoming` bytes would bring the disk below its low-water mark."""
        self.floor.check(self.layout.root, incoming)

    def open_part(self, head: FileHead) -> Part:
        """Open a file for a large data set while it arrives.

        Raises
        ------
        Rejected
            When the disk is below its low-water mark.
        """
        self.check_space()
        return self.layout.open_part(head)

    def store(self, instance: ReceivedInstance, header: InstanceHeader) -> StoreOutcome:
        """Make an instance durable, or recognise that it is, or set it aside.

        Returns
        -------
        StoreOutcome
            0x0000 stored or identical to what is here; 0xC000 quarantined: the same SOP Instance UID came
            with other bytes before.

        Raises
        ------
        Rejected
            Status 0xA700: low-water mark, disk full, or the record cannot be written. Nothing partial stays.
        """
        try:
            # whoever removes purged bytes waits for the end of this, and sees that they came again
            with share_hold(self.layout, header.sop_instance_uid):
                known = read_record(self.layout.record_path(header.sop_instance_uid))
                if known is not None:
                    return self._answer_known(known, instance, header)
                return self._store_new(instance, header)
        except (OSError, ValueError) as error:
            raise Rejected(OUT_OF_RESOURCES, f"the spool cannot take it: {type(error).__name__}") from error
        finally:
            instance.content.discard()

    def refuse(self, instance: ReceivedInstance, refusal: Rejected) -> StoreOutcome:
        """Keep a copy of an instance that is answered with an error, when the disk allows, and say so.

        Space is the one reason that keeps no copy: the sender tries again.
        """
        digest = instance.content.digest
        outcome = StoreOutcome(refusal.status, Disposition.REFUSED, refusal.reason, digest)
        try:
            if refusal.status != OUT_OF_RESOURCES:
                self._set_aside(instance, None, refusal.status, refusal.reason)
                return replace(outcome, disposition=Disposition.QUARANTINED)
        except (OSError, Rejected):
            return outcome
        finally:
            instance.content.discard()
        return outcome

    def incoming(self, limit: int = 1000) -> list[SpooledInstance]:
        """Return instances that were not indexed yet, oldest first."""
        names = heapq.nsmallest(limit, os.listdir(self.layout.incoming))
        found = [read_entry(self.layout, self.layout.incoming / name) for name in names]
        return [instance for instance in found if instance is not None]

    def indexed(self, instance: SpooledInstance) -> None:
        """Take an instance off the hand-over, after the database committed it. Safe to repeat."""
        mark_finished(self.layout.record_path(instance.header.sop_instance_uid))
        with suppress(FileNotFoundError):
            # an object that is gone is the janitor's alarm; intake goes on
            mark_finished(instance.path)
        instance.entry.unlink(missing_ok=True)

    def quarantine(self, instance: SpooledInstance, reason: str) -> None:
        """Set an acknowledged instance aside, for a reason only intake can see; its bytes are kept."""
        copy = self.layout.temp / f"{instance.digest}.quarantine"
        copy.unlink(missing_ok=True)
        os.link(instance.path, copy)
        record = Record(
            digest=instance.digest,
            size=instance.size,
            header=instance.header,
            association=instance.association,
            received_at=instance.received_at,
            reason=reason,
        )
        self.layout.set_aside(copy, record)
        self.indexed(instance)

    def quarantined(self) -> list[QuarantinedInstance]:
        """Return everything that was set aside, oldest first."""
        found = []
        for entry in files_below(self.layout.quarantine, ".json"):
            record = Record.decode(Path(entry.path).read_bytes())
            facts = {
                name: getattr(record, name) for name in QuarantinedInstance.__annotations__ if name != "path"
            }
            found.append(QuarantinedInstance(path=self.layout.quarantine_path(record.digest), **facts))
        return sorted(found, key=lambda instance: (instance.received_at, instance.digest))

    def open_object(self, digest: str) -> Path:
        """Return the file of an object.

        Raises
        ------
        Rejected
            If the spool has no such object.
        """
        path = self.layout.object_path(digest)
        if not path.is_file():
            raise Rejected(CANNOT_UNDERSTAND, f"the spool has no object {digest}")
        return path

    def _store_new(self, instance: ReceivedInstance, header: InstanceHeader) -> StoreOutcome:
        digest = instance.content.digest
        record = Record(digest, instance.content.size, header, instance.association, instance.received_at)
        target = self.layout.object_path(digest)
        prepared = self.layout.prepare_record(record)
        try:
            file = self._finish(instance)
        except BaseException:
            remove_quietly(prepared)
            raise
        if not self.layout.publish(file, target, prepared, self.layout.record_path(header.sop_instance_uid)):
            return self._lost_race(record, target)
        self.layout.hand_over(record)
        return StoreOutcome(SUCCESS, Disposition.STORED, digest=digest)

    def _write_object(self, instance: ReceivedInstance, target: Path) -> None:
        file = self._finish(instance)
        try:
            place_object(file, target)
        except OSError:
            remove_quietly(file)
            raise

    def _finish(self, instance: ReceivedInstance) -> Path:
        """Bring the bytes to disk; space is asked for what is still to be written."""
        content = instance.content
        if isinstance(content.error, Rejected):
            raise content.error
        if content.error is not None:
            raise OSError("the data set could not be written while it arrived") from content.error
        self.check_space(0 if content.part else content.size)
        return self.layout.finish_part(instance)

    def _answer_known(
        self, known: Record, instance: ReceivedInstance, header: InstanceHeader
    ) -> StoreOutcome:
        """Answer for a SOP Instance UID that has a record."""
        digest = instance.content.digest
        if known.digest != digest:
            reason = "the same SOP Instance UID was received before with other content"
            if known.header is not None and known.header.transfer_syntax != header.transfer_syntax:
                reason += " in another transfer syntax"
            self._set_aside(instance, header, CANNOT_UNDERSTAND, reason)
            return StoreOutcome(CANNOT_UNDERSTAND, Disposition.QUARANTINED, reason, digest)
        target = self.layout.object_path(digest)
        if not target.is_file():
            self._write_object(instance, target)
        return self._confirm(known, target)

    def _lost_race(self, record: Record, target: Path) -> StoreOutcome:
        """Another sender's record was first: the same bytes are one instance, others a conflict."""
        assert record.header is not None
        known = read_record(self.layout.record_path(record.header.sop_instance_uid))
        assert known is not None
        if known.digest == record.digest:
            return self._confirm(known, target)
        reason = "the same SOP Instance UID was received at the same time with other content"
        self.layout.set_aside(target, replace(record, status=CANNOT_UNDERSTAND, reason=reason))
        return StoreOutcome(CANNOT_UNDERSTAND, Disposition.QUARANTINED, reason, record.digest)

    def _confirm(self, known: Record, target: Path) -> StoreOutcome:
        """Make sure that what another thread may be finishing right now is durable, then say success."""
        assert known.header is not None
        sync_folder(target.parent)
        note_asked_again(self.layout, known.header.sop_instance_uid)
        self.layout.hand_over(known)
        return StoreOutcome(SUCCESS, Disposition.DUPLICATE, digest=known.digest)

    def _set_aside(
        self, instance: ReceivedInstance, header: InstanceHeader | None, status: int, reason: str
    ) -> None:
        content = instance.content
        record = Record(
            content.digest, content.size, header, instance.association, instance.received_at, status, reason
        )
        if read_record(self.layout.quarantine_path(record.digest).with_suffix(".json")) is None:
            self.layout.set_aside(self._finish(instance), record)
