"""What storage commitment tells to whoever logs or alerts."""

from __future__ import annotations

import logging
from typing import Protocol

from pacs_bridge.commitment import CommitmentReport
from pacs_bridge.dimse_service import NormalizedRequest

LOGGER = logging.getLogger(__name__)


class CommitmentEvents(Protocol):
    """Callbacks in the threads of associations and of the reporting loop. Must not raise."""

    def commitment_asked(self, request: NormalizedRequest, instances: int) -> None:
        """A peer asked for commitment and its request is durable."""

    def commitment_received(self, request: NormalizedRequest) -> None:
        """A peer answered a request of ours and its answer is durable."""

    def commitment_refused(self, request: NormalizedRequest, status: int, reason: str) -> None:
        """A request or a report was answered with an error."""

    def commitment_reported(self, ae_title: str, report: CommitmentReport) -> None:
        """A peer has taken our report."""

    def commitment_report_failed(self, ae_title: str, attempts: int, reason: str) -> None:
        """An attempt to report failed and another one follows."""

    def commitment_given_up(self, ae_title: str, attempts: int, reason: str) -> None:
        """A report could not be brought to its peer and is kept with the dead: an alert."""


class LoggedCommitments:
    """Write each event to the log, keys only; UIDs stay out."""

    def commitment_asked(self, request: NormalizedRequest, instances: int) -> None:
        """Log at level info."""
        LOGGER.info("commitment_asked", extra=_keys(request) | {"instances": instances})

    def commitment_received(self, request: NormalizedRequest) -> None:
        """Log at level info."""
        LOGGER.info("commitment_received", extra=_keys(request))

    def commitment_refused(self, request: NormalizedRequest, status: int, reason: str) -> None:
        """Log at level warning."""
        told = {"command": request.command.value, "status": f"0x{status:04X}", "reason": reason}
        LOGGER.warning("commitment_refused", extra=_keys(request) | told)

    def commitment_reported(self, ae_title: str, report: CommitmentReport) -> None:
        """Log at level info."""
        facts = {"peer": ae_title, "committed": len(report.committed), "failed": len(report.failed)}
        LOGGER.info("commitment_reported", extra=facts)

    def commitment_report_failed(self, ae_title: str, attempts: int, reason: str) -> None:
        """Log at level warning."""
        facts = {"peer": ae_title, "attempts": attempts, "reason": reason}
        LOGGER.warning("commitment_report_failed", extra=facts)

    def commitment_given_up(self, ae_title: str, attempts: int, reason: str) -> None:
        """Log at level error."""
        facts = {"peer": ae_title, "attempts": attempts, "reason": reason}
        LOGGER.error("commitment_given_up", extra=facts)


def _keys(request: NormalizedRequest) -> dict[str, object]:
    association = request.association
    return {"association": association.association_id, "calling_ae": association.calling_ae}
