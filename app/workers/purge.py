"""Housekeeping of the spool: removes what was given up, hands back what was released, looks for damage.

The order that a kill at any point leaves safe: the database says that an instance is purged, then record and
object go, then the database says that they are gone. Whatever was not finished is found again by that mark.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime

import structlog

from app.domain.access import Actor
from app.domain.alert import AlertKind
from app.domain.operations import QuarantineEntry
from app.domain.retention import RetentionPolicy
from app.services import quarantine, retention
from app.services.watch import set_alert
from app.settings import Settings
from app.store.engine import Store
from pacs_bridge.durable import FreeSpaceFloor
from pacs_bridge.errors import SUCCESS, Rejected
from pacs_bridge.header import read_header
from pacs_bridge.inspection import inspect_spool
from pacs_bridge.received import AssociationFacts, ReceivedInstance, read_head
from pacs_bridge.removal import Removal, remove_instance, remove_quarantined
from pacs_bridge.spool import Spool

_SPOOL, _DISK = "spool", "disk of the spool"


def policy_of(settings: Settings) -> RetentionPolicy:
    """Return the retention policy of the settings."""
    return RetentionPolicy(
        signed_days=settings.retention_signed_days,
        withdrawn_days=settings.retention_withdrawn_days,
        excluded_days=settings.retention_excluded_days,
        quarantine_days=settings.retention_quarantine_days,
        job_days=settings.retention_job_days,
    )


class SpoolKeeper:
    """Housekeeping of one spool; receiving goes on meanwhile."""

    def __init__(self, store: Store, actor: Actor, settings: Settings) -> None:
        self._store = store
        self._actor = actor
        self._settings = settings
        self._spool = Spool(
            settings.spool_dir, floor=FreeSpaceFloor(size=int(settings.free_space_floor_gb * 1e9))
        )

    def purge(self, policy: RetentionPolicy) -> int:
        """Give up what the policy lets go and remove it; return how many instances went."""
        now = datetime.now(UTC)
        for study_uid in retention.purge_studies(self._store, self._actor, policy, now=now):
            structlog.get_logger().info("study purged", study_uid=study_uid)
        self.remove_quarantined(policy, now=now)
        retention.forget_old_jobs(self._store, policy, now=now)
        return self.remove_purged()

    def remove_purged(self) -> int:
        """Remove the bytes of purged instances; one that is being stored now is left to the next time."""
        removed = 0
        while instances := retention.removable_instances(self._store):
            done = 0
            for instance in instances:
                outcome = remove_instance(
                    self._spool.layout, instance.sop_uid, instance.sha256, purged_at=instance.purged_at
                )
                now = datetime.now(UTC)
                if outcome is Removal.REMOVED:
                    retention.record_removed(self._store, instance.sop_uid, now=now)
                    done += 1
                elif outcome is Removal.ASKED_AGAIN:
                    retention.restore_instance(self._store, self._actor, instance, now=now)
            removed += done
            if not done:
                break
        return removed

    def release_quarantine(self) -> None:
        """Offer what people released to intake again, and note what came of it."""
        for entry in quarantine.open_releases(self._store):
            outcome = self._release(entry)
            quarantine.record_release(self._store, entry.quarantine_id, outcome, now=datetime.now(UTC))

    def _release(self, entry: QuarantineEntry) -> str:
        path = self._spool.layout.quarantine_path(entry.sha256)
        try:
            head, offset = read_head(path)
            data = path.read_bytes()[offset:]
            header = read_header(data, head.transfer_syntax)
            instance = ReceivedInstance.of_bytes(
                data,
                association=AssociationFacts(
                    f"release-{entry.quarantine_id}", head.calling_ae, head.called_ae, ""
                ),
                sop_class_uid=head.sop_class_uid,
                sop_instance_uid=head.sop_instance_uid,
                transfer_syntax=head.transfer_syntax,
                received_at=datetime.now(UTC),
            )
            if (header.sop_instance_uid, header.sop_class_uid) != (head.sop_instance_uid, head.sop_class_uid):
                return "refused: the UIDs of command and data set differ"
            outcome = self._spool.store(instance, header)
        except Rejected as refusal:
            return f"refused: {refusal.reason}"
        except (OSError, ValueError) as error:
            return f"refused: its file cannot be read ({type(error).__name__})"
        return "taken" if outcome.status == SUCCESS else f"refused: {outcome.reason}"

    def inspect(self) -> None:
        """Raise an alert when the spool is damaged; clear it when it is sound."""
        found = inspect_spool(self._spool.layout)
        purged = {instance.sop_uid for instance in retention.removable_instances(self._store)}
        missing = [uid for uid in found.missing_objects if uid not in purged]
        reason = "; ".join(_damage(len(missing), found.unrecorded, found.not_handed_over))
        if reason:
            structlog.get_logger().error("spool damaged", reason=reason)
        set_alert(self._store, AlertKind.SPOOL_DAMAGED, _SPOOL, reason, now=datetime.now(UTC))

    def watch_disk(self) -> None:
        """Raise an alert while the disk is below the floor; nothing is purged for that."""
        disk = shutil.disk_usage(self._settings.spool_dir)
        floor = self._settings.free_space_floor(disk.total)
        reason = (
            f"{disk.free / 1e9:.1f} GB free, storage is refused below {floor / 1e9:.1f} GB"
            if disk.free < floor
            else ""
        )
        set_alert(self._store, AlertKind.DISK_LOW, _DISK, reason, now=datetime.now(UTC))

    def remove_quarantined(self, policy: RetentionPolicy, *, now: datetime) -> int:
        """Remove what was discarded in quarantine: when the policy says so, at once of erased patients."""
        entries = retention.removable_quarantine(self._store, policy, now=now)
        for entry in entries:
            # the files first here: the decision stands, and a kill in between only repeats it
            remove_quarantined(self._spool.layout, entry.sha256)
            retention.record_quarantine_removed(self._store, self._actor, entry, now=now)
        return len(entries)


def _damage(missing: int, unrecorded: int, not_handed_over: int) -> Iterator[str]:
    if missing:
        yield f"{missing} acknowledged instances have no object: restore them, or ask for them again"
    if unrecorded:
        yield f"{unrecorded} objects have no record: the next start of the listener takes them"
    if not_handed_over:
        yield f"{not_handed_over} records do not wait for intake: the next start of the listener mends it"
