"""The audit log: one chain, appended to under the lock of its head, read in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, insert, select
from sqlalchemy.orm import Session

from app.domain.access import Actor
from app.domain.audit import (
    AuditEntry,
    AuditEvent,
    AuditFact,
    AuditFilter,
    digest_entry,
    patient_reference,
)
from app.domain.checkpoint import Checkpoint, Occasion, Trust, checkpoint_bytes, read_checkpoint
from app.domain.errors import AuditBroken
from app.store.keys import Keys
from app.store.tables import AuditHeadRow, AuditRow, PatientRow

_HEAD = 1
_FETCH = 500
_LARGEST_NUMBER = 2**53
_PROOFS = ("audit checkpoint", "audit checkpoint stamped", "audit exported", "audit verified")


class AuditLog:
    """The audit log, as part of one unit of work."""

    def __init__(self, session: Session, keys: Keys) -> None:
        self._session = session
        self._keys = keys

    def append(self, fact: AuditFact) -> AuditEntry:
        """Write what happened as the next entry of the chain.

        The head stays locked until the transaction ends: entries stand in the order of their commits.
        """
        seq, digest = self._lock_head()
        body = {
            "seq": seq + 1,
            "at": fact.at.astimezone(UTC),
            "event": fact.event.value,
            "outcome": fact.outcome.value,
            "username": _storable(fact.actor.username),
            "role": fact.actor.role.value,
            "source": _storable(fact.actor.source),
            "patient_ref": fact.patient_ref,
            "study_uid": _storable(fact.study_uid),
            "detail": {_storable(name): _storable(value) for name, value in fact.detail.items()},
            "previous": digest,
        }
        unsealed = AuditEntry(**body, digest="")
        entry = AuditEntry(**body, digest=digest_entry(unsealed.body()))
        self._session.execute(insert(AuditRow).values(**body, digest=entry.digest))
        return entry

    def head(self) -> tuple[int, str]:
        """Return number and digest of the last entry; (0, 64 zeros) for an empty log."""
        row = self._session.execute(select(AuditHeadRow.seq, AuditHeadRow.digest)).one()
        return row.seq, row.digest

    def patient_ref(self, patient_id: str, issuer: str) -> str:
        """Return the keyed hash under which a patient stands in the log."""
        return patient_reference(self._keys.patient, patient_id, issuer)

    def references_of(self, patient_id: str) -> tuple[str, ...]:
        """Return the references of everybody who has, or had without an issuer, this PatientID."""
        issuers = self._session.scalars(
            select(PatientRow.issuer).where(PatientRow.patient_id == patient_id).distinct()
        )
        return tuple(sorted({self.patient_ref(patient_id, issuer) for issuer in ("", *issuers)}))

    def select(self, wanted: AuditFilter, *, limit: int, before_seq: int | None = None) -> list[AuditEntry]:
        """Return the newest entries that match, newest first, before `before_seq` when given."""
        query = self._matching(wanted).order_by(AuditRow.seq.desc()).limit(limit)
        if before_seq is not None:
            query = query.where(AuditRow.seq < before_seq)
        return [_entry(row) for row in self._session.scalars(query)]

    def stream(self, wanted: AuditFilter, *, up_to_seq: int | None = None) -> Iterator[AuditEntry]:
        """Return every entry that matches, oldest first, a few hundred in memory at a time."""
        query = self._matching(wanted).order_by(AuditRow.seq)
        if up_to_seq is not None:
            query = query.where(AuditRow.seq <= up_to_seq)
        columns = query.with_only_columns(*AuditRow.__table__.columns)
        rows = self._session.execute(columns.execution_options(yield_per=_FETCH))
        for row in rows:
            yield AuditEntry(**row._mapping)

    def newest(self, event: AuditEvent) -> AuditEntry | None:
        """Return the newest entry of an event that stands for a proof of the log; None before the first."""
        wanted = select(AuditRow).where(AuditRow.event == event.value, AuditRow.event.in_(_PROOFS))
        row = self._session.scalars(wanted.order_by(AuditRow.seq.desc()).limit(1)).one_or_none()
        return None if row is None else _entry(row)

    def last_checkpoint(self) -> Checkpoint | None:
        """Return the newest checkpoint, None before the first."""
        entry = self.newest(AuditEvent.AUDIT_CHECKPOINT)
        return None if entry is None else read_checkpoint(entry)

    def checkpoints(self, *, up_to_seq: int) -> Iterator[AuditEntry]:
        """Return the entries of every checkpoint up to an entry, oldest first."""
        wanted = select(AuditRow).where(
            AuditRow.event == AuditEvent.AUDIT_CHECKPOINT.value, AuditRow.seq <= up_to_seq
        )
        yield from (_entry(row) for row in self._session.scalars(wanted.order_by(AuditRow.seq)))

    def get(self, seq: int) -> AuditEntry:
        """Return an entry, or raise `AuditBroken`."""
        row = self._session.get(AuditRow, seq)
        if row is None:
            raise AuditBroken(f"entry {seq} is missing")
        return _entry(row)

    def last_stamp(self) -> AuditEntry | None:
        """Return the newest time stamp of a checkpoint, None before the first."""
        return self.newest(AuditEvent.AUDIT_STAMPED)

    def stamps(self) -> Iterator[AuditEntry]:
        """Return the entries of every time stamp, oldest first."""
        wanted = select(AuditRow).where(AuditRow.event == AuditEvent.AUDIT_STAMPED.value)
        yield from (_entry(row) for row in self._session.scalars(wanted.order_by(AuditRow.seq)))

    def seal_head(self, occasion: Occasion, actor: Actor, *, now: datetime) -> AuditEntry:
        """Write a checkpoint over everything that the log holds, as its next entry."""
        seq, digest = self._lock_head()
        last = self.last_checkpoint()
        number = 1 if last is None else last.number + 1
        unsealed = Checkpoint(number, seq, digest, now, occasion.value, self._keys.audit.key_id)
        sealed = replace(unsealed, seal=self._keys.audit.seal(checkpoint_bytes(unsealed)))
        return self.append(AuditFact(AuditEvent.AUDIT_CHECKPOINT, actor, now, detail=sealed.as_detail()))

    @property
    def trust(self) -> Trust:
        """The keys whose checkpoints count."""
        return self._keys.audit

    def _matching(self, wanted: AuditFilter) -> Select[AuditRow]:
        query = select(AuditRow)
        if wanted.since is not None:
            query = query.where(AuditRow.at >= wanted.since)
        if wanted.until is not None:
            query = query.where(AuditRow.at < wanted.until)
        if wanted.username:
            query = query.where(AuditRow.username == wanted.username)
        if wanted.study_uid:
            query = query.where(AuditRow.study_uid == wanted.study_uid)
        if wanted.patient_id:
            query = query.where(AuditRow.patient_ref.in_(self.references_of(wanted.patient_id)))
        return query

    def _lock_head(self) -> tuple[int, str]:
        query = select(AuditHeadRow.seq, AuditHeadRow.digest).where(AuditHeadRow.id == _HEAD)
        row = self._session.execute(query.with_for_update()).one_or_none()
        if row is None:
            raise AuditBroken("the head of the audit log is gone: restore the database")
        return row.seq, row.digest


def _storable(value: Any) -> Any:
    """Return a detail as PostgreSQL keeps it: the digest made now is the digest of what is read later.

    Text from the network may hold characters that no database keeps (NUL, lone surrogates): they are
    replaced, because the act has to be recorded all the same.

    Raises
    ------
    TypeError
        For anything but JSON values, and for numbers that JSON readers do not agree on (RFC 8785 3.2.2.3).
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    if isinstance(value, int | float) and abs(value) < _LARGEST_NUMBER:
        return value
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    if isinstance(value, Mapping):
        return {_storable(str(name)): _storable(part) for name, part in value.items()}
    raise TypeError(f"an audit detail cannot hold {type(value).__name__} {value!r:.40}")


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        seq=row.seq,
        at=row.at,
        event=row.event,
        outcome=row.outcome,
        username=row.username,
        role=row.role,
        source=row.source,
        patient_ref=row.patient_ref,
        study_uid=row.study_uid,
        detail=row.detail,
        previous=row.previous,
        digest=row.digest,
    )
