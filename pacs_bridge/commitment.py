"""Storage commitment as data: what is asked for, what is answered, and their wire form (PS3.4 Annex J).

Reading is strict: what a request or a report says must be whole and free of contradiction, or nothing of it
counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from pacs_bridge.errors import Rejected
from pacs_bridge.header import is_uid

STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
REQUEST_COMMITMENT = 1
ALL_COMMITTED = 1
FAILURES_EXIST = 2
# 64-character UIDs in that number of items are 760 KB of Action Information
MOST_REFERENCES = 5000

PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
NO_SUCH_EVENT_TYPE = 0x0113
INVALID_ARGUMENT = 0x0115
NO_SUCH_CLASS = 0x0118
CLASS_INSTANCE_CONFLICT = 0x0119
NO_SUCH_ACTION = 0x0123
RESOURCE_LIMITATION = 0x0213

FAILURE_REASONS = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class / instance conflict",
    0x0122: "referenced SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}


@dataclass(frozen=True)
class Reference:
    """One instance, by its two UIDs."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class CommitmentRequest:
    """A request for the custody of instances: the Action Information of PS3.4 table J.3-1."""

    transaction_uid: str
    references: tuple[Reference, ...]

    def encode(self) -> Dataset:
        """Return the Action Information."""
        content = Dataset()
        content.TransactionUID = self.transaction_uid
        content.ReferencedSOPSequence = _items((reference, None) for reference in self.references)
        return content

    def as_document(self) -> dict[str, Any]:
        """Return the request as JSON values."""
        return {
            "transaction_uid": self.transaction_uid,
            "references": [[r.sop_class_uid, r.sop_instance_uid] for r in self.references],
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> CommitmentRequest:
        """Read `as_document` back; raises `ValueError`, `KeyError` or `TypeError` for anything else."""
        references = tuple(Reference(str(one), str(other)) for one, other in document["references"])
        return cls(str(document["transaction_uid"]), references)


@dataclass(frozen=True)
class CommitmentReport:
    """An answer to a request: the Event Information of PS3.4 table J.3-2.

    Parameters
    ----------
    failed
        With the Failure Reason (PS3.3 C.14.1.1) of each.
    """

    transaction_uid: str
    committed: tuple[Reference, ...] = ()
    failed: tuple[tuple[Reference, int], ...] = ()

    @property
    def event_type(self) -> int:
        """Event Type ID: 1 when everything is committed, 2 when failures exist."""
        return FAILURES_EXIST if self.failed else ALL_COMMITTED

    @property
    def sop_instance_uids(self) -> frozenset[str]:
        """Every instance that it speaks of."""
        everything = (*self.committed, *(reference for reference, _ in self.failed))
        return frozenset(reference.sop_instance_uid for reference in everything)

    def encode(self) -> Dataset:
        """Return the Event Information; a list that would be empty is left out (type 1C)."""
        content = Dataset()
        content.TransactionUID = self.transaction_uid
        if self.committed:
            content.ReferencedSOPSequence = _items((reference, None) for reference in self.committed)
        if self.failed:
            content.FailedSOPSequence = _items(self.failed)
        return content

    def as_document(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "transaction_uid": self.transaction_uid,
            "committed": [[r.sop_class_uid, r.sop_instance_uid] for r in self.committed],
            "failed": [[r.sop_class_uid, r.sop_instance_uid, reason] for r, reason in self.failed],
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> CommitmentReport:
        """Read `as_document` back; raises `ValueError`, `KeyError` or `TypeError` for anything else."""
        return cls(
            str(document["transaction_uid"]),
            tuple(Reference(str(one), str(other)) for one, other in document["committed"]),
            tuple((Reference(str(one), str(other)), int(why)) for one, other, why in document["failed"]),
        )


def read_request(content: Dataset) -> CommitmentRequest:
    """Read the Action Information of a request.

    Raises
    ------
    Rejected
        0x0115 for what is missing, no UID, or doubled; 0x0213 for more than `MOST_REFERENCES`.
    """
    transaction_uid = _transaction_of(content)
    references = _references(content, "ReferencedSOPSequence")
    if not references:
        raise Rejected(INVALID_ARGUMENT, "the request refers to no instance")
    return CommitmentRequest(transaction_uid, _once(references))


def read_report(event_type: int, content: Dataset) -> CommitmentReport:
    """Read the Event Information of a report.

    Raises
    ------
    Rejected
        0x0113 for an unknown type; 0x0115 when it is incomplete or contradicts itself or its type.
    """
    if event_type not in {ALL_COMMITTED, FAILURES_EXIST}:
        raise Rejected(NO_SUCH_EVENT_TYPE, f"storage commitment has no event type {event_type}")
    transaction_uid = _transaction_of(content)
    committed, failed = _references(content, "ReferencedSOPSequence"), _failures(content)
    _once([*committed, *(reference for reference, _ in failed)])
    if bool(failed) != (event_type == FAILURES_EXIST):
        raise Rejected(INVALID_ARGUMENT, "the list of failures contradicts the event type")
    return CommitmentReport(transaction_uid, tuple(committed), tuple(failed))


def describe_failure(reason: int) -> str:
    """Return a Failure Reason in words (PS3.3 C.14.1.1)."""
    return f"{FAILURE_REASONS.get(reason, 'failure')} (0x{reason:04X})"


def _transaction_of(content: Dataset) -> str:
    return _uid(content, "TransactionUID", "the Transaction UID")


def _references(content: Dataset, keyword: str) -> list[Reference]:
    items = content.get(keyword) or ()
    if not isinstance(items, DicomSequence | tuple):
        raise Rejected(INVALID_ARGUMENT, f"{keyword} is no sequence")
    if len(items) > MOST_REFERENCES:
        raise Rejected(RESOURCE_LIMITATION, f"more than {MOST_REFERENCES} instances in one transaction")
    return [
        Reference(
            _uid(item, "ReferencedSOPClassUID", "a Referenced SOP Class UID"),
            _uid(item, "ReferencedSOPInstanceUID", "a Referenced SOP Instance UID"),
        )
        for item in items
    ]


def _failures(content: Dataset) -> list[tuple[Reference, int]]:
    references = _references(content, "FailedSOPSequence")
    reasons = [item.get("FailureReason") for item in content.get("FailedSOPSequence") or ()]
    # type 1 (PS3.4 table J.3-2), but a failure without its reason is a failure all the same
    known = [reason if isinstance(reason, int) else PROCESSING_FAILURE for reason in reasons]
    return list(zip(references, known, strict=True))


def _uid(content: Dataset, keyword: str, name: str) -> str:
    value = content.get(keyword)
    if not isinstance(value, str) or not is_uid(value):
        raise Rejected(INVALID_ARGUMENT, f"{name} is missing or no UID")
    return str(value)


def _once(references: list[Reference]) -> tuple[Reference, ...]:
    if len({reference.sop_instance_uid for reference in references}) < len(references):
        raise Rejected(INVALID_ARGUMENT, "an instance is named twice in one transaction")
    return tuple(references)


def _items(references: Iterable[tuple[Reference, int | None]]) -> list[Dataset]:
    items = []
    for reference, reason in references:
        item = Dataset()
        item.ReferencedSOPClassUID = reference.sop_class_uid
        item.ReferencedSOPInstanceUID = reference.sop_instance_uid
        if reason is not None:
            item.FailureReason = reason
        items.append(item)
    return items
