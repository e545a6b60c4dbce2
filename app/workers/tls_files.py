"""TLS contexts from the PEM files of a setting: TLS 1.2 at least, and both sides may prove who they are."""

from __future__ import annotations

import ssl

from app.domain.errors import ConfigurationError
from app.neighbours import TlsFiles


def client_context(files: TlsFiles | None, *, setting: str) -> ssl.SSLContext | None:
    """Return how we call a peer; None for plain connections.

    Raises
    ------
    ConfigurationError
        Naming the setting.
    """
    if files is None:
        return None
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files, setting)


def server_context(files: TlsFiles | None, *, setting: str) -> ssl.SSLContext | None:
    """Return how peers call us, with a certificate of theirs; None for plain connections.

    Raises
    ------
    ConfigurationError
        Naming the setting.
    """
    if files is None:
        return None
    if files.certificate is None:
        raise ConfigurationError(f"{setting} names no certificate: a TLS server needs one")
    context = _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), files, setting)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _loaded(context: ssl.SSLContext, files: TlsFiles, setting: str) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(files.ca)
        if files.certificate is not None:
            context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{setting}: a certificate or key cannot be read ({error})") from None
    return context
