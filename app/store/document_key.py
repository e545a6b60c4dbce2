"""Key and certificate that sign documents: read from files, and refused when nobody could rely on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, ExtensionNotFound, KeyUsage, load_pem_x509_certificates

from app.domain.errors import ConfigurationError
from app.secret_files import read_secret_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

    from app.document_settings import DocumentSignature

DocumentPrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
_CURVES = frozenset({"secp256r1", "secp384r1"})
_SHORTEST_RSA = 2048
_SETTING = "JANUS_MED_DOCUMENT_SIGNATURE"


@dataclass(frozen=True)
class DocumentKey:
    """What signs documents.

    Attributes
    ----------
    certificates
        The certificate of the key first, then those above it.
    """

    private_key: DocumentPrivateKey = field(repr=False)
    certificates: tuple[Certificate, ...]

    @property
    def ends_at(self) -> datetime:
        """When the certificate ends."""
        return self.certificates[0].not_valid_after_utc

    def require_valid(self, *, now: datetime) -> None:
        """Raise `ConfigurationError` before the certificate begins and after it has ended."""
        own = self.certificates[0]
        if now > own.not_valid_after_utc:
            raise ConfigurationError(
                f"the certificate for documents has expired on {own.not_valid_after_utc:%Y-%m-%d}: put the "
                f"new one into the place of {_SETTING} and start again"
            )
        if now < own.not_valid_before_utc:
            raise ConfigurationError(
                f"the certificate for documents is valid from {own.not_valid_before_utc:%Y-%m-%d %H:%M} UTC "
                "on, not yet: wait, or use the one before it"
            )


def read_document_key(settings: DocumentSignature | None, *, now: datetime) -> DocumentKey | None:
    """Read key and certificate; None without the setting.

    Raises
    ------
    ConfigurationError
        If a file is missing, damaged, or can be read by another account; if the key is of another kind or
        does not belong to the first certificate; if that one does not count now or is not for signatures.
    """
    if settings is None:
        return None
    certificates = _read_certificates(settings.certificate_file)
    private_key = _require_kind(_read_private(settings), settings.key_file)
    if _raw(private_key.public_key()) != _raw(certificates[0].public_key()):
        raise ConfigurationError(
            f"the key {settings.key_file} does not belong to the first certificate of "
            f"{settings.certificate_file}: put the institution's own certificate first"
        )
    _require_usage(certificates[0], settings.certificate_file)
    key = DocumentKey(private_key, certificates)
    key.require_valid(now=now.astimezone(UTC))
    return key


def _read_certificates(path: Path) -> tuple[Certificate, ...]:
    try:
        return tuple(load_pem_x509_certificates(_read(path)))
    except ValueError:
        raise ConfigurationError(f"{path} holds no certificates in PEM") from None


def _read_private(settings: DocumentSignature) -> PrivateKeyTypes:
    path, password = settings.key_file, None
    if settings.password_file is not None:
        password = _secret(settings.password_file, "password_file")
    pem = _secret(path, "key_file")
    try:
        return load_pem_private_key(pem, password)
    except TypeError:
        wrong = "has a password: name password_file"
        if password is not None:
            wrong = "has no password: leave password_file out"
        raise ConfigurationError(f"the key {path} {wrong}") from None
    except (ValueError, UnsupportedAlgorithm):
        reason = "holds no private key in PEM" + (", or the password is wrong" if password else "")
        raise ConfigurationError(f"{path} {reason}") from None


def _require_kind(key: PrivateKeyTypes, path: Path) -> DocumentPrivateKey:
    match key:
        case RSAPrivateKey() if key.key_size >= _SHORTEST_RSA:
            return key
        case EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            return key
        case Ed25519PrivateKey():
            return key
    raise ConfigurationError(
        f"the key {path} cannot sign documents: take RSA of {_SHORTEST_RSA} bits or more, ECDSA on P-256 or "
        "P-384, or Ed25519"
    )


def _require_usage(certificate: Certificate, path: Path) -> None:
    """Check that the certificate is for signatures (RFC 5280, 4.2.1.3)."""
    try:
        usage = certificate.extensions.get_extension_for_class(KeyUsage).value
    except (ExtensionNotFound, ValueError):
        usage = None
    if usage is None or not (usage.digital_signature or usage.content_commitment):
        raise ConfigurationError(
            f"the certificate {path} is not for signing documents: its key usage has neither "
            "digitalSignature nor nonRepudiation"
        )


def _secret(path: Path, name: str) -> bytes:
    return read_secret_file(path, setting=f"{_SETTING}, {name}").encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{_SETTING}, certificate_file: {path} cannot be read ({error.strerror})"
        ) from None


def _raw(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
