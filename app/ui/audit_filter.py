"""The filter of the audit view, on its way to the browser and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from app.domain.audit import AuditFilter
from app.domain.errors import Rejected


def filter_fields(wanted: AuditFilter) -> dict[str, str]:
    """Return a filter as the fields of a form."""
    return {
        "since": wanted.since.isoformat() if wanted.since else "",
        "until": wanted.until.isoformat() if wanted.until else "",
        "username": wanted.username or "",
        "patient_id": wanted.patient_id or "",
        "study_uid": wanted.study_uid or "",
    }


def read_filter(fields: Mapping[str, str]) -> AuditFilter:
    """Return the filter of a form; missing fields do not restrict.

    Raises
    ------
    Rejected
        If a time cannot be read.
    """
    return AuditFilter(
        since=_time(fields.get("since", "")),
        until=_time(fields.get("until", "")),
        username=fields.get("username") or None,
        patient_id=fields.get("patient_id") or None,
        study_uid=fields.get("study_uid") or None,
    )


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Rejected(f"not a time: {text[:40]!r} (ISO 8601 with a zone)") from None
