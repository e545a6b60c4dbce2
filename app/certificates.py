"""Certificates of the settings before a process serves with them: they belong together, and are in force."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from app.domain.errors import ConfigurationError


def require_pair(certificate: Path, key: Path | None, *, setting: str) -> x509.Certificate:
    """Return the certificate of a file, whose key another file (or the same one) holds.

    Raises
    ------
    ConfigurationError
        If a file cannot be read, the key is encrypted, of another certificate, or readable by everybody.
    """
    found = _certificates(certificate, setting)[0]
    key_file = key or certificate
    try:
        private = load_pem_private_key(_read(key_file, setting), password=None)
    except TypeError:
        raise ConfigurationError(f"{setting}: the key in {key_file} is encrypted: store it plain") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{setting}: {key_file} holds no private key (PEM)") from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*form) != found.public_key().public_bytes(*form):
        raise ConfigurationError(
            f"{setting}: the key in {key_file} does not belong to the certificate in {certificate}"
        )
    _require_closed(key_file, setting)
    return found


def require_in_force(certificate: x509.Certificate, file: Path, *, setting: str, now: datetime) -> None:
    """Raise `ConfigurationError` when a certificate has expired or is not valid yet."""
    if now >= certificate.not_valid_after_utc:
        raise ConfigurationError(
            f"{setting}: the certificate in {file} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: "
            "get a new one"
        )
    if now < certificate.not_valid_before_utc:
        raise ConfigurationError(
            f"{setting}: the certificate in {file} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} "
            "on only: is the clock right?"
        )


def require_authorities(file: Path, *, setting: str) -> None:
    """Raise `ConfigurationError` unless a file holds certificates (PEM)."""
    _certificates(file, setting)


def _certificates(file: Path, setting: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(file, setting))
    except ValueError:
        raise ConfigurationError(f"{setting}: {file} holds no certificate (PEM)") from None


def _read(file: Path, setting: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{setting}: {file} cannot be read ({error.strerror})") from None


def _require_closed(key_file: Path, setting: str) -> None:
    """A group may read a key (``ssl-cert`` of Debian); everybody may not, and nobody else may change it."""
    mode = stat.S_IMODE(os.stat(key_file).st_mode)
    if mode & 0o027:
        raise ConfigurationError(
            f"{setting}: every account can read the key in {key_file}, or another one change it (mode "
            f"{mode:o}): chmod g-w,o= it"
        )
