"""Seals small secrets with a key of the keys folder: the database, or a browser, alone does not give them."""

from __future__ import annotations

import base64
import binascii
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class Vault:
    """AES-256-GCM under one key; a text that was sealed for one purpose opens for no other.

    Parameters
    ----------
    key
        32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(key, b"janus-med seal", "sha256"))
        self._hash_key = hmac.digest(key, b"janus-med hash", "sha256")

    def seal(self, text: str, purpose: str) -> str:
        """Return the text encrypted and authenticated, in characters that a cookie can hold."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, text.encode(), purpose.encode())
        return base64.urlsafe_b64encode(sealed).decode()

    def unseal(self, sealed: str, purpose: str) -> str | None:
        """Return the text, or None when it was not sealed by us for this purpose."""
        try:
            content = base64.b64decode(sealed.encode("ascii"), altchars=b"-_", validate=True)
            nonce, body = content[:_NONCE_BYTES], content[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, body, purpose.encode()).decode()
        except (UnicodeError, binascii.Error, ValueError, InvalidTag):
            return None

    def hash(self, text: str, purpose: str) -> str:
        """Return a keyed hash (HMAC-SHA-256, hex)."""
        return hmac.new(self._hash_key, f"{purpose}\x1f{text}".encode(), "sha256").hexdigest()
