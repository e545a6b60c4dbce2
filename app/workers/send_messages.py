"""Senders of messages: HL7 over MLLP, FHIR over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.destinations import FHIR_FORMAT, HL7_FORMAT, AnyDestination, FhirDestination, Hl7Destination
from app.domain.delivery import DeliveryOrder
from app.domain.errors import Rejected
from app.workers.peer_settings import client_context, web_peer
from app.workers.report_document import report_message

if TYPE_CHECKING:
    from app.workers.senders import Site


def send_hl7(order: DeliveryOrder, destination: AnyDestination, site: Site) -> int:
    """Send an ORU^R01 and wait for its AA; a resend has the same MSH-10. Return 1."""
    from pacs_bridge.hl7_report import Hl7Header, build_oru, control_id
    from pacs_bridge.mllp_client import MllpPeer, send_message

    assert isinstance(destination, Hl7Destination)
    require_format(order, HL7_FORMAT)
    header = Hl7Header(
        destination.sending_application,
        destination.sending_facility,
        destination.receiving_application,
        destination.receiving_facility,
    )
    message = report_message(order, site.settings.institution, site.object_of(order.source.sha256))
    peer = MllpPeer(destination.host, destination.port, client_context(destination))
    send_message(build_oru(message, header), control_id(message.message_uid), peer)
    return 1


def send_fhir(order: DeliveryOrder, destination: AnyDestination, site: Site) -> int:
    """Send a transaction; a resend finds its resources by their identifiers. Return 1."""
    from pacs_bridge.fhir_client import send_bundle
    from pacs_bridge.fhir_report import build_bundle

    assert isinstance(destination, FhirDestination)
    require_format(order, FHIR_FORMAT)
    message = report_message(order, site.settings.institution, site.object_of(order.source.sha256))
    bundle = build_bundle(message, patient_system=destination.patient_identifier_system)
    send_bundle(bundle, web_peer(destination))
    return 1


def require_format(order: DeliveryOrder, *formats: str) -> None:
    """Raise `Rejected` when the destination's kind has no such format."""
    if order.delivery.kind not in formats:
        raise Rejected(f"{order.delivery.destination} takes no {order.delivery.kind}: its kind has changed")
