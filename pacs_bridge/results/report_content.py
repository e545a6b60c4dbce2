"""What a report document says, as plain data: the input of `build_report_sr`."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from pacs_bridge.header import InstanceHeader
from pacs_bridge.results.person_names import printed_name


class ReportState(enum.StrEnum):
    """The states of a report that a document can show."""

    DRAFTED = "DRAFTED"
    PRELIMINARY = "PRELIMINARY"
    SIGNED = "SIGNED"
    ADDENDED = "ADDENDED"
    CORRECTED = "CORRECTED"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True)
class Code:
    """A coded concept: value, coding scheme designator and meaning (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class SourceStudy:
    """Patient and study as in the source images; copied exactly, Unicode, DICOM form of dates and names."""

    study_uid: str
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    accession_number: str = ""
    study_description: str = ""
    referring_physician_name: str = ""

    @classmethod
    def of(cls, header: InstanceHeader) -> SourceStudy:
        """Take patient and study from the header of one of the images."""
        return cls(**{name: getattr(header, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class SourceInstance:
    """An instance that was read for the report, or that a sentence rests on."""

    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class Sentence:
    """A piece of report text and the images it rests on (INFERRED FROM)."""

    text: str
    images: tuple[SourceInstance, ...] = ()


@dataclass(frozen=True)
class Observer:
    """The person whose report it is (PS3.16 TID 1003)."""

    name: str
    organization: str
    login: str = ""


@dataclass(frozen=True)
class Verification:
    """The signing act.

    Parameters
    ----------
    observer
        Who signed, and for whom.
    verified_at
        When, aware.
    meaning
        What the signature says (21 CFR 11.50); empty when not known.
    sha256
        Hexadecimal digest of exactly the text that was signed; empty when not known.
    """

    observer: Observer
    verified_at: datetime
    meaning: str = ""
    sha256: str = ""

    @property
    def statement(self) -> str:
        """The act in one line: printed name, time in UTC, meaning, digest of the signed text."""
        time = self.verified_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        digest = f"; SHA-256 of the signed text {self.sha256}" if self.sha256 else ""
        return f"Signed by {printed_name(self.observer.name)} on {time}: {self.meaning or 'verified'}{digest}"


@dataclass(frozen=True)
class Section:
    """A headed part of the report.

    Parameters
    ----------
    heading
        A key of `report_sr.HEADINGS`: ``findings``, ``impression``, ``history``, ``comparison`` ...
    sentences
        In reading order.
    number
        Of an addendum or correction, within its report; 0 for a section of the report itself.
    signed
        Who signed this part, where it has a signature of its own.
    """

    heading: str
    sentences: tuple[Sentence, ...]
    number: int = 0
    signed: Verification | None = None

    @property
    def title(self) -> str:
        """How the part is called among several of its kind: ``Addendum 2``."""
        return f"{self.heading.capitalize()} {self.number}" if self.number else self.heading

    @property
    def statement(self) -> str:
        """Name, number and signature of the part in one line; empty for a section of the report itself."""
        return "" if self.signed is None else f"{self.title.capitalize()}. {self.signed.statement}"


@dataclass(frozen=True)
class Algorithm:
    """The model that drafted the text (PS3.16 TID 4019).

    Parameters
    ----------
    name, version, manufacturer
        Of the model.
    weights_sha256, adapters_sha256
        SHA-256 of the weight files, hexadecimal.
    parameters
        Whatever else identifies the run, ``name=value`` each.
    qualification
        Content Qualification of what it made (PS3.3 C.8.13.2.1.1): ``PRODUCT`` for software that the site has
        approved for its patients, else ``RESEARCH``.
    """

    name: str
    version: str
    weights_sha256: str
    adapters_sha256: str = ""
    manufacturer: str = "Janus-Med"
    parameters: tuple[str, ...] = ()
    qualification: str = "RESEARCH"


@dataclass(frozen=True)
class ReportContent:
    """Everything a report document holds.

    Parameters
    ----------
    state
        Decides the flags.
    study, evidence
        Patient and study of the images, and every instance that was read.
    sections
        At least one.
    observer
        The author; None for a draft that no person has touched.
    algorithm
        The drafting model; None for a report written by hand.
    written_at
        Content date and time, aware; written in its own zone.
    series_uid, sop_instance_uid
        New series, and the identity of this document, chosen by the caller so that a repeat is the same
        object.
    verifications
        Needed from SIGNED on.
    series_number, instance_number
        Without a series number each kind of object has its own (`document.SERIES_NUMBERS`).
    predecessors
        Documents this one adds to or replaces; needed for ADDENDED and CORRECTED.
    is_first
        Whether the receiver was never to get an earlier document, so that there is none to name.
    title, language, procedure
        Coded; without a procedure the study description is shown.
    """

    state: ReportState
    study: SourceStudy
    evidence: tuple[SourceInstance, ...]
    sections: tuple[Section, ...]
    written_at: datetime
    series_uid: str
    sop_instance_uid: str
    observer: Observer | None = None
    algorithm: Algorithm | None = None
    verifications: tuple[Verification, ...] = ()
    predecessors: tuple[SourceInstance, ...] = ()
    is_first: bool = False
    series_number: int | None = None
    instance_number: int = 1
    title: Code = Code("18748-4", "LN", "Diagnostic imaging report")
    language: Code = Code("en-US", "RFC5646", "English (United States)")
    procedure: Code | None = None


def derived_uid(*parts: str) -> str:
    """Return the same UID below 2.25 for the same parts (PS3.5 B.2 with 128 bits of a SHA-256)."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"
