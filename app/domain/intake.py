"""An instance on its way from the spool into the database, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime

from app.domain.errors import Rejected
from app.domain.identifiers import require_uid
from app.domain.priority import Priority, requested_priority
from app.domain.study import Patient

_LARGEST_INTEGER = 2**31 - 1
_SIDES = frozenset("LRBU")
_NUMBERS = frozenset({"series_number", "instance_number", "rows", "columns", "expected_count"})


@dataclass(frozen=True)
class ReceivedInstance:
    """What the header of a spooled instance says, with the facts of the association that brought it.

    Attributes
    ----------
    patient_name, referring_physician
        PN with its components separated by ``^``.
    rows, columns
        None for an object without pixels.
    sha256
        Hex digest of the spooled bytes; names the spool object.
    source
        Network address of the sender.
    requested_priority
        Requested Procedure Priority (PS3.4 Table K.6-1a): ``STAT``, ``HIGH``, ``ROUTINE`` ... or empty.
    expected_count
        Number of Study Related Instances (0020,1208); None when the sender does not say.
    laterality
        The side that the image names; see `named_side`.
    """

    sop_uid: str
    study_uid: str
    series_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    sha256: str
    size: int
    received_at: datetime
    modality: str = ""
    series_number: int | None = None
    instance_number: int | None = None
    rows: int | None = None
    columns: int | None = None
    patient_id: str = ""
    issuer: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    description: str = ""
    referring_physician: str = ""
    body_part: str = ""
    calling_ae: str = ""
    called_ae: str = ""
    source: str = ""
    association_id: str = ""
    requested_priority: str = ""
    expected_count: int | None = None
    laterality: str = ""

    @property
    def patient(self) -> Patient:
        """Whom the instance says it shows."""
        return Patient(self.patient_id, self.issuer, self.patient_name, self.birth_date, self.sex)

    @property
    def priority(self) -> Priority:
        """How urgent the order is."""
        return requested_priority(self.requested_priority)

    @property
    def is_image(self) -> bool:
        """Whether it has pixels; reports and presentation states that come late open no revision."""
        return bool(self.rows and self.columns)


@dataclass(frozen=True)
class Refusal:
    """An instance that no study could take; the digest tells it from another one of the same UID."""

    sop_uid: str
    sha256: str
    reason: str


@dataclass(frozen=True)
class IntakeReport:
    """What became of a batch.

    Attributes
    ----------
    indexed, duplicates
        Numbers of instances taken, and of those that were known with the same bytes.
    new_studies, reopened
        StudyInstanceUIDs seen for the first time, and of those that a late image gave a new revision.
    refusals
        The instances that no study could take: they are in quarantine.
    """

    indexed: int
    duplicates: int
    new_studies: tuple[str, ...]
    reopened: tuple[str, ...]
    refusals: tuple[Refusal, ...]

    @property
    def quarantined(self) -> tuple[tuple[str, str], ...]:
        """(SOP Instance UID, reason) of each instance that no study could take."""
        return tuple((refusal.sop_uid, refusal.reason) for refusal in self.refusals)

    def refusal_of(self, sop_uid: str, sha256: str) -> Refusal | None:
        """Return why these bytes were not taken; None when they were, then or before."""
        for refusal in self.refusals:
            if (refusal.sop_uid, refusal.sha256) == (sop_uid, sha256):
                return refusal
        return None


def fit_for_database(received: ReceivedInstance) -> ReceivedInstance:
    """Return the instance with what PostgreSQL cannot hold removed: NUL, surrogates, integers beyond 32 bits.

    One hostile header must not keep the rest of its batch out.

    Raises
    ------
    Rejected
        If one of its identifiers is no UID.
    """
    for uid in (received.sop_uid, received.study_uid, received.series_uid):
        require_uid(uid)
    changes: dict[str, str | int | None] = {}
    for field in fields(received):
        value = getattr(received, field.name)
        if isinstance(value, str):
            changes[field.name] = clean_value(value)
        elif field.name in _NUMBERS and value is not None:
            changes[field.name] = value if -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER else None
    return replace(received, **changes)  # type: ignore[arg-type]


def named_side(image: str, series: str) -> str:
    """Return the side that an image names: ``L``, ``R``, ``B`` (both), ``U`` (unpaired) or empty.

    Parameters
    ----------
    image, series
        Image Laterality (0020,0062) and Laterality (0020,0060), PS3.3 C.7.6.1 and C.7.3.1. What is none of
        the defined terms says nothing, and so do two that contradict each other.
    """
    said = {value.strip().upper() for value in (image, series)} & _SIDES
    return said.pop() if len(said) == 1 else ""


def clean_value(text: str) -> str:
    """Return `text` without NUL and lone surrogates, which PostgreSQL refuses."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()


def conflict_reason(known_sha256: str, received: ReceivedInstance) -> str:
    """Return why an instance that is known already cannot be taken again; empty for the same bytes."""
    if known_sha256 == received.sha256:
        return ""
    return "the same SOP Instance UID was received with other content; the first is kept"


def reason_of(error: Rejected) -> str:
    """Return the text that stands beside a quarantined instance."""
    return clean_value(str(error))[:500]
