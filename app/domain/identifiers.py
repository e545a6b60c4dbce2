"""DICOM unique identifiers: what is valid, and how we make our own."""

from __future__ import annotations

import hashlib
import re
import uuid

from app.domain.errors import Rejected

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def is_uid(text: str) -> bool:
    """Tell whether `text` has the form of a DICOM UID (PS3.5 9.1); leading zeros are accepted."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def require_uid(text: str) -> str:
    """Return `text` when it is a UID, otherwise raise `Rejected`."""
    if not is_uid(text):
        raise Rejected(f"not a DICOM UID: {text[:80]!r} (digits and dots, at most 64 characters)")
    return text


def new_uid() -> str:
    """Make a UID under the UUID root 2.25 (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def part_uid(sop_uid: str, part: int) -> str:
    """Return the SOP Instance UID of an object of a delivery; the first (0) has the delivery's."""
    return sop_uid if part == 0 else derived_uid("part", sop_uid, str(part))


def part_uids(sop_uid: str, count: int) -> tuple[str, ...]:
    """Return the SOP Instance UIDs of all objects of a delivery, in their order."""
    return tuple(part_uid(sop_uid, part) for part in range(count))


def derived_uid(*parts: str) -> str:
    """Make the UID that belongs to `parts`; the same parts give the same UID, so a resend is idempotent."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"
