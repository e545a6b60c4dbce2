"""Signed studies that look like the one that is read, shown without whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.patient_data import PatientKey

SHOWN = 5
WIDTH_OF_BAND = 10
OLDEST_BAND = 90


@dataclass(frozen=True)
class SignedNeighbour:
    """An embedding under a signed report.

    Attributes
    ----------
    patients
        By the images and by the records.
    """

    number: int
    study_uid: str
    report_id: int
    patients: frozenset[PatientKey]


@dataclass(frozen=True)
class SimilarStudy:
    """What is shown of a similar study: nothing that says whose it is.

    Attributes
    ----------
    number
        By which it can be asked for; says nothing.
    similarity
        Cosine, in [-1, 1].
    age
        For example ``60-69``; empty when it is not known.
    sections
        Findings and impression with what identifies removed, keyed by `Section` value.
    """

    number: int
    similarity: float
    age: str
    sex: str
    modality: str
    sections: Mapping[str, str]


@dataclass(frozen=True)
class SimilarStudies:
    """The result of a search.

    Attributes
    ----------
    reason
        Why there is nothing to show: ``undrafted`` (this study has no embedding) or ``none``.
    searched
        How many embeddings were compared.
    left_out
        How many older ones were not, since they do not fit into memory.
    """

    studies: tuple[SimilarStudy, ...] = ()
    reason: str = ""
    searched: int = 0
    left_out: int = field(default=0)


def age_band(birth_date: str, study_date: str) -> str:
    """Return the ten years in which a person was at a study, ``90+`` from 90 on; empty when unknown.

    Parameters
    ----------
    birth_date, study_date
        DICOM DA.
    """
    if not (_is_date(birth_date) and _is_date(study_date)) or study_date < birth_date:
        return ""
    years = int(study_date[:4]) - int(birth_date[:4]) - (study_date[4:] < birth_date[4:])
    if years >= OLDEST_BAND:
        return f"{OLDEST_BAND}+"
    low = years - years % WIDTH_OF_BAND
    return f"{low}-{low + WIDTH_OF_BAND - 1}"


def _is_date(da: str) -> bool:
    return len(da) == 8 and da.isascii() and da.isdigit()
