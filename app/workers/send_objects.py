"""Senders of DICOM objects: C-STORE and STOW-RS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.destinations import AnyDestination, DicomwebDestination
from app.domain.delivery import DeliveryOrder
from app.workers.peer_settings import dicom_peer, web_peer
from app.workers.result_objects import build_objects

if TYPE_CHECKING:
    from app.workers.senders import Site


def send_dicom(order: DeliveryOrder, destination: AnyDestination, site: Site) -> int:
    """Store the objects at a PACS and return their number; a resend has the same SOP Instance UIDs."""
    from pacs_bridge.destination import Timeouts
    from pacs_bridge.store_scu import send_instances

    objects = build_objects(order, site)
    send_instances(
        objects,
        dicom_peer(destination),
        calling_ae=site.settings.ae_title,
        timeouts=Timeouts(connection=5.0, acse=10.0, dimse=30.0, network=45.0),
        # a deliverer that was killed may have sent it: the UID is this signature's own
        sent_before=True,
    )
    return len(objects)


def send_dicomweb(order: DeliveryOrder, destination: AnyDestination, site: Site) -> int:
    """Store the objects at a web server and return their number; those that it has are a success."""
    from pacs_bridge.stow_client import store_instances

    assert isinstance(destination, DicomwebDestination)
    objects = build_objects(order, site)
    store_instances(objects, web_peer(destination))
    return len(objects)
