"""Counts what the listener's callbacks tell, by calling AE title that may send."""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import UTC, datetime

from app.domain.metrics import known_title
from app.domain.retention import SELF_TEST_TITLE
from app.services.counting import Counts
from pacs_bridge.admission import Rejection
from pacs_bridge.errors import SUCCESS
from pacs_bridge.listener_events import ListenerEvents
from pacs_bridge.received import AssociationFacts
from pacs_bridge.spool_types import Disposition, StoreOutcome


class CountedEvents:
    """The listener's callbacks, counted and passed on; the self-test is passed on alone.

    Parameters
    ----------
    known
        AE titles that may send: the values of the label.
    """

    def __init__(self, inner: ListenerEvents, counts: Counts, known: Collection[str]) -> None:
        self._inner = inner
        self._counts = counts
        self._known = frozenset(known)
        self._open: set[str] = set()
        self._lock = threading.Lock()

    @property
    def open_associations(self) -> int:
        """Associations that are open now."""
        with self._lock:
            return len(self._open)

    def association_opened(self, association: AssociationFacts) -> None:
        """Count an open association, and note that the source was heard."""
        with self._lock:
            self._open.add(association.association_id)
        if association.calling_ae in self._known:
            self._counts.hear(association.calling_ae, datetime.now(UTC))
        self._inner.association_opened(association)

    def association_closed(self, association: AssociationFacts) -> None:
        """Count it as released."""
        self._end(association, "released")
        self._inner.association_closed(association)

    def association_aborted(self, association: AssociationFacts, reason: str) -> None:
        """Count it as aborted."""
        self._end(association, "aborted")
        self._inner.association_aborted(association, reason)

    def association_rejected(self, association: AssociationFacts, rejection: Rejection) -> None:
        """Count it as rejected."""
        self._end(association, "rejected")
        self._inner.association_rejected(association, rejection)

    def handshake_refused(self, association: AssociationFacts, reason: str) -> None:
        """Pass it on: `association_aborted` follows."""
        self._inner.handshake_refused(association, reason)

    def instance_stored(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """Count it as stored, or as a duplicate."""
        self._count(association, outcome)
        self._inner.instance_stored(association, sop_instance_uid, outcome)

    def instance_refused(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """Count it as refused."""
        self._count(association, outcome)
        self._inner.instance_refused(association, sop_instance_uid, outcome)

    def instance_quarantined(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """Count it as quarantined."""
        self._count(association, outcome)
        self._inner.instance_quarantined(association, sop_instance_uid, outcome)

    def _end(self, association: AssociationFacts, outcome: str) -> None:
        with self._lock:
            self._open.discard(association.association_id)
        if association.calling_ae != SELF_TEST_TITLE:
            title = known_title(association.calling_ae, self._known)
            self._counts.add("janus_med_associations", calling_ae=title, outcome=outcome)

    def _count(self, association: AssociationFacts, outcome: StoreOutcome) -> None:
        if association.calling_ae == SELF_TEST_TITLE:
            return
        title = known_title(association.calling_ae, self._known)
        self._counts.add("janus_med_instances", calling_ae=title, outcome=outcome.disposition.value)
        if outcome.status == SUCCESS:
            self._counts.observe("janus_med_ack_seconds", outcome.seconds)
        if outcome.disposition is Disposition.STORED:
            self._counts.add("janus_med_received_bytes", outcome.size, calling_ae=title)
        if outcome.status == SUCCESS and association.calling_ae in self._known:
            self._counts.hear(association.calling_ae, datetime.now(UTC), instance=True)
