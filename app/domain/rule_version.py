"""A version of the rules file that was in force."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class RuleVersion:
    """Content of the rules file, and since when and through whom it is in force; empty means no rules."""

    number: int
    sha256: str
    content: bytes
    username: str
    at: datetime


def digest_of(content: bytes) -> str:
    """Return the digest under which a content of the rules file stands in the audit log."""
    return hashlib.sha256(content).hexdigest()


NO_RULES = digest_of(b"")
