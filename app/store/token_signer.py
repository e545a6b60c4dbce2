"""A private Ed25519 key that never leaves a PKCS#11 token (OASIS PKCS#11 v3.0, CKM_EDDSA).

Needs the extra ``hsm`` (python-pkcs11). A session of a token serves one caller at a time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.domain.errors import ConfigurationError, DatabaseUnavailable
from app.secret_files import read_secret_file

if TYPE_CHECKING:
    from app.key_settings import TokenSettings


class TokenSigner:
    """A key pair on a token, asked for each signature.

    Raises
    ------
    ConfigurationError
        Naming what is missing: the extra, the library, the token, its PIN, or the key.
    """

    def __init__(self, settings: TokenSettings) -> None:
        self._lock = threading.Lock()
        self._name = f"key {settings.key} of the token {settings.token}"
        self._private, self._public = _open(settings)

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The public half."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, 64 bytes (RFC 8032).

        Raises
        ------
        DatabaseUnavailable
            If the token does not answer: nothing was signed, try again.
        """
        from pkcs11 import Mechanism, PKCS11Error

        try:
            with self._lock:
                return bytes(self._private.sign(message, mechanism=Mechanism.EDDSA))
        except PKCS11Error as error:
            raise DatabaseUnavailable(f"the {self._name} does not sign: {type(error).__name__}") from None


def _open(settings: TokenSettings) -> tuple[Any, Ed25519PublicKey]:
    try:
        import pkcs11
        from pkcs11 import Attribute, ObjectClass, PKCS11Error
    except ImportError:
        raise ConfigurationError(
            "a signing token is configured, but python-pkcs11 is not installed: pip install janus-med[hsm]"
        ) from None
    pin = read_secret_file(settings.pin_file, setting="JANUS_MED_SIGNING_TOKEN.pin_file").strip()
    try:
        token = pkcs11.lib(str(settings.module)).get_token(token_label=settings.token)
        session = _log_in(token, pin)
        private = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=settings.key)
        public = session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=settings.key)
        point = bytes(public[Attribute.EC_POINT])
    except (PKCS11Error, RuntimeError) as error:
        raise ConfigurationError(
            f"the key {settings.key} of the token {settings.token} in {settings.module} cannot be used: "
            f"{type(error).__name__} {error}".rstrip()
        ) from None
    return private, _public_of(point, settings)


def _log_in(token: Any, pin: str) -> Any:
    """Open a session; a log-in counts for every session of this process."""
    from pkcs11.exceptions import UserAlreadyLoggedIn

    try:
        return token.open(user_pin=pin)
    except UserAlreadyLoggedIn:
        return token.open()


def _public_of(point: bytes, settings: TokenSettings) -> Ed25519PublicKey:
    """Read CKA_EC_POINT: a DER octet string of the 32 bytes, or the bytes themselves."""
    raw = point[2:] if len(point) == 34 and point[:2] == b"\x04\x20" else point
    if len(raw) != 32:
        raise ConfigurationError(
            f"the key {settings.key} of the token {settings.token} is no Ed25519 key: make one"
        )
    return Ed25519PublicKey.from_public_bytes(raw)
