"""What the listener has to tell the audit log: kept in order while the database is away.

An instance in quarantine is found again in the spool after a restart; a rejected association is not, so a
process that is killed while the database is away loses those. More than `CAPACITY` waiting events are
counted, not kept.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import structlog

from app.domain.errors import DatabaseUnavailable
from app.services.intake import record_quarantine, record_rejected_association
from app.store.engine import Store
from pacs_bridge.admission import Rejection
from pacs_bridge.listener_events import LoggedEvents
from pacs_bridge.received import AssociationFacts
from pacs_bridge.spool_types import QuarantinedInstance, StoreOutcome

CAPACITY = 10_000
_Record = Callable[[Store], None]


class ListenerAudit(LoggedEvents):
    """Takes the listener's events in its threads; hands them to the database when told to."""

    def __init__(self) -> None:
        self._waiting: deque[_Record] = deque()
        self._lock = threading.Lock()
        self._overflow = 0

    def association_opened(self, association: AssociationFacts) -> None:
        """Log it."""
        _log(association).info("association opened")

    def association_closed(self, association: AssociationFacts) -> None:
        """Log it."""
        _log(association).info("association closed")

    def association_aborted(self, association: AssociationFacts, reason: str) -> None:
        """Log it."""
        _log(association).warning("association aborted", reason=reason)

    def association_rejected(self, association: AssociationFacts, rejection: Rejection) -> None:
        """Log it and note a security event."""
        _log(association).warning("association rejected", reason=rejection.reason)
        self._add_rejection(association, rejection.reason)

    def handshake_refused(self, association: AssociationFacts, reason: str) -> None:
        """Log it and note a security event."""
        _log(association).warning("TLS handshake refused", reason=reason)
        self._add_rejection(association, reason)

    def _add_rejection(self, association: AssociationFacts, reason: str) -> None:
        at = datetime.now(UTC)
        self._add(
            lambda store: record_rejected_association(
                store,
                calling_ae=association.calling_ae,
                called_ae=association.called_ae,
                source=association.source_address,
                reason=reason,
                now=at,
            )
        )

    def instance_stored(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """Say nothing: intake tells what it took, and a line per image would hide the rest."""

    def instance_refused(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """Log it."""
        _log(association).warning(
            "instance refused",
            sop_uid=sop_instance_uid,
            status=f"0x{outcome.status:04X}",
            reason=outcome.reason,
        )

    def instance_quarantined(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """Log it and note it."""
        _log(association).warning("instance quarantined", sop_uid=sop_instance_uid, reason=outcome.reason)
        self._add_quarantine(
            sop_instance_uid, "", outcome.digest, outcome.reason, association.calling_ae, datetime.now(UTC)
        )

    def add_quarantined(self, instances: Iterable[QuarantinedInstance]) -> None:
        """Note what lies in quarantine already; the database takes each once."""
        for instance in instances:
            header = instance.header
            self._add_quarantine(
                header.sop_instance_uid if header else "",
                header.study_uid if header else "",
                instance.digest,
                instance.reason,
                instance.association.calling_ae,
                instance.received_at,
            )

    def write(self, store: Store) -> None:
        """Write what waits, oldest first; what cannot be written stays in its place."""
        while self._waiting:
            try:
                self._waiting[0](store)
            except DatabaseUnavailable:
                raise
            except Exception as error:  # one that can never be written must not hold up those behind it
                structlog.get_logger().error("audit event not written", error=type(error).__name__)
            self._waiting.popleft()
        with self._lock:
            lost, self._overflow = self._overflow, 0
        if lost:
            structlog.get_logger().error("audit events of the listener were not kept", count=lost)

    def _add_quarantine(
        self, sop_uid: str, study_uid: str, sha256: str, reason: str, calling_ae: str, at: datetime
    ) -> None:
        self._add(
            lambda store: record_quarantine(
                store,
                sop_uid=sop_uid,
                study_uid=study_uid,
                sha256=sha256,
                reason=reason,
                calling_ae=calling_ae,
                now=at,
            )
        )

    def _add(self, record: _Record) -> None:
        with self._lock:
            if len(self._waiting) < CAPACITY:
                self._waiting.append(record)
            else:
                self._overflow += 1


def _log(association: AssociationFacts) -> structlog.stdlib.BoundLogger:
    return structlog.get_logger().bind(
        association=association.association_id,
        calling_ae=association.calling_ae,
        address=association.source_address,
    )
