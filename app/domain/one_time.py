"""One-time passwords (RFC 6238: SHA-1, six digits, 30 s), and recovery codes for who has lost the device."""

from __future__ import annotations

import hmac
import re
import secrets
from datetime import datetime

import pyotp

DIGITS = 6
SECONDS_PER_STEP = 30
RECOVERY_CODES = 10

# without l, o, 0, 1: they are written down and typed again
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_WITH_CODE = re.compile(rf"(?P<password>.*)(?P<code>[0-9]{{{DIGITS}}})", re.DOTALL)


def make_secret() -> str:
    """Return a new secret: 160 random bits (RFC 4226 4, R6), base32."""
    return pyotp.random_base32(32)


def make_recovery_codes() -> tuple[str, ...]:
    """Return new recovery codes, 60 random bits each."""

    def group() -> str:
        return "".join(secrets.choice(_ALPHABET) for _ in range(4))

    return tuple(f"{group()}-{group()}-{group()}" for _ in range(RECOVERY_CODES))


def normalise_code(text: str) -> str:
    """Return what was typed without spaces, in small letters."""
    return "".join(text.split()).lower()


def is_recovery_code(text: str) -> bool:
    """Tell whether `text` has the form of a recovery code, not of a one-time password."""
    return not text.isdigit() and len(text.replace("-", "")) == 12


def address_of(secret: str, *, username: str, place: str) -> str:
    """Return the otpauth address that an authenticator reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=place)


def matching_step(secret: str, code: str, *, now: datetime) -> int | None:
    """Return the time step that a code belongs to, of the present one and its neighbours; None for none.

    Clocks of telephones are not exact: one step of 30 s earlier and later is taken (RFC 6238 5.2).
    """
    generator = pyotp.TOTP(secret, digits=DIGITS, interval=SECONDS_PER_STEP)
    present = int(now.timestamp()) // SECONDS_PER_STEP
    found = None
    for step in (present - 1, present, present + 1):
        # all three are compared: the time tells nothing about which one matched
        if hmac.compare_digest(generator.generate_otp(step).encode(), code.encode("utf-8", "replace")):
            found = step
    return found


def split_code(text: str) -> tuple[str, str]:
    """Return password and code of a text in which the code follows the password; ("...", "") without one."""
    match = _WITH_CODE.fullmatch(text)
    return (match["password"], match["code"]) if match else (text, "")
