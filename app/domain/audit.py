"""The audit log: the closed catalogue of events, and the hash chain that joins its entries."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import rfc8785

from app.domain.access import Actor
from app.domain.errors import AuditBroken

GENESIS = "0" * 64


class AuditEvent(StrEnum):
    """Every act that is recorded (A1); there is no other."""

    LOGIN = "login"
    LOGIN_FAILED = "login failed"
    LOGOUT = "logout"
    LIST_STUDIES = "list studies"
    STUDY_OPENED = "study opened"
    DRAFT_VIEWED = "draft viewed"
    SENTENCE_EDITED = "sentence edited"
    SENTENCE_ACCEPTED = "sentence accepted"
    SENTENCE_REJECTED = "sentence rejected"
    SENTENCE_REOPENED = "sentence reopened"
    SENTENCE_MOVED = "sentence moved"
    TEMPLATE_USED = "report template used"
    REPORT_LOCKED = "report locked"
    REPORT_TAKEN_OVER = "report taken over"
    REPORT_SIGNED = "report signed"
    REPORT_ADDENDED = "report addended"
    REPORT_CORRECTED = "report corrected"
    REPORT_SUPERSEDED = "report superseded"
    REPORT_WITHDRAWN = "report withdrawn"
    REPORT_EXPORTED = "report exported"
    CRITICAL_OPENED = "critical result opened"
    CRITICAL_ESCALATED = "critical result escalated"
    CRITICAL_CLOSED = "critical result communicated"
    CRITICAL_CANCELLED = "critical result cancelled"
    SECOND_REVIEWS_DRAWN = "second reviews drawn"
    SECOND_REVIEW_SCORED = "second review scored"
    SECOND_REVIEW_CORRECTED = "second review corrected"
    QUALITY_EXPORTED = "quality board exported"
    STUDY_RECEIVED = "study received"
    STUDY_COMPLETED = "study completed"
    STUDY_EXCLUDED = "study excluded"
    STUDY_INCLUDED = "study included"
    STUDY_DRAFTED = "study drafted"
    STUDY_UNDRAFTED = "study undrafted"
    PRIORS_FOUND = "priors looked for"
    PRIOR_ATTACHED = "prior attached"
    PRIORS_FAILED = "priors not to be had"
    PRIOR_VIEWED = "prior viewed"
    QUESTION_ASKED = "question asked"
    QUESTION_ANSWERED = "question answered"
    SIMILAR_SEARCHED = "similar studies searched"
    SIMILAR_OPENED = "similar study asked for"
    ORDER_RECEIVED = "order received"
    ORDER_ATTACHED = "order attached"
    ORDER_MISMATCH = "order of another patient"
    PATIENT_CORRECTED = "patient corrected"
    PATIENT_MERGED = "patient merged"
    MESSAGE_REFUSED = "message refused"
    INSTANCE_QUARANTINED = "instance quarantined"
    INSTANCES_RETRIEVED = "instances retrieved"
    QUARANTINE_RELEASED = "quarantine released"
    QUARANTINE_DISCARDED = "quarantine discarded"
    QUARANTINE_INSPECTED = "quarantine inspected"
    QUARANTINE_REMOVED = "quarantine removed"
    STUDY_PURGED = "study purged"
    STUDY_RESTORED = "study restored"
    STUDY_HELD = "study held"
    STUDY_HOLD_ENDED = "study hold ended"
    BACKUP_MADE = "backup made"
    BACKUP_RESTORED = "backup restored"
    PATIENT_HELD = "patient held"
    PATIENT_HOLD_ENDED = "patient hold ended"
    PATIENT_EXPORTED = "patient exported"
    PATIENT_ERASED = "patient erased"
    ALERT_ACKNOWLEDGED = "alert acknowledged"
    ASSOCIATION_REJECTED = "association rejected"
    DELIVERY_SENT = "delivery sent"
    DELIVERY_FAILED = "delivery failed"
    DELIVERY_COMMITTED = "delivery committed"
    COMMITMENT_ASKED = "commitment asked"
    COMMITMENT_FAILED = "commitment failed"
    DELIVERY_CANCELLED = "delivery cancelled"
    WORK_DEAD = "work given up"
    WORK_RETRIED = "work retried"
    AUDIT_VIEWED = "audit viewed"
    AUDIT_EXPORTED = "audit exported"
    AUDIT_VERIFIED = "audit verified"
    SIGNATURES_VERIFIED = "signatures verified"
    KEY_ROTATED = "signing key rotated"
    AUDIT_CHECKPOINT = "audit checkpoint"
    AUDIT_STAMPED = "audit checkpoint stamped"
    USER_ADDED = "user added"
    USER_CHANGED = "user changed"
    SECOND_FACTOR_SET = "second factor set"
    SECOND_FACTOR_REMOVED = "second factor removed"
    IDENTITY_CONFIRMED = "identity confirmed"
    GROUP_ADDED = "study group added"
    GROUP_CHANGED = "study group changed"
    GROUP_REMOVED = "study group removed"
    STUDY_RESTRICTED = "study restricted"
    STUDY_UNRESTRICTED = "study restriction lifted"
    EMERGENCY_STARTED = "emergency access started"
    EMERGENCY_STOPPED = "emergency access stopped"
    ACCESS_DENIED = "access denied"
    MODEL_LOADED = "AI model loaded"
    MODEL_STOPPED = "AI model stopped"
    MODEL_RESUMED = "AI model resumed"
    TEMPLATE_CHANGED = "report template changed"
    MACRO_CHANGED = "macro changed"
    WORDS_CHANGED = "department words changed"
    RULES_CHANGED = "rules changed"
    RULES_TESTED = "rules tested"
    SERVICE_STARTED = "service started"
    SERVICE_STOPPED = "service stopped"


class Outcome(StrEnum):
    """How the act ended (PS3.15 A.5, EventOutcomeIndicator)."""

    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True)
class AuditFact:
    """What happened, before it has its place in the chain.

    Attributes
    ----------
    patient_ref
        Keyed hash of the patient's identity; the identity itself is never in the chain, so it can be erased.
    detail
        Small JSON values without names, descriptions or report text.
    """

    event: AuditEvent
    actor: Actor
    at: datetime
    outcome: Outcome = Outcome.SUCCESS
    patient_ref: str = ""
    study_uid: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are wanted; what is None or empty does not restrict.

    Attributes
    ----------
    since, until
        Aware times: `since` belongs to the range, `until` does not.
    patient_id
        A PatientID; it is looked up by its keyed hash.
    """

    since: datetime | None = None
    until: datetime | None = None
    username: str | None = None
    patient_id: str | None = None
    study_uid: str | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not any((self.since, self.until, self.username, self.patient_id, self.study_uid))


@dataclass(frozen=True)
class AuditEntry:
    """One entry of the log.

    Attributes
    ----------
    seq
        1, 2, 3 ... without a gap.
    previous
        `digest` of entry ``seq - 1``; 64 zeros for the first.
    digest
        SHA-256 (hex) of the canonical JSON of all other fields.
    """

    seq: int
    at: datetime
    event: str
    outcome: str
    username: str
    role: str
    source: str
    patient_ref: str
    study_uid: str
    detail: Mapping[str, Any]
    previous: str
    digest: str

    def body(self) -> dict[str, Any]:
        """Return the fields that the digest covers, as plain JSON values."""
        return {
            "seq": self.seq,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "event": self.event,
            "outcome": self.outcome,
            "username": self.username,
            "role": self.role,
            "source": self.source,
            "patient_ref": self.patient_ref,
            "study_uid": self.study_uid,
            "detail": dict(self.detail),
            "previous": self.previous,
        }

    def is_intact(self) -> bool:
        """Tell whether the digest belongs to the content."""
        try:
            return digest_entry(self.body()) == self.digest
        except (rfc8785.CanonicalizationError, TypeError, ValueError, RecursionError):
            # values that we never write: whoever put them there
            return False


def digest_entry(body: Mapping[str, Any]) -> str:
    """Return the digest of an entry's body: SHA-256 of its canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(dict(body))).hexdigest()


def patient_reference(key: bytes, patient_id: str, issuer: str) -> str:
    """Return the keyed hash under which a patient stands in the audit log (HMAC-SHA-256, 32 hex digits)."""
    return hmac.new(key, f"{issuer}\x1f{patient_id}".encode(), hashlib.sha256).hexdigest()[:32]


def check_link(entry: AuditEntry, *, seq: int, previous: str) -> None:
    """Check that an entry stands in its place and was not altered.

    Raises
    ------
    AuditBroken
        Naming the entry and what is wrong with it.
    """
    if entry.seq != seq:
        raise AuditBroken(f"entry {seq} is missing: found entry {entry.seq} in its place")
    if entry.previous != previous:
        raise AuditBroken(f"entry {entry.seq} does not follow entry {seq - 1}: its link to it is broken")
    if not entry.is_intact():
        raise AuditBroken(f"entry {entry.seq} was altered: its digest does not match its content")


def verify_chain(
    entries: Iterable[AuditEntry],
    *,
    head: tuple[int, str] | None = None,
    see: Callable[[AuditEntry], None] | None = None,
) -> tuple[int, str]:
    """Walk a whole log from its first entry and return its head.

    Parameters
    ----------
    head
        Number and digest of the last entry as recorded elsewhere; finds a cut tail.
    see
        Looks at each entry once its place was checked; what it raises ends the walk.

    Returns
    -------
    tuple of int and str
        Number of entries and digest of the last (64 zeros when empty).

    Raises
    ------
    AuditBroken
        Naming the first bad entry (A2).
    """
    seq, previous = 0, GENESIS
    for entry in entries:
        check_link(entry, seq=seq + 1, previous=previous)
        if see is not None:
            see(entry)
        seq, previous = entry.seq, entry.digest
    if head is not None and head != (seq, previous):
        raise AuditBroken(
            f"the log ends at entry {seq}, but entry {head[0]} was its head: entry {seq + 1} is gone"
        )
    return seq, previous
