"""Erases a patient from database and disk: the database first, then the bytes that it has given up.

A kill at any point leaves it safe: what the database gave up and the disk still has is found by the next
housekeeping.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from app.domain.access import Action, Actor
from app.domain.operations import QuarantineEntry
from app.domain.patient_data import Erasure, PatientKey
from app.domain.retention import RetentionPolicy
from app.services.erasure import erase_patient, identifiers_of
from app.services.permission import permit
from app.services.quarantine import every_entry
from app.services.retention import removable_instances
from app.settings import Settings
from app.store.engine import Store
from app.workers.purge import SpoolKeeper
from pacs_bridge.errors import Rejected
from pacs_bridge.header import read_header
from pacs_bridge.received import read_head
from pacs_bridge.spool_layout import SpoolLayout


@dataclass(frozen=True)
class ErasedBytes:
    """What left the disk.

    Attributes
    ----------
    removed
        Images that left the spool.
    quarantined
        Instances that left quarantine.
    waiting
        Images that could not be removed now (somebody stores them at this moment): housekeeping does.
    """

    removed: int
    quarantined: int
    waiting: int


def erase_everywhere(
    store: Store, settings: Settings, actor: Actor, patient: PatientKey, reason: str, *, now: datetime
) -> tuple[Erasure, ErasedBytes]:
    """Erase a patient from the database, the spool and quarantine.

    Raises
    ------
    NotAuthorised, NotFound, Rejected
        As `erase_patient`; nothing was erased then.
    """
    permit(store, actor, Action.ERASE_PATIENT, now=now)
    layout = SpoolLayout(settings.spool_dir)
    found = tuple(quarantined_of(store, layout, actor, patient, now=now))
    numbers = [entry.quarantine_id for entry in found]
    erasure = erase_patient(store, actor, patient, reason, quarantined=numbers, now=now)
    keeper = SpoolKeeper(store, actor, settings)
    quarantine = keeper.remove_quarantined(RetentionPolicy(), now=now)
    removed = keeper.remove_purged()
    return erasure, ErasedBytes(removed, quarantine, len(removable_instances(store)))


def quarantined_of(
    store: Store, layout: SpoolLayout, actor: Actor, patient: PatientKey, *, now: datetime
) -> Iterator[QuarantineEntry]:
    """Yield the instances in quarantine whose headers name the patient: the database knows no names there."""
    wanted = {(key.patient_id, key.issuer) for key in identifiers_of(store, actor, patient, now=now)}
    for entry in every_entry(store):
        if _patient_of(layout, entry) in wanted:
            yield entry


def _patient_of(layout: SpoolLayout, entry: QuarantineEntry) -> tuple[str, str] | None:
    path = layout.quarantine_path(entry.sha256)
    try:
        head, offset = read_head(path)
        header = read_header(path.read_bytes()[offset:], head.transfer_syntax)
    except (OSError, Rejected, ValueError):
        return None
    return header.patient_id, header.issuer_of_patient_id
