"""The signing act and its record: who, when, what it means, and the digest of exactly the text shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import rfc8785

from app.domain.errors import ReportIncomplete
from app.domain.report import Report, ReportState, compose_report


class Meaning(StrEnum):
    """What a signature says (21 CFR 11.50)."""

    PRELIMINARY = "preliminary reading, needs attestation by an attending"
    FINAL = "final report, reviewed and approved"
    ADDENDUM = "addendum to a final report, reviewed and approved"
    CORRECTION = "correction of a final report, replaces its earlier text, reviewed and approved"
    WITHDRAWN = "withdrawn: the report must not be used"


SEAL_PURPOSE = "janus-med attestation 1"
_FACTS = ("report_id", "version", "signed_by", "printed_name", "meaning", "signed_at")
STATE_OF_MEANING: Mapping[Meaning, ReportState] = {
    Meaning.PRELIMINARY: ReportState.PRELIMINARY,
    Meaning.FINAL: ReportState.SIGNED,
    Meaning.ADDENDUM: ReportState.ADDENDED,
    Meaning.CORRECTION: ReportState.CORRECTED,
    Meaning.WITHDRAWN: ReportState.WITHDRAWN,
}


@dataclass(frozen=True)
class Attestation:
    """The record of one signature.

    Attributes
    ----------
    text
        The canonical JSON (RFC 8785) that was signed; empty once it was erased.
    sha256
        Hex digest of `text` in UTF-8.
    key_id, seal
        Which key of this installation sealed the signature, and the seal (Ed25519, RFC 8032) in hex; empty
        for a signature from before there were seals.
    is_sealed
        Whether the seal fits the signature and its key is one that this installation trusts; the store says
        so, which has the keys.
    """

    attestation_id: int
    report_id: int
    report_version: int
    username: str
    printed_name: str
    role: str
    meaning: Meaning
    signed_at: datetime
    text: str
    sha256: str
    key_id: str = ""
    seal: str = ""
    is_sealed: bool = False

    def verifies(self) -> bool:
        """Tell whether text, facts and seal belong together."""
        return not self.problem

    @property
    def is_erased(self) -> bool:
        """Whether the text went with its patient; a seal, where there ever was one, still has to fit."""
        return not self.text and (self.is_sealed or not self.seal)

    @property
    def problem(self) -> str:
        """What does not hold, in words for whoever relies on the signature; empty when all does."""
        if not self.seal:
            return "it has no seal"
        if not self.is_sealed:
            return "its seal does not fit, or is of a key that is not trusted here"
        if not self.text:
            return "its text was erased; who signed which digest, and when, is sealed"
        if digest_of(self.text) != self.sha256:
            return "its digest does not belong to the text"
        return "" if _says_the_same(self) else "its text names other facts than the record"


def sealed_bytes(signature: Attestation) -> bytes:
    """Return what a seal covers (RFC 8785): the facts of a signature and the digest of its text.

    The text itself is not in it: it can be erased lawfully, and the seal still says who signed which digest.
    """
    body: dict[str, Any] = {
        "purpose": SEAL_PURPOSE,
        "report_id": signature.report_id,
        "report_version": signature.report_version,
        "username": signature.username,
        "printed_name": signature.printed_name,
        "role": signature.role,
        "meaning": signature.meaning.value,
        "signed_at": signature.signed_at.astimezone(UTC).isoformat(),
        "sha256": signature.sha256,
    }
    return rfc8785.dumps(body)


def _says_the_same(signature: Attestation) -> bool:
    """Tell whether the text names the report, version, person, meaning and time of its record."""
    try:
        said = json.loads(signature.text)
        named = {name: said[name] for name in _FACTS}
    except (ValueError, KeyError, TypeError):
        return False
    return named == {
        "report_id": signature.report_id,
        "version": signature.report_version,
        "signed_by": signature.username,
        "printed_name": signature.printed_name,
        "meaning": signature.meaning.value,
        "signed_at": signature.signed_at.astimezone(UTC).isoformat(),
    }


def digest_of(text: str) -> str:
    """Return the SHA-256 (hex) of `text` in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_text(
    report: Report, *, username: str, printed_name: str, meaning: Meaning, signed_at: datetime
) -> str:
    """Return what a signature binds (RFC 8785): report, version, text per section, name, time, meaning."""
    says = {
        "sections": compose_report(report.sentences),
        "ai_model": report.ai_model,
    }
    return bound_text(
        report, says, username=username, printed_name=printed_name, meaning=meaning, signed_at=signed_at
    )


def withdrawal_text(
    report: Report,
    withdrawn: Attestation,
    *,
    username: str,
    printed_name: str,
    reason: str,
    signed_at: datetime,
) -> str:
    """Return what a withdrawal binds (RFC 8785): report, signature withdrawn, reason, name, time, meaning."""
    return bound_text(
        report,
        {"withdraws_sha256": withdrawn.sha256, "reason": reason},
        username=username,
        printed_name=printed_name,
        meaning=Meaning.WITHDRAWN,
        signed_at=signed_at,
    )


def bound_text(
    report: Report,
    says: Mapping[str, Any],
    *,
    username: str,
    printed_name: str,
    meaning: Meaning,
    signed_at: datetime,
) -> str:
    """Return the text of a signature (RFC 8785): report and version, what is said of it, who, when, why."""
    body: dict[str, Any] = {
        "study_uid": report.study_uid,
        "revision": report.revision,
        "report_id": report.report_id,
        "version": report.version,
        "signed_by": username,
        "printed_name": printed_name,
        "meaning": meaning.value,
        "signed_at": signed_at.astimezone(UTC).isoformat(),
        **says,
    }
    return rfc8785.dumps(body).decode()


def require_written(text: str, name: str) -> None:
    """Raise `ReportIncomplete` when a part of a report says nothing."""
    if not text:
        raise ReportIncomplete(f"{name} is empty: write at least one sentence")


def require_filled_in(text: str, name: str) -> None:
    """Raise `ReportIncomplete` when a part of a report has a field left in brackets or as a line."""
    if "[" in text or "___" in text:
        raise ReportIncomplete(f"{name} has a field that is not filled in: {text[:60]!r}")
