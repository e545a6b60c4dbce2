"""What is said after the signature: addenda and corrections, numbered within their report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.access import Action
from app.domain.attestation import Attestation, Meaning, bound_text, require_filled_in, require_written
from app.domain.errors import Rejected, ReportIncomplete
from app.domain.reason import give_reason
from app.domain.report import Report, Section, clean_text, written_sections


class AmendmentKind(StrEnum):
    """How a signed report is changed: by something added to it, or by a text that replaces it."""

    ADDENDUM = "addendum"
    CORRECTION = "correction"


MEANING_OF_KIND: Mapping[AmendmentKind, Meaning] = {
    AmendmentKind.ADDENDUM: Meaning.ADDENDUM,
    AmendmentKind.CORRECTION: Meaning.CORRECTION,
}
ACTION_OF_KIND: Mapping[AmendmentKind, Action] = {
    AmendmentKind.ADDENDUM: Action.ADD_ADDENDUM,
    AmendmentKind.CORRECTION: Action.CORRECT_REPORT,
}


@dataclass(frozen=True)
class AmendmentText:
    """What an amendment says, before or after it is signed.

    Attributes
    ----------
    text
        Of an addendum; empty in a correction.
    sections
        Of a correction: the whole corrected text per section, keyed by `Section` value; empty in an addendum.
    reason
        Of a correction: why the earlier text is replaced; empty in an addendum.
    """

    kind: AmendmentKind
    text: str = ""
    sections: Mapping[str, str] | None = None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the part of the signed text that says it."""
        if self.kind is AmendmentKind.ADDENDUM:
            return {"kind": self.kind.value, "text": self.text}
        return {"kind": self.kind.value, "sections": dict(self.sections or {}), "reason": self.reason}


@dataclass(frozen=True)
class Amendment:
    """One signed addendum or correction.

    Attributes
    ----------
    number
        1, 2, 3 ... within the report, over both kinds.
    attestation
        Who signed it, when, and the digest.
    """

    report_id: int
    number: int
    content: AmendmentText
    attestation: Attestation

    @property
    def kind(self) -> AmendmentKind:
        """Whether it adds or replaces."""
        return self.content.kind

    @property
    def title(self) -> str:
        """How it is called: ``Addendum 1``."""
        return f"{self.kind.value.capitalize()} {self.number}"


def write_addendum(text: str) -> AmendmentText:
    """Return an addendum that may be signed.

    Raises
    ------
    ReportIncomplete, Rejected
        If it is empty, has a field that is not filled in, or holds control characters.
    """
    return AmendmentText(AmendmentKind.ADDENDUM, text=_finished(text, "the addendum"))


def write_correction(sections: Mapping[str, str], reason: str) -> AmendmentText:
    """Return a correction that may be signed, if it changes anything (`require_changed`).

    Parameters
    ----------
    sections
        The corrected text of every section, keyed by `Section` value; what may be empty may be missing.

    Raises
    ------
    ReportIncomplete, Rejected
        If findings or impression are empty, a section is not filled in or unknown, or there is no reason.
    """
    unknown = set(sections) - set(Section)
    if unknown:
        raise Rejected(f"there is no section {min(unknown)[:40]!r}")
    tidy = written_sections({name: clean_text(text) for name, text in sections.items()})
    finished = {name: _finished(text, f"the section {name}") for name, text in tidy.items()}
    reason = give_reason(reason, "a correction")
    return AmendmentText(AmendmentKind.CORRECTION, sections=finished, reason=reason)


def require_changed(content: AmendmentText, in_force: Mapping[str, str]) -> None:
    """Raise `ReportIncomplete` when a correction says just what the text in force says."""
    if content.sections is not None and dict(content.sections) == dict(in_force):
        raise ReportIncomplete("the corrected text is the same as before: change it, or write an addendum")


def amendment_text(
    report: Report,
    content: AmendmentText,
    number: int,
    amends: Attestation,
    *,
    username: str,
    printed_name: str,
    signed_at: datetime,
) -> str:
    """Return what the signature binds (RFC 8785): report, number, text, what it amends, who, when, why."""
    return bound_text(
        report,
        {"number": number, "amends_sha256": amends.sha256, **content.as_json()},
        username=username,
        printed_name=printed_name,
        meaning=MEANING_OF_KIND[content.kind],
        signed_at=signed_at,
    )


def _finished(text: str, name: str) -> str:
    text = clean_text(text)
    require_written(text, name)
    require_filled_in(text, name)
    return text
