"""Answers storage commitment requests and reports once they are durable in the spool (PS3.4 J.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pacs_bridge.admission import Peer
from pacs_bridge.commitment import (
    INVALID_ARGUMENT,
    NO_SUCH_ACTION,
    NO_SUCH_CLASS,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    REQUEST_COMMITMENT,
    RESOURCE_LIMITATION,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    CommitmentRequest,
    read_report,
    read_request,
)
from pacs_bridge.commitment_events import CommitmentEvents
from pacs_bridge.dimse_service import NormalizedCommand, NormalizedRequest
from pacs_bridge.errors import SUCCESS, Rejected
from pacs_bridge.spool_layout import SpoolLayout
from pacs_bridge.tray import Tray

MOST_PENDING = 10_000


@dataclass(frozen=True)
class PendingReport:
    """A request that a peer made and that we have not answered yet.

    Parameters
    ----------
    ae_title
        Who asked, and is to be told.
    attempts
        Reports that failed.
    due
        When to report next, aware, UTC.
    reason
        Why the last attempt failed.
    """

    ae_title: str
    request: CommitmentRequest
    received_at: datetime
    due: datetime
    attempts: int = 0
    reason: str = ""

    def failed(self, reason: str, *, due: datetime) -> PendingReport:
        """Return it after an attempt that failed."""
        return replace(self, attempts=self.attempts + 1, due=due, reason=reason)

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "ae_title": self.ae_title,
            "request": self.request.as_document(),
            "received_at": self.received_at.isoformat(),
            "due": self.due.isoformat(),
            "attempts": self.attempts,
            "reason": self.reason,
        }

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> PendingReport:
        """Read `as_document` back; raises `ValueError`, `KeyError` or `TypeError` for anything else."""
        return cls(
            ae_title=str(document["ae_title"]),
            request=CommitmentRequest.of_document(document["request"]),
            received_at=datetime.fromisoformat(document["received_at"]),
            due=datetime.fromisoformat(document["due"]),
            attempts=int(document["attempts"]),
            reason=str(document["reason"]),
        )


class CommitmentService:
    """The normalized service of the Storage Commitment Push Model, in both roles.

    Parameters
    ----------
    layout
        Of the spool that takes requests and reports.
    peers
        Who may ask; only one with `host` and `port` can be answered.
    events
        Who is told.
    """

    sop_class_uid = STORAGE_COMMITMENT

    def __init__(self, layout: SpoolLayout, peers: Iterable[Peer], events: CommitmentEvents) -> None:
        self._pending = Tray(layout.commitments)
        self._asked = Tray(layout.commitments_asked)
        self._reports = Tray(layout.commitment_reports)
        self._peers = {peer.ae_title: peer for peer in peers}
        self._events = events

    def answer(self, request: NormalizedRequest) -> int:
        """Take a request or a report; 0x0000 when it is durable."""
        try:
            _check_addressee(request)
            if request.command is NormalizedCommand.ACTION:
                self._take_request(request)
            else:
                self._take_report(request)
        except Rejected as refusal:
            return self._refuse(request, refusal.status, refusal.reason)
        except OSError as error:
            reason = f"the spool cannot take it: {type(error).__name__}"
            return self._refuse(request, RESOURCE_LIMITATION, reason)
        return SUCCESS

    def _refuse(self, request: NormalizedRequest, status: int, reason: str) -> int:
        self._events.commitment_refused(request, status, reason)
        return status

    def _take_request(self, request: NormalizedRequest) -> None:
        """Make a request durable; the same request again is the same, and revives one that was given up."""
        if request.type_id != REQUEST_COMMITMENT:
            raise Rejected(NO_SUCH_ACTION, f"storage commitment has no action type {request.type_id}")
        ae_title = request.association.calling_ae
        self._require_address(ae_title)
        wanted = read_request(request.content)
        path = self._pending.path_of(ae_title, wanted.transaction_uid)
        known = self._pending.read(path)
        if known is None:
            if len(self._pending.paths()) >= MOST_PENDING:
                raise Rejected(RESOURCE_LIMITATION, f"{MOST_PENDING} transactions wait for their report")
            pending = PendingReport(ae_title, wanted, request.received_at, due=request.received_at)
            self._pending.put(path, pending.as_document())
            self._pending.revive(path)
        elif PendingReport.of_document(known).request != wanted:
            raise Rejected(INVALID_ARGUMENT, "the transaction is open, for other instances")
        self._events.commitment_asked(request, len(wanted.references))

    def _require_address(self, ae_title: str) -> None:
        peer = self._peers.get(ae_title)
        if peer is None or not (peer.host and peer.port):
            raise Rejected(
                PROCESSING_FAILURE,
                f"nobody knows where {ae_title} listens for the report: give host and port of {ae_title} in "
                "JANUS_MED_PEERS",
            )

    def _take_report(self, request: NormalizedRequest) -> None:
        """Make a report durable; a second report of a transaction is kept in the place of the first."""
        report = read_report(request.type_id, request.content)
        asked = self._asked.read(self._asked.path_of(report.transaction_uid))
        if asked is None:
            raise Rejected(INVALID_ARGUMENT, "we have no such transaction")
        wanted = CommitmentRequest.of_document(asked)
        if not {r.sop_instance_uid for r in wanted.references} <= report.sop_instance_uids:
            raise Rejected(INVALID_ARGUMENT, "the report is silent about instances of its transaction")
        document = {
            "report": report.as_document(),
            "ae_title": request.association.calling_ae,
            "received_at": request.received_at.isoformat(),
        }
        self._reports.put(self._reports.path_of(report.transaction_uid), document)
        self._events.commitment_received(request)


def _check_addressee(request: NormalizedRequest) -> None:
    """Check that the well-known instance is addressed (PS3.4 J.3.5)."""
    if request.sop_class_uid != STORAGE_COMMITMENT:
        raise Rejected(NO_SUCH_CLASS, "it is not addressed to the Storage Commitment Push Model")
    if request.sop_instance_uid != STORAGE_COMMITMENT_INSTANCE:
        raise Rejected(NO_SUCH_INSTANCE, "it is not addressed to the well-known instance")
