"""What the listener tells to whoever audits, counts or alerts."""

from __future__ import annotations

import logging
from typing import Protocol

from pacs_bridge.admission import Rejection
from pacs_bridge.errors import BridgeError
from pacs_bridge.received import AssociationFacts
from pacs_bridge.spool_types import StoreOutcome

LOGGER = logging.getLogger(__name__)


class ListenerEvents(Protocol):
    """Callbacks of the listener, called in its threads; they must return at once.

    An error in a callback is logged and changes nothing for the peer.
    """

    def association_opened(self, association: AssociationFacts) -> None:
        """An association was accepted."""

    def association_rejected(self, association: AssociationFacts, rejection: Rejection) -> None:
        """An association was rejected: a Security Alert, unless only the cap was reached (PS3.15 A.5.3)."""

    def handshake_refused(self, association: AssociationFacts, reason: str) -> None:
        """A connection got no TLS session: a Security Alert. `association_aborted` follows."""

    def association_aborted(self, association: AssociationFacts, reason: str) -> None:
        """An association, or a connection before it, ended by abort, loss, silence or a limit."""

    def association_closed(self, association: AssociationFacts) -> None:
        """An association was released by its peer."""

    def instance_stored(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """An instance was acknowledged with 0x0000 (`outcome.disposition`: stored or duplicate)."""

    def instance_refused(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """An instance was answered with an error and is not here."""

    def instance_quarantined(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """An instance was answered with an error and a copy was set aside: an alert."""


class LoggedEvents:
    """Write each event to the log, keys only; the base for handlers that do more.

    AE titles and addresses name devices, not patients; SOP Instance UIDs stay out.
    """

    def association_opened(self, association: AssociationFacts) -> None:
        """Log at level info."""
        LOGGER.info("association_opened", extra=_keys(association))

    def association_rejected(self, association: AssociationFacts, rejection: Rejection) -> None:
        """Log at level warning."""
        LOGGER.warning("association_rejected", extra=_keys(association) | {"reason": rejection.reason})

    def handshake_refused(self, association: AssociationFacts, reason: str) -> None:
        """Log at level warning."""
        LOGGER.warning("handshake_refused", extra=_keys(association) | {"reason": reason})

    def association_aborted(self, association: AssociationFacts, reason: str) -> None:
        """Log at level warning."""
        LOGGER.warning("association_aborted", extra=_keys(association) | {"reason": reason})

    def association_closed(self, association: AssociationFacts) -> None:
        """Log at level info."""
        LOGGER.info("association_closed", extra=_keys(association))

    def instance_stored(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """Log at level debug."""
        del sop_instance_uid
        LOGGER.debug("instance_stored", extra=_keys(association) | {"disposition": outcome.disposition.value})

    def instance_refused(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """Log at level warning."""
        del sop_instance_uid
        LOGGER.warning("instance_refused", extra=_keys(association) | _answer(outcome))

    def instance_quarantined(
        self, association: AssociationFacts, sop_instance_uid: str, outcome: StoreOutcome
    ) -> None:
        """Log at level warning."""
        del sop_instance_uid
        LOGGER.warning("instance_quarantined", extra=_keys(association) | _answer(outcome))


class SafeEvents:
    """Call the callbacks of others so that none of their errors reaches an association.

    Parameters
    ----------
    events
        The callbacks.
    """

    def __init__(self, events: ListenerEvents) -> None:
        self._events = events

    def tell(self, name: str, *arguments: object) -> None:
        """Call one callback by its name."""
        try:
            getattr(self._events, name)(*arguments)
        except Exception as error:  # the callbacks are not ours
            kind = "bridge" if isinstance(error, BridgeError) else "other"
            LOGGER.exception("listener_event_failed", extra={"event": name, "kind": kind})


def _keys(association: AssociationFacts) -> dict[str, str]:
    return {
        "association": association.association_id,
        "calling_ae": association.calling_ae,
        "source_address": association.source_address,
    }


def _answer(outcome: StoreOutcome) -> dict[str, str]:
    return {"status": f"0x{outcome.status:04X}", "reason": outcome.reason}
