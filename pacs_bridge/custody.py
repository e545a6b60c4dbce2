"""What the spool can be held to: of which instances record and bytes are durable at this moment."""

from __future__ import annotations

import os

from pacs_bridge.commitment import (
    CLASS_INSTANCE_CONFLICT,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    CommitmentReport,
    CommitmentRequest,
    Reference,
)
from pacs_bridge.durable import sync_folder
from pacs_bridge.spool_layout import SpoolLayout, read_record
from pacs_bridge.spool_record import Record


def report_custody(layout: SpoolLayout, request: CommitmentRequest) -> CommitmentReport:
    """Look at every instance of a request and say what is here (PS3.4 J.3.3)."""
    committed, failed = [], []
    for reference in request.references:
        reason = check_custody(layout, reference)
        if reason is None:
            committed.append(reference)
        else:
            failed.append((reference, reason))
    return CommitmentReport(request.transaction_uid, tuple(committed), tuple(failed))


def check_custody(layout: SpoolLayout, reference: Reference) -> int | None:
    """Return the Failure Reason (PS3.3 C.14.1.1) of an instance, None when it is in our custody.

    In custody means: its record names the SOP class, and its object is there, whole and durable.
    """
    try:
        record = read_record(layout.record_path(reference.sop_instance_uid))
        if record is None or record.header is None:
            return NO_SUCH_INSTANCE
        if record.header.sop_class_uid != reference.sop_class_uid:
            return CLASS_INSTANCE_CONFLICT
        return None if _is_whole(layout, record) else PROCESSING_FAILURE
    except FileNotFoundError:
        # a record without an object: purged, or lost
        return NO_SUCH_INSTANCE
    except (OSError, ValueError):
        return PROCESSING_FAILURE


def _is_whole(layout: SpoolLayout, record: Record) -> bool:
    path = layout.object_path(record.digest)
    # whoever stores it at this moment names it before the name is durable
    sync_folder(path.parent)
    return os.stat(path).st_size >= record.size
