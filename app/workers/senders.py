"""One sender for each kind of destination, behind one call: build what was asked for and send it.

A sender returns when the receiver has acknowledged. It raises the errors of `pacs_bridge`: `Retriable` when
the same message may be sent again, `Rejected` when a person has to look at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.destinations import AnyDestination
from app.domain.delivery import DeliveryOrder
from app.domain.errors import Rejected
from app.services.decoder import DecoderProcess
from app.services.destinations import find_destination
from app.settings import Settings
from app.store.document_key import DocumentKey
from app.workers.attempts import describe
from app.workers.bridge_errors import as_domain_errors
from app.workers.send_messages import send_fhir, send_hl7
from app.workers.send_objects import send_dicom, send_dicomweb


@dataclass(frozen=True)
class Site:
    """What senders know of this installation.

    Attributes
    ----------
    decoder
        Decodes pixels for the pictures that leave, under limits, in a process of its own.
    document_key
        Signs the PDF of reports; None leaves it without a signature.
    """

    settings: Settings
    decoder: DecoderProcess
    document_key: DocumentKey | None = None

    def object_of(self, sha256: str) -> Path:
        """Return where the spool keeps the object with this digest."""
        return self.settings.spool_dir / "objects" / sha256[:2] / f"{sha256}.dcm"


class Sender(Protocol):
    """Builds and sends one delivery to a destination of its kind."""

    def __call__(self, order: DeliveryOrder, destination: AnyDestination, site: Site) -> int:
        """Return when the receiver has acknowledged: of how many objects or messages."""


SENDERS: Mapping[str, Sender] = {
    "dicom": send_dicom,
    "dicomweb": send_dicomweb,
    "hl7": send_hl7,
    "fhir": send_fhir,
}


def send_order(order: DeliveryOrder, site: Site) -> int:
    """Send a delivery to the destination that it names, and return how many objects it became.

    Raises
    ------
    PeerUnavailable
        It may succeed later.
    Rejected
        The destination is not configured or refuses it for good, or it cannot be built.
    """
    destination = find_destination(order.delivery.destination, site.settings.destinations)
    try:
        with as_domain_errors():
            return SENDERS[destination.kind](order, destination, site)
    except ValueError as error:
        raise Rejected(describe(error)) from error
