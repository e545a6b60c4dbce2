"""Is a destination there: C-ECHO for a PACS, a connection for the others, and the files of its settings."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from app.destinations import AnyDestination, DicomDestination, Hl7Destination
from app.domain.errors import PeerUnavailable
from app.workers.peer_settings import client_context, web_peer

_SECONDS = 5.0


def check_destination(destination: AnyDestination, *, calling_ae: str) -> str:
    """Return what was found, in words.

    Raises
    ------
    PeerUnavailable, Rejected, pacs_bridge.errors.BridgeError
        If it is not there, or the settings cannot be used.
    """
    context = client_context(destination)
    if isinstance(destination, DicomDestination):
        from pacs_bridge.destination import Destination, Timeouts
        from pacs_bridge.store_scu import echo

        peer = Destination(destination.ae_title, destination.host, destination.port, tls=context)
        echo(peer, calling_ae=calling_ae, timeouts=Timeouts(*[_SECONDS] * 4))
        return f"{peer} answers C-ECHO to {calling_ae}"
    if isinstance(destination, Hl7Destination):
        _connect(destination.host, destination.port)
    else:
        web_peer(destination)
        parts = urlsplit(destination.url)
        _connect(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    return f"{destination.kind} {destination.address} takes connections"


def _connect(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise PeerUnavailable(f"{host}:{port} cannot be reached: {error.strerror or 'no answer'}") from error
