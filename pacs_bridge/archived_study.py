"""A study as an archive describes it, and the question that finds a patient's earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydicom.dataset import Dataset

from pacs_bridge.header import is_uid


@dataclass(frozen=True)
class PriorQuery:
    """The earlier studies of one patient.

    Attributes
    ----------
    patient_id, issuer_of_patient_id
        As in the current study; an archive that names another issuer means another patient.
    until
        Study date of the current study (DICOM DA); empty when it has none.
    since
        The oldest study date that is wanted (DICOM DA).
    """

    patient_id: str
    issuer_of_patient_id: str = ""
    since: str = ""
    until: str = ""

    @property
    def date_range(self) -> str:
        """The range of Study Date (PS3.4 C.2.2.2.5); empty for any date."""
        return f"{self.since}-{self.until}" if self.since or self.until else ""


@dataclass(frozen=True)
class ArchivedStudy:
    """A study at an archive; absent values are empty, counts that it does not tell are None."""

    study_uid: str
    study_date: str = ""
    study_time: str = ""
    description: str = ""
    accession_number: str = ""
    modalities: tuple[str, ...] = ()
    instances: int | None = None


class PriorSource(Protocol):
    """An archive that earlier studies come from."""

    def find(self, query: PriorQuery) -> Sequence[ArchivedStudy]:
        """Return what the archive has of the patient.

        Raises
        ------
        Rejected, Retriable
            It does not answer, and whether asking again may help.
        """

    def fetch(self, study_uid: str) -> int:
        """Bring a study to our own listener; return how many of its instances have arrived there.

        Raises
        ------
        Rejected, Retriable
            Not everything came, and whether trying again may help.
        """


def query_keys(query: PriorQuery) -> dict[str, str]:
    """Return the matching keys and, empty, the wanted return keys of a study-level query."""
    return {
        "PatientID": query.patient_id,
        "IssuerOfPatientID": "",
        "StudyDate": query.date_range,
        "StudyTime": "",
        "StudyInstanceUID": "",
        "StudyDescription": "",
        "AccessionNumber": "",
        "ModalitiesInStudy": "",
        "NumberOfStudyRelatedInstances": "",
    }


def read_archived_study(answer: Dataset, query: PriorQuery) -> ArchivedStudy | None:
    """Read one answer; None for what is no study, or another patient's.

    Archives match loosely (wild cards, case, spaces), so the identity is compared again.
    """
    study_uid = str(answer.get("StudyInstanceUID", ""))
    issuer = str(answer.get("IssuerOfPatientID") or "").strip()
    same_issuer = not (issuer and query.issuer_of_patient_id) or issuer == query.issuer_of_patient_id
    if (
        not is_uid(study_uid)
        or str(answer.get("PatientID", "")).strip() != query.patient_id
        or not same_issuer
    ):
        return None
    return ArchivedStudy(
        study_uid=study_uid,
        study_date=_text(answer, "StudyDate"),
        study_time=_text(answer, "StudyTime"),
        description=_text(answer, "StudyDescription"),
        accession_number=_text(answer, "AccessionNumber"),
        modalities=_modalities(answer),
        instances=_count(answer),
    )


def _text(answer: Dataset, keyword: str) -> str:
    return str(answer.get(keyword) or "").strip()


def _modalities(answer: Dataset) -> tuple[str, ...]:
    value: Any = answer.get("ModalitiesInStudy") or ()
    values = (value,) if isinstance(value, str) else value
    return tuple(str(modality).strip() for modality in values if str(modality).strip())


def _count(answer: Dataset) -> int | None:
    try:
        return int(answer.NumberOfStudyRelatedInstances)
    except (AttributeError, TypeError, ValueError):
        return None
