"""What storage commitment says in our log."""

from __future__ import annotations

import structlog

from pacs_bridge.commitment import CommitmentReport
from pacs_bridge.commitment_events import LoggedCommitments
from pacs_bridge.dimse_service import NormalizedRequest


class CommitmentLog(LoggedCommitments):
    """Writes each event as one structured line."""

    def commitment_asked(self, request: NormalizedRequest, instances: int) -> None:
        """Log it."""
        _log(request).info("commitment asked of us", instances=instances)

    def commitment_received(self, request: NormalizedRequest) -> None:
        """Log it."""
        _log(request).info("commitment report received")

    def commitment_refused(self, request: NormalizedRequest, status: int, reason: str) -> None:
        """Log it with the reason, which names the setting when one is missing."""
        _log(request).warning(
            "commitment refused", command=request.command.value, status=f"0x{status:04X}", reason=reason
        )

    def commitment_reported(self, ae_title: str, report: CommitmentReport) -> None:
        """Log it."""
        structlog.get_logger().info(
            "commitment reported", peer=ae_title, committed=len(report.committed), failed=len(report.failed)
        )

    def commitment_report_failed(self, ae_title: str, attempts: int, reason: str) -> None:
        """Log it."""
        structlog.get_logger().warning(
            "commitment report failed", peer=ae_title, attempts=attempts, reason=reason
        )

    def commitment_given_up(self, ae_title: str, attempts: int, reason: str) -> None:
        """Log it as an error: a peer waits for something that will not come."""
        structlog.get_logger().error(
            "commitment report given up", peer=ae_title, attempts=attempts, reason=reason
        )


def _log(request: NormalizedRequest) -> structlog.stdlib.BoundLogger:
    association = request.association
    return structlog.get_logger().bind(
        association=association.association_id,
        calling_ae=association.calling_ae,
        address=association.source_address,
    )
