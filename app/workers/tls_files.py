"""TLS contexts from the PEM files of a setting: TLS 1.2 at least, and both sides may prove who they are."""

from __future__ import annotations

import ssl
from pathlib import Path

from app.domain.errors import ConfigurationError
from app.neighbours import TlsFiles
from pacs_bridge.tls import refuse_password


def open_client_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return how we call a peer whose name is checked; without `ca` the system's authorities are trusted.

    Raises
    ------
    OSError, ValueError
        If a file cannot be used (`ssl.SSLError` is an `OSError`), or the key needs a password.
    """
    context = ssl.create_default_context(cafile=ca)
    _complete(context, certificate, key)
    return context


def client_context(files: TlsFiles | None, *, setting: str) -> ssl.SSLContext | None:
    """Return how we call a peer; None for plain connections.

    Raises
    ------
    ConfigurationError
        Naming the setting.
    """
    if files is None:
        return None
    try:
        return open_client_context(files.ca_file, files.certificate_file, files.key_file)
    except (OSError, ValueError) as error:
        raise _unreadable(setting, error) from None


def server_context(files: TlsFiles | None, *, setting: str) -> ssl.SSLContext | None:
    """Return how peers call us, with a certificate of theirs; None for plain connections.

    Raises
    ------
    ConfigurationError
        Naming the setting.
    """
    if files is None:
        return None
    if files.certificate_file is None:
        raise ConfigurationError(f"{setting} names no certificate: a TLS server needs one")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(files.ca_file)
        _complete(context, files.certificate_file, files.key_file)
    except (OSError, ValueError) as error:
        raise _unreadable(setting, error) from None
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _complete(context: ssl.SSLContext, certificate: Path | None, key: Path | None) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, key, password=refuse_password)


def _unreadable(setting: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{setting}: a certificate or key cannot be read ({error})")
