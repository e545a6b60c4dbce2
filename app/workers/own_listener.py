"""Our own listener: its ports, its certificate, and how this machine calls it."""

from __future__ import annotations

from app.addresses import own_address
from app.domain.errors import ConfigurationError
from app.settings import Settings
from app.workers.ports import require_free
from pacs_bridge.destination import Destination
from pacs_bridge.errors import Fatal
from pacs_bridge.tls import TlsFiles


def own_listener(settings: Settings) -> Destination:
    """Return the listener as a peer: by loopback where it listens there, by TLS where it takes nothing else.

    Raises
    ------
    ConfigurationError
        If its certificate cannot be used.
    """
    host = own_address(settings.dicom_host)
    tls = listener_tls(settings)
    if tls is None or not settings.dicom_tls_only:
        return Destination(settings.ae_title, host, settings.dicom_port)
    try:
        context = tls.context_to_itself()
    except Fatal as error:
        raise ConfigurationError(f"JANUS_MED_DICOM_TLS_CERTIFICATE: {error}") from error
    return Destination(settings.ae_title, host, settings.dicom_tls_port or 0, tls=context)


def require_listener_ports(settings: Settings) -> None:
    """Raise `ConfigurationError` when a port of the listener is taken, naming who has it."""
    if not settings.dicom_tls_only:
        require_free(
            settings.dicom_host, settings.dicom_port, setting="JANUS_MED_DICOM_PORT", purpose="DICOM listener"
        )
    if settings.dicom_tls_port is not None:
        require_free(
            settings.dicom_host,
            settings.dicom_tls_port,
            setting="JANUS_MED_DICOM_TLS_PORT",
            purpose="DICOM over TLS",
        )


def listener_tls(settings: Settings) -> TlsFiles | None:
    """Return the files of the TLS port, None without one.

    Raises
    ------
    ConfigurationError
        If the port and its files are not given together.
    """
    files = (settings.dicom_tls_certificate, settings.dicom_tls_key, settings.dicom_tls_authorities)
    if settings.dicom_tls_port is None:
        if settings.dicom_tls_only:
            raise ConfigurationError("JANUS_MED_DICOM_TLS_ONLY needs JANUS_MED_DICOM_TLS_PORT")
        return None
    certificate, key, authorities = files
    if certificate is None or key is None or authorities is None:
        raise ConfigurationError(
            "JANUS_MED_DICOM_TLS_PORT needs JANUS_MED_DICOM_TLS_CERTIFICATE, JANUS_MED_DICOM_TLS_KEY and "
            "JANUS_MED_DICOM_TLS_AUTHORITIES"
        )
    return TlsFiles(certificate, key, authorities)
