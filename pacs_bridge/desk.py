"""What is decided once for all receiving processes: admission, open studies, services, and who is told."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

from pacs_bridge.admission import Admission, Rejection
from pacs_bridge.dimse_service import NormalizedRequest, NormalizedService
from pacs_bridge.errors import OUT_OF_RESOURCES, PROCESSING_FAILURE, SOP_CLASS_NOT_SUPPORTED, Rejected
from pacs_bridge.listener_config import ListenerConfig
from pacs_bridge.listener_events import ListenerEvents, SafeEvents
from pacs_bridge.open_studies import OpenStudies
from pacs_bridge.received import AssociationFacts

LOGGER = logging.getLogger(__name__)


class Desk(Protocol):
    """Where an association asks and reports; its methods may be called in any thread."""

    def admit(self, facts: AssociationFacts) -> Rejection | None:
        """Return why an association is rejected, or None and count it as open."""

    def vacate(self, association_id: str) -> None:
        """Free the place of an association that may still be closing. Safe to repeat."""

    def carry(self, association_id: str, study_uid: str) -> None:
        """Note a study before the first instance of it that an association carries is stored."""

    def leave(self, association_id: str) -> None:
        """Forget an association whose last request is done. Safe to repeat."""

    def tell(self, name: str, *arguments: object) -> None:
        """Call one method of `ListenerEvents`."""

    def answer(self, request: NormalizedRequest) -> int:
        """Let the service of its SOP class answer a normalized request; return the status."""


class FrontDesk:
    """The desk itself.

    Parameters
    ----------
    config
        Whom to admit, and how many.
    events
        Who is told.
    services
        Answer normalized requests, by their SOP class.
    """

    def __init__(
        self, config: ListenerConfig, events: ListenerEvents, services: Iterable[NormalizedService]
    ) -> None:
        self.admission = Admission(
            config.called_titles,
            config.peers,
            config.maximum_associations,
            config.maximum_per_source or config.maximum_associations,
        )
        self.studies = OpenStudies()
        self._events = SafeEvents(events)
        self._services = {service.sop_class_uid: service for service in services}

    @property
    def service_classes(self) -> tuple[str, ...]:
        """SOP classes of the services."""
        return tuple(self._services)

    def admit(self, facts: AssociationFacts) -> Rejection | None:
        """Decide, and tell of a rejection."""
        rejection = self.admission.decide(facts)
        if rejection is not None:
            self.tell("association_rejected", facts, rejection)
        return rejection

    def vacate(self, association_id: str) -> None:
        """Free the place."""
        self.admission.release(association_id)

    def carry(self, association_id: str, study_uid: str) -> None:
        """Note the study."""
        self.studies.carry(association_id, study_uid)

    def leave(self, association_id: str) -> None:
        """Forget the association and what it carried."""
        self.admission.release(association_id)
        self.studies.close(association_id)

    def tell(self, name: str, *arguments: object) -> None:
        """Call the callback; its errors are logged."""
        self._events.tell(name, *arguments)

    def answer(self, request: NormalizedRequest) -> int:
        """Return the status of the service, a failure when it has none or cannot."""
        service = self._services.get(request.sop_class_uid)
        if service is None:
            return SOP_CLASS_NOT_SUPPORTED
        try:
            return service.answer(request)
        except Rejected as refusal:
            return PROCESSING_FAILURE if refusal.status == OUT_OF_RESOURCES else refusal.status
        except Exception:  # the service is not ours; the peer must hear of it and try again
            LOGGER.exception("service_failed", extra={"command": request.command.value})
            return PROCESSING_FAILURE
