"""Passwords are hashed with argon2id (RFC 9106, the library's parameters), in one spelling."""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.domain.account import LONGEST_PASSWORD, User


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with a salt of its own."""
    return PasswordHasher().hash(_normalised(password))


def password_matches(user: User | None, password: str) -> bool:
    """Compare a password with an account's; without one to compare with, take as long and say no."""
    if user is None or not user.password_hash:
        hash_password(password)
        return False
    try:
        return PasswordHasher().verify(user.password_hash, _normalised(password))
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Tell whether a hash was made with weaker parameters than today's."""
    return PasswordHasher().check_needs_rehash(password_hash)


def _normalised(password: str) -> str:
    """Return one spelling for the same characters, whatever keyboard made them (NIST SP 800-63B)."""
    bounded = password[: LONGEST_PASSWORD + 1].encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFKC", bounded)
