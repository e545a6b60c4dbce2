"""What stands in the way of a signature (U8): a stop that nobody can skip, or a warning to confirm.

A stop is only what is certain whatever the patient has. What could be right after all is a warning: a false
stop keeps a correct report from its patient, a false warning costs a key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from app.domain.check_texts import CheckText
from app.domain.errors import CheckFailed, ReportIncomplete, WarningsNotConfirmed
from app.domain.report import Report
from app.domain.statements import Side


class Severity(StrEnum):
    """Whether a check can be confirmed."""

    STOP = "STOP"
    WARNING = "WARNING"


class CheckCode(StrEnum):
    """What was found; the codes stand in the audit log and in `docs/checks.md`."""

    EMPTY = "empty"
    UNTOUCHED = "untouched"
    PLACEHOLDER = "placeholder"
    PLACEHOLDER_WORD = "placeholder word"
    SIDE = "side"
    SIDE_DOUBTFUL = "side doubtful"
    SIDE_OF_STUDY = "side of study"
    SIDE_OF_IMAGES = "side of images"
    CONTRADICTION = "contradiction"
    DENIED_IN_FINDINGS = "denied in findings"
    NOT_IN_FINDINGS = "not in findings"
    CRITICAL_NOT_IN_IMPRESSION = "critical not in impression"
    CRITICAL_NOT_TOLD = "critical not told"
    CRITICAL_OF_AI = "critical of AI"
    SEX = "sex"
    AGE = "age"
    NAME = "name"
    ACCESSION = "accession"
    BODY_PART = "body part"
    UNIT = "unit"
    LENGTH = "length"
    DECIMAL = "decimal"
    NO_PRIOR = "no prior"
    NOT_COMPARED = "not compared"
    FUTURE = "future"
    SPELLING = "spelling"


STOPS = frozenset({CheckCode.EMPTY, CheckCode.UNTOUCHED, CheckCode.PLACEHOLDER, CheckCode.SIDE})
_INCOMPLETE = frozenset({CheckCode.EMPTY, CheckCode.UNTOUCHED, CheckCode.PLACEHOLDER})


@dataclass(frozen=True)
class Check:
    """One thing that was found.

    Attributes
    ----------
    template
        What was found, with the names of `values`.
    values
        Words of the report or of the study: patient data, never for the log.
    section, key
        Where: the section's value, and the editor's key of the sentence; empty when it is no one place.
    """

    code: CheckCode
    template: CheckText
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    section: str = ""
    key: str = ""

    @property
    def severity(self) -> Severity:
        """Whether it can be confirmed."""
        return Severity.STOP if self.code in STOPS else Severity.WARNING

    @property
    def message(self) -> str:
        """The text in English."""
        return self.template.format(**self.values)

    @property
    def mark(self) -> str:
        """What names exactly this: code, place, and a digest of what was said."""
        said = json.dumps([self.template, sorted(self.values.items())], ensure_ascii=False)
        return f"{self.place}#{hashlib.sha256(said.encode()).hexdigest()[:16]}"

    @property
    def place(self) -> str:
        """Code and place, without what was said: for the log."""
        return f"{self.code.value}@{self.key or self.section or 'report'}"


@dataclass(frozen=True)
class Confirmation:
    """A reader's word for warnings: for these, of this version, and for no others.

    Attributes
    ----------
    marks
        `Check.mark` of each warning that was on the screen.
    """

    version: int
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CriticalKnown:
    """What is known of critical findings besides the text.

    Attributes
    ----------
    told
        Findings of loops of the study, open or closed, in the words of whoever opened them.
    opened_by_signature
        Findings of the model whose loops the signature opens by itself.
    of_model
        Critical findings that the model calls present, with their probability.
    """

    told: tuple[str, ...] = ()
    opened_by_signature: frozenset[str] = frozenset()
    of_model: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """What is known of the study that a report is about.

    Attributes
    ----------
    sex
        DICOM: ``M``, ``F``, ``O`` or empty.
    birth_date, study_date
        None when unknown.
    names
        The patient's names, under every identity that the study has had.
    people
        Physicians whom a report may name.
    part
        Body part, description and procedure: what was examined, and on which side.
    sides_of_images
        What the images name as their side; NONE among them when an image names none, or is too old to tell.
    priors
        Whether a report of an earlier study of the same region can be compared: how many are known, and how
        many of them are here.
    """

    today: date
    sex: str = ""
    birth_date: date | None = None
    study_date: date | None = None
    names: tuple[str, ...] = field(default=(), repr=False)
    people: tuple[str, ...] = field(default=(), repr=False)
    accession_number: str = field(default="", repr=False)
    part: str = ""
    sides_of_images: frozenset[Side] = frozenset()
    priors_known: int = 0
    priors_here: int = 0
    critical: CriticalKnown = CriticalKnown()


def stops_of(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Return those that keep a report from being signed."""
    return tuple(check for check in checks if check.severity is Severity.STOP)


def warnings_of(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Return those that have to be confirmed."""
    return tuple(check for check in checks if check.severity is Severity.WARNING)


def confirm(report: Report, checks: Sequence[Check]) -> Confirmation:
    """Return the confirmation of exactly these warnings of a report as it stands."""
    return Confirmation(report.version, frozenset(check.mark for check in warnings_of(checks)))


def require_checked(checks: Sequence[Check], confirmation: Confirmation | None, version: int) -> None:
    """Refuse a signature that a stop forbids or whose warnings nobody confirmed.

    Raises
    ------
    ReportIncomplete
        If something is missing: a section, a reader's decision, a field left open.
    CheckFailed
        If another stop stands.
    WarningsNotConfirmed
        If a warning is not among those confirmed of this very version.
    """
    for stop in stops_of(checks):
        raise (ReportIncomplete if stop.code in _INCOMPLETE else CheckFailed)(stop.message)
    warnings = warnings_of(checks)
    missing = _unconfirmed(warnings, confirmation, version)
    if missing:
        told = "; ".join(check.message for check in missing)
        raise WarningsNotConfirmed(f"read and confirm the warnings first: {told}", warnings)


def _unconfirmed(
    warnings: Sequence[Check], confirmation: Confirmation | None, version: int
) -> tuple[Check, ...]:
    known: Collection[str] = ()
    if confirmation is not None and confirmation.version == version:
        known = confirmation.marks
    return tuple(check for check in warnings if check.mark not in known)
