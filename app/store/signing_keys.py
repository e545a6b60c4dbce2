"""Keys that seal: Ed25519, kept beside the database and never in it.

A key that was in use once stays trusted through its public half, which lies in ``keys/retired``. Nothing that
the database says makes a key trusted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from app.domain.errors import ConfigurationError

RETIRED = "retired"


class Signer(Protocol):
    """Something that holds a private Ed25519 key: a file, or a hardware token."""

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, 64 bytes (RFC 8032)."""
        ...


@dataclass(frozen=True)
class FileSigner:
    """A private key that was read from a file."""

    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The public half."""
        return self.private_key.public_key()

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, 64 bytes (RFC 8032)."""
        return self.private_key.sign(message)


def file_signer(seed: bytes) -> FileSigner:
    """Return the signer of a seed of 32 bytes."""
    return FileSigner(Ed25519PrivateKey.from_private_bytes(seed))


@dataclass(frozen=True)
class SealingKey:
    """The key that seals now, and all whose seals are trusted.

    Attributes
    ----------
    trusted
        Public keys by their id: our own and the retired ones.
    """

    signer: Signer
    trusted: Mapping[str, Ed25519PublicKey]

    @property
    def key_id(self) -> str:
        """Id of the key that seals now."""
        return key_id_of(self.signer.public_key)

    def seal(self, message: bytes) -> str:
        """Return the seal of a message, in hex."""
        return self.signer.sign(message).hex()

    def fits(self, key_id: str, seal: str, message: bytes) -> bool:
        """Tell whether a seal is one of a trusted key over exactly this message."""
        key = self.trusted.get(key_id)
        if key is None:
            return False
        try:
            key.verify(bytes.fromhex(seal), message)
        except (InvalidSignature, ValueError):
            return False
        return True


def sealing_key(signer: Signer, retired: Mapping[str, Ed25519PublicKey] | None = None) -> SealingKey:
    """Return a signer with every key that is trusted beside it."""
    own = signer.public_key
    return SealingKey(signer, {**(retired or {}), key_id_of(own): own})


def key_id_of(key: Ed25519PublicKey) -> str:
    """Return the id of a public key: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(raw_public(key)).hexdigest()[:16]


def raw_public(key: Ed25519PublicKey) -> bytes:
    """Return a public key as 32 bytes (RFC 8032)."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def public_pem(key: Ed25519PublicKey) -> str:
    """Return a public key as PEM (SubjectPublicKeyInfo, RFC 8410)."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def read_retired(keys_dir: Path) -> Mapping[str, Ed25519PublicKey]:
    """Return the public keys of ``keys/retired``, by their id.

    Raises
    ------
    ConfigurationError
        Naming a file that holds no Ed25519 public key.
    """
    folder = keys_dir / RETIRED
    found = [_read_public(path) for path in sorted(folder.glob("*.pem"))] if folder.is_dir() else []
    return {key_id_of(key): key for key in found}


def _read_public(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{path} holds no Ed25519 public key in PEM: restore it from the backup")
    return key
