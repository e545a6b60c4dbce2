"""What storage commitment sends: our requests to an archive, our reports to those who asked us."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, build_role, evt

from pacs_bridge.commitment import (
    PROCESSING_FAILURE,
    REQUEST_COMMITMENT,
    RESOURCE_LIMITATION,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    CommitmentReport,
    CommitmentRequest,
)
from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.dimse_service import NormalizedCommand, NormalizedService
from pacs_bridge.errors import SUCCESS, Rejected, Retriable
from pacs_bridge.normalized_event import answer_event
from pacs_bridge.received import AssociationFacts
from pacs_bridge.remote_ae import RemoteAE

SYNTAXES = [str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)]
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class CommitmentSCU:
    """Asks an archive for commitment.

    Parameters
    ----------
    destination
        The archive.
    calling_ae
        Our AE title, under which it may call us back.
    service
        Takes a report that comes on the same association.
    timeouts
        Explicit for every wait.
    wait
        Seconds that the association stays open for the report.
    """

    destination: Destination
    calling_ae: str
    service: NormalizedService
    timeouts: Timeouts
    wait: float = 5.0

    def ask(self, request: CommitmentRequest) -> None:
        """Send a request; return when the archive took it and was given time to answer at once.

        Raises
        ------
        Rejected, Retriable
            The archive does not take it, and whether that may change.
        """
        answered = threading.Event()
        handlers = [(evt.EVT_N_EVENT_REPORT, lambda event: (self._take(event, answered), None))]
        peer = RemoteAE(self.destination, self.calling_ae, self.timeouts)
        with peer.association([build_context(STORAGE_COMMITMENT, SYNTAXES)], handlers=handlers) as assoc:
            self._request(assoc, request)
            self._wait_for_report(assoc, answered)

    def _request(self, assoc: Any, request: CommitmentRequest) -> None:
        try:
            answer, _ = assoc.send_n_action(
                request.encode(), REQUEST_COMMITMENT, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
            )
        except (ValueError, RuntimeError, AttributeError) as error:
            # the last one: pynetdicom reads a message that is no answer as if it were one
            raise Retriable(f"{self.destination} did not answer the commitment request") from error
        _check_status(answer, self.destination, "the commitment request")

    def _wait_for_report(self, assoc: Any, answered: threading.Event) -> None:
        for _ in range(round(self.wait / _POLL_SECONDS)):
            if answered.wait(_POLL_SECONDS) or not assoc.is_established:
                return

    def _take(self, event: Any, answered: threading.Event) -> int:
        facts = AssociationFacts("requested", self.destination.ae_title, self.calling_ae, "")
        status = answer_event(event, facts, self.service, NormalizedCommand.EVENT_REPORT)
        if status == SUCCESS:
            answered.set()
        return status


@contextmanager
def reporting_association(destination: Destination, *, calling_ae: str, timeouts: Timeouts) -> Iterator[Any]:
    """Open an association on which we are the SCP, by role selection (PS3.4 J.3.3, PS3.7 D.3.3.4).

    Raises
    ------
    Rejected, Retriable
        There is none, and whether that may change.
    """
    peer = RemoteAE(destination, calling_ae, timeouts)
    roles = [build_role(STORAGE_COMMITMENT, scp_role=True)]
    with peer.association([build_context(STORAGE_COMMITMENT, SYNTAXES)], roles=roles) as assoc:
        if not any(context.as_scp for context in assoc.accepted_contexts):
            raise Rejected(0x0122, f"{destination} does not take us for the SCP: it ignores role selection")
        yield assoc


def send_report(assoc: Any, report: CommitmentReport, destination: Destination) -> None:
    """Send one report.

    Raises
    ------
    Rejected, Retriable
        The peer did not take it.
    """
    try:
        answer, _ = assoc.send_n_event_report(
            report.encode(), report.event_type, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
        )
    except (ValueError, RuntimeError, AttributeError) as error:
        raise Retriable(f"{destination} did not answer the commitment report") from error
    _check_status(answer, destination, "the commitment report")


def _check_status(answer: Dataset, destination: Destination, what: str) -> None:
    if "Status" not in answer:
        raise Retriable(f"{destination} did not answer {what}")
    status = int(answer.Status)
    if status == SUCCESS:
        return
    if status in {PROCESSING_FAILURE, RESOURCE_LIMITATION}:
        raise Retriable(f"{destination} cannot take {what} now (status 0x{status:04X})")
    raise Rejected(status, f"{destination} refuses {what}")
