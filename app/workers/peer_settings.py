"""A destination of the settings as the peer of a client: TLS and tokens, read anew for every delivery."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from app.destinations import AnyDestination, DicomDestination, DicomwebDestination, FhirDestination
from app.domain.errors import ConfigurationError, Rejected
from app.secret_files import read_secret_file
from app.workers.tls_files import open_client_context

if TYPE_CHECKING:
    from pacs_bridge.destination import Destination
    from pacs_bridge.web_client import WebPeer


def client_context(destination: AnyDestination) -> ssl.SSLContext | None:
    """Return how to speak TLS to a destination; None when the settings ask for none.

    Raises
    ------
    Rejected
        If a file of the settings cannot be used.
    """
    wanted = destination.tls
    if wanted is None:
        return None
    try:
        return open_client_context(wanted.ca_file, wanted.certificate_file, wanted.key_file)
    except (OSError, ValueError) as error:
        raise Rejected(
            f"the TLS files of the destination {destination.name} cannot be used: {error}"
        ) from error


def dicom_peer(destination: AnyDestination) -> Destination:
    """Return a DICOM destination as the peer of an SCU.

    Raises
    ------
    Rejected
        If it is none, or its TLS files cannot be used.
    """
    from pacs_bridge.destination import Destination

    if not isinstance(destination, DicomDestination):
        raise Rejected(f"the destination {destination.name} is not reached by DICOM")
    return Destination(
        destination.ae_title, destination.host, destination.port, tls=client_context(destination)
    )


def web_peer(destination: FhirDestination | DicomwebDestination) -> WebPeer:
    """Return a web destination with its token.

    Raises
    ------
    Rejected
        If the token file cannot be read, or holds no single word.
    """
    from pacs_bridge.web_client import WebPeer

    return WebPeer(destination.url, _token_of(destination), client_context(destination))


def _token_of(destination: FhirDestination | DicomwebDestination) -> str:
    if destination.token_file is None:
        return ""
    try:
        token = read_secret_file(destination.token_file, setting=f"the token file of {destination.name}")
    except ConfigurationError as error:
        raise Rejected(str(error)) from error
    if not token or any(character.isspace() for character in token):
        raise Rejected(f"the token file of {destination.name} does not hold one token")
    return token
