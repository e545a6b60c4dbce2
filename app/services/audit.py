"""The audit log for auditors: viewing, exporting and verifying it, each of which is an event of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, TextIO

from app.domain.access import Action, Actor
from app.domain.audit import AuditEntry, AuditEvent, AuditFact, AuditFilter, Outcome
from app.domain.audit_proof import Anchor, LogState, verify_whole
from app.domain.checkpoint import Occasion
from app.domain.errors import AuditBroken, Rejected
from app.services.audit_file import ExportHeading, verify_file, write_export
from app.services.permission import permit
from app.store.engine import Store
from app.store.unit_of_work import UnitOfWork

__all__ = [
    "AuditExport",
    "AuditFilter",
    "export_audit",
    "name_study",
    "verify_file",
    "verify_log",
    "view_audit",
]

_LONGEST_PAGE = 1000
ExportFormat = Literal["csv", "jsonl", "dicom-xml", "fhir"]
ExportWriter = Callable[[Iterable[AuditEntry], ExportHeading, TextIO], int]
_WRITERS: Mapping[str, ExportWriter] = {
    "csv": partial(write_export, format_="csv"),
    "jsonl": partial(write_export, format_="jsonl"),
}


@dataclass(frozen=True)
class AuditExport:
    """What an export holds.

    Attributes
    ----------
    count
        Entries in the file.
    head_seq, head_digest
        The last entry of the whole log when it was exported: the checkpoint over the export's own entry.
    """

    count: int
    head_seq: int
    head_digest: str


def view_audit(
    store: Store,
    actor: Actor,
    wanted: AuditFilter,
    *,
    limit: int,
    before_seq: int | None = None,
    now: datetime,
) -> list[AuditEntry]:
    """Return the newest entries that match, newest first; the view itself is the newest entry.

    Parameters
    ----------
    limit
        At most this many, 1 to 1,000.
    before_seq
        Only entries before this one: the next page.

    Raises
    ------
    Rejected
        If `limit` is out of range, or a time of the filter has no zone.
    """
    permit(store, actor, Action.VIEW_AUDIT, now=now)
    _require_zone(wanted)
    if not 1 <= limit <= _LONGEST_PAGE:
        raise Rejected(f"a page of the audit log has 1 to {_LONGEST_PAGE} entries, not {limit}")
    with store.begin() as tx:
        _record(tx, AuditEvent.AUDIT_VIEWED, actor, wanted, now, {"before_seq": before_seq})
        return tx.audit.select(wanted, limit=limit, before_seq=before_seq)


def name_study(store: Store, actor: Actor, text: str, *, now: datetime) -> str:
    """Return the StudyInstanceUID of what an auditor typed: the UID, or the accession number of one study.

    Raises
    ------
    NotAuthorised
    Rejected
        If several studies bear the number.
    """
    permit(store, actor, Action.VIEW_AUDIT, now=now)
    with store.begin() as tx:
        found = tx.studies.of_accession(text) if text else ()
    if len(found) > 1:
        raise Rejected(f"{len(found)} studies have this accession number: give the StudyInstanceUID")
    return found[0] if found else text


def export_audit(
    store: Store,
    actor: Actor,
    wanted: AuditFilter,
    *,
    format: ExportFormat,
    out: TextIO,
    now: datetime,
    writer: ExportWriter | None = None,
) -> AuditExport:
    """Write the entries that match to `out`, oldest first, with the log's head.

    The export is recorded, sealed by a checkpoint, and committed before the first entry is read; the
    checkpoint is the head that the file names. Nobody takes entries out without a trace, and appenders do not
    wait for a long export.

    Parameters
    ----------
    writer
        Writes a format that this package does not know; the others have theirs.

    Raises
    ------
    Rejected
        If a time of the filter has no zone.
    """
    write = writer or _WRITERS.get(format)
    if write is None:
        raise Rejected(f"nothing here writes the format {format}")
    permit(store, actor, Action.EXPORT_AUDIT, now=now)
    _require_zone(wanted)
    with store.begin() as tx:
        own = _record(tx, AuditEvent.AUDIT_EXPORTED, actor, wanted, now, {"format": format})
        head = tx.audit.seal_head(Occasion.EXPORT, actor, now=now)
    heading = ExportHeading(
        created_at=now,
        created_by=actor.username,
        whole=wanted.is_everything,
        wanted=own.detail["filter"],
        head_seq=head.seq,
        head_digest=head.digest,
    )
    with store.begin() as tx:
        count = write(tx.audit.stream(wanted, up_to_seq=head.seq), heading, out)
    return AuditExport(count=count, head_seq=head.seq, head_digest=head.digest)


def verify_log(store: Store, actor: Actor, *, now: datetime, anchors: Iterable[Anchor] = ()) -> LogState:
    """Verify the whole log in the database with its checkpoints, and record that and with what result.

    Parameters
    ----------
    anchors
        What was kept elsewhere of this log: it must go on from there.

    Returns
    -------
    LogState
        As of before the entry of the verification itself.

    Raises
    ------
    AuditBroken
        Naming the first bad entry.
    """
    permit(store, actor, Action.VIEW_AUDIT, now=now)
    try:
        with store.begin(snapshot=True) as tx:
            state = verify_whole(
                tx.audit.stream(AuditFilter()), tx.audit.trust, head=tx.audit.head(), anchors=anchors
            )
    except AuditBroken as error:
        _record_verdict(store, actor, now, Outcome.FAILURE, {"problem": str(error)})
        raise
    found = {"entries": state.count, "checkpoints": state.checkpoints, "covered": state.covered}
    _record_verdict(store, actor, now, Outcome.SUCCESS, found)
    return state


def _record(
    tx: UnitOfWork,
    event: AuditEvent,
    actor: Actor,
    wanted: AuditFilter,
    now: datetime,
    detail: dict[str, Any],
) -> AuditEntry:
    """Record a look into the log; a patient stands in it by reference."""
    references = tx.audit.references_of(wanted.patient_id) if wanted.patient_id else ()
    fields = {
        "since": wanted.since.astimezone(UTC).isoformat() if wanted.since else None,
        "until": wanted.until.astimezone(UTC).isoformat() if wanted.until else None,
        "username": wanted.username or None,
        "patient_refs": list(references) or None,
        "study_uid": wanted.study_uid or None,
    }
    shown = {name: value for name, value in fields.items() if value is not None}
    return tx.audit.append(
        AuditFact(
            event=event,
            actor=actor,
            at=now,
            patient_ref=references[0] if references else "",
            study_uid=wanted.study_uid or "",
            detail={"filter": shown} | {name: value for name, value in detail.items() if value is not None},
        )
    )


def _record_verdict(
    store: Store, actor: Actor, now: datetime, outcome: Outcome, detail: dict[str, Any]
) -> None:
    with store.begin() as tx:
        tx.audit.append(
            AuditFact(event=AuditEvent.AUDIT_VERIFIED, actor=actor, at=now, outcome=outcome, detail=detail)
        )


def _require_zone(wanted: AuditFilter) -> None:
    for time in (wanted.since, wanted.until):
        if time is not None and time.tzinfo is None:
            raise Rejected(f"the time {time} of the filter has no zone: say in which zone it is")
