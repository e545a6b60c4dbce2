"""The institution's signature in the PDF of a report: PAdES B-B (EN 319 142-1), the same bytes each time.

A report may be sent twice, and the second time it must be the same object. So nothing here is left to chance
or to the clock: RSA signs with PKCS #1 v1.5, ECDSA with the nonce of RFC 6979, Ed25519 as it always does; the
second half of the document's ID is a digest, and the time is the caller's.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from asn1crypto import keys, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import Certificate
from pyhanko.pdf_utils.generic import ArrayObject, ByteStringObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

FIELD = "InstitutionSignature"
AnyPrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


@dataclass(frozen=True)
class SigningIdentity:
    """Who signs.

    Attributes
    ----------
    private_key
        RSA, ECDSA on P-256 or P-384, or Ed25519.
    certificates
        The certificate of the key first, then those above it.
    """

    private_key: AnyPrivateKey = field(repr=False)
    certificates: tuple[Certificate, ...]

    def signing_time(self, at: datetime) -> datetime:
        """Return `at`, or when the certificate begins if that is later: before that it signs nothing."""
        return max(at.astimezone(UTC).replace(microsecond=0), self.certificates[0].not_valid_before_utc)


def sign_pdf(pdf: bytes, identity: SigningIdentity, *, at: datetime, reason: str) -> bytes:
    """Return the PDF with a certification signature that permits no later change (ISO 32000-2, 12.8.2.2).

    Parameters
    ----------
    pdf
        Stays as it is; the signature follows it as an incremental update, without a mark on the page.
    at
        The time that the signature claims (aware); see `SigningIdentity.signing_time`.
    reason
        For people, as viewers show it.

    Returns
    -------
    bytes
        The same for the same arguments.
    """
    at = identity.signing_time(at)
    metadata = PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha512" if isinstance(identity.private_key, Ed25519PrivateKey) else "sha256",
        reason=reason,
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
        tight_size_estimates=True,
    )
    writer = _RepeatableWriter(io.BytesIO(pdf))
    signer = _RepeatablePdfSigner(metadata, _signer(identity))
    signer.at = at
    signed: io.BytesIO = signer.sign_pdf(writer)
    return signed.getvalue()


class _RepeatableWriter(IncrementalPdfFileWriter):
    """An update whose half of the document's ID (ISO 32000-2, 14.4) is made of what it updates.

    What the document says of itself (title, dates, producer) stays the report's.
    """

    @classmethod
    def _handle_id(cls, prev: Any) -> ArrayObject:
        first = prev.trailer["/ID"][0]
        prev.stream.seek(0)
        digest = hashlib.sha256(b"signed\0" + prev.stream.read()).digest()
        return ArrayObject([ByteStringObject(first.original_bytes), ByteStringObject(digest[:16])])

    def _update_meta(self) -> None:
        """Leave the clock out."""


class _RepeatablePdfSigner(PdfSigner):
    """Signs at the time it is told."""

    at: datetime

    def init_signing_session(self, *args: Any, **named: Any) -> Any:
        """Begin with the time that was given instead of the clock's."""
        session = super().init_signing_session(*args, **named)
        session.system_time = self.at
        return session


class _RepeatableSigner(SimpleSigner):
    """Signs the same bytes with the same signature, whatever the key."""

    private_key: AnyPrivateKey

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """Return the raw signature; of ECDSA, whose length varies, a dry run has the longest."""
        key = self.private_key
        if not isinstance(key, EllipticCurvePrivateKey):
            return self.sign_raw(data, digest_algorithm)
        if dry_run:
            return bytes(2 * ((key.key_size + 7) // 8 + 3) + 2)
        return key.sign(data, ECDSA(hashes.SHA256(), deterministic_signing=True))


def _signer(identity: SigningIdentity) -> _RepeatableSigner:
    own, *above = (
        x509.Certificate.load(certificate.public_bytes(Encoding.DER)) for certificate in identity.certificates
    )
    registry = SimpleCertificateStore()
    registry.register_multiple(above)
    der = identity.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = _RepeatableSigner(
        signing_cert=own, signing_key=keys.PrivateKeyInfo.load(der), cert_registry=registry
    )
    signer.private_key = identity.private_key
    return signer
