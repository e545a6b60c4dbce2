"""A hospital's public key infrastructure for tests: a root, one authority, certificates for documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from app.document_settings import DocumentSignature

KINDS = ("rsa", "p256", "p384", "ed25519")
_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)


@cache
def private_key(kind: str, number: int = 0) -> Any:
    """One key of a kind; another number is another key."""
    makers = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }
    return makers[kind]()


@dataclass(frozen=True)
class Issued:
    """A certificate with its chain; the root is not in it."""

    private_key: Any
    chain: tuple[x509.Certificate, ...]

    def write(self, folder: Path, *, password: str = "") -> DocumentSignature:
        """Write the files that the setting names."""
        certificate, key, secret = folder / "documents.pem", folder / "documents.key", folder / "password"
        certificate.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in self.chain))
        sealed = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        key.write_bytes(self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
        secret.write_text(password + "\n")
        for path in (key, secret):
            path.chmod(0o600)
        return DocumentSignature(
            certificate_file=certificate, key_file=key, password_file=secret if password else None
        )


def root() -> x509.Certificate:
    """The certificate that validators trust."""
    key = private_key("p256", 1)
    return _build("Root", key.public_key(), "Root", key, is_authority=True)


def issue(
    kind: str = "rsa",
    *,
    begin: datetime = _BEGIN,
    days: int = 36_500,
    usage: tuple[str, ...] | None = ("digital_signature", "content_commitment"),
) -> Issued:
    """Issue a certificate for documents by an authority below the root."""
    above, key = private_key("p256", 2), private_key(kind)
    authority = _build("Authority", above.public_key(), "Root", private_key("p256", 1), is_authority=True)
    own = _build(
        "General Hospital", key.public_key(), "Authority", above, begin=begin, days=days, usage=usage
    )
    return Issued(key, (own, authority))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _build(
    subject: str,
    public_key: Any,
    issuer: str,
    by: Any,
    *,
    is_authority: bool = False,
    begin: datetime = _BEGIN,
    days: int = 36_500,
    usage: tuple[str, ...] | None = ("key_cert_sign", "crl_sign"),
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if usage is not None:
        names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
        more = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
        wanted = {name: name in usage for name in (*names, *more)}
        builder = builder.add_extension(x509.KeyUsage(**wanted), critical=True)
    return builder.sign(by, hashes.SHA256())
