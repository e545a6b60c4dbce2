"""The reason that a person gives for an act: one line of text, bounded."""

from __future__ import annotations

from app.domain.errors import Rejected
from app.domain.report import clean_text

LONGEST_REASON = 500


def give_reason(text: str, act: str) -> str:
    """Return the reason for an act.

    Raises
    ------
    Rejected
        If it is empty, too long, or holds control characters.
    """
    reason = clean_text(text)
    if not reason or len(reason) > LONGEST_REASON:
        raise Rejected(f"{act} needs a reason of at most {LONGEST_REASON} characters")
    return reason
