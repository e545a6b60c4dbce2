"""What a DICOMweb client searches for and is given (PS3.18 10.6), in values that know no HTTP and no SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.study import Instance, Study


class Level(StrEnum):
    """What a search lists."""

    STUDY = "studies"
    SERIES = "series"
    INSTANCE = "instances"


class Key(StrEnum):
    """An attribute that a search can be narrowed by, named by its DICOM keyword."""

    STUDY_UID = "StudyInstanceUID"
    SERIES_UID = "SeriesInstanceUID"
    SOP_UID = "SOPInstanceUID"
    SOP_CLASS = "SOPClassUID"
    STUDY_ID = "StudyID"
    STUDY_DATE = "StudyDate"
    STUDY_TIME = "StudyTime"
    STUDY_DESCRIPTION = "StudyDescription"
    ACCESSION_NUMBER = "AccessionNumber"
    MODALITIES_IN_STUDY = "ModalitiesInStudy"
    REFERRING_PHYSICIAN = "ReferringPhysicianName"
    PATIENT_NAME = "PatientName"
    PATIENT_ID = "PatientID"
    ISSUER = "IssuerOfPatientID"
    BIRTH_DATE = "PatientBirthDate"
    SEX = "PatientSex"
    MODALITY = "Modality"
    SERIES_NUMBER = "SeriesNumber"
    INSTANCE_NUMBER = "InstanceNumber"


@dataclass(frozen=True)
class OneOf:
    """Equal to one of these values (single value, UID list; PS3.4 C.2.2.2.1 and C.2.2.2.2)."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Like:
    """A pattern with ``*`` and ``?`` (PS3.4 C.2.2.2.4); person names compare without case."""

    pattern: str


@dataclass(frozen=True)
class Between:
    """A range of dates or times, ends included; an empty end is open (PS3.4 C.2.2.2.5)."""

    first: str
    last: str


Match = OneOf | Like | Between


@dataclass(frozen=True)
class Search:
    """One page of a search.

    Attributes
    ----------
    matches
        All of them have to hold.
    limit, offset
        Rows of the page and before it.
    """

    level: Level
    matches: tuple[tuple[Key, Match], ...]
    limit: int
    offset: int = 0

    @property
    def study_uids(self) -> tuple[str, ...]:
        """The studies that the search is confined to; empty for all."""
        for key, match in self.matches:
            if key is Key.STUDY_UID and isinstance(match, OneOf):
                return match.values
        return ()


@dataclass(frozen=True)
class StudyFacts:
    """A study with what is counted over its instances."""

    study: Study
    modalities: tuple[str, ...]
    series_count: int
    any_sop_uid: str


@dataclass(frozen=True)
class SeriesFacts:
    """A series of a study."""

    study: StudyFacts
    series_uid: str
    modality: str
    instance_count: int
    any_sop_uid: str


@dataclass(frozen=True)
class InstanceFacts:
    """An instance with its series and study."""

    series: SeriesFacts
    instance: Instance


Found = StudyFacts | SeriesFacts | InstanceFacts


@dataclass(frozen=True)
class Page:
    """Rows of a search, and how many follow."""

    rows: Sequence[Found]
    remaining: int
