"""The data of one patient: who it is, what stands against erasing it, and what an erasure left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.delivery import DeliveryState
from app.domain.errors import Rejected
from app.domain.study import StudyState

# instead of a name, a finding, a reason; what was signed becomes empty
ERASED = "erased"
_DONE = frozenset({DeliveryState.SENT.value, DeliveryState.COMMITTED.value, DeliveryState.CANCELLED.value})
_UNPROCESSED = frozenset({StudyState.RECEIVING, StudyState.COMPLETE})


@dataclass(frozen=True)
class PatientKey:
    """A PatientID with the authority that gave it; empty where the images name none."""

    patient_id: str
    issuer: str


@dataclass(frozen=True)
class PatientHold:
    """Why nothing of a patient is purged or erased, by whom, since when."""

    patient: PatientKey
    reason: str
    username: str
    held_at: datetime


@dataclass(frozen=True)
class StudyOfPatient:
    """What erasure has to know of a study.

    Attributes
    ----------
    of_another
        The hospital's records name somebody else than its images do.
    held_for
        Why somebody holds the study itself; empty otherwise.
    jobs
        Work on it that waits or runs.
    editors
        Readers who have its report in hand.
    is_signed
        Whether there is a signature: then the study stays as a frame without words.
    """

    study_uid: str
    state: StudyState
    of_another: bool
    held_for: str
    jobs: int
    editors: int
    delivery_states: frozenset[str]
    instances: int
    is_signed: bool


@dataclass(frozen=True)
class Erasure:
    """What was erased.

    Attributes
    ----------
    studies, signed
        Studies of the patient, and those of them that stay as frames under signatures.
    instances
        Images whose bytes leave the spool.
    """

    erasure_id: int
    studies: int
    signed: int
    instances: int


def require_patient_id(patient_id: str) -> None:
    """Raise `Rejected` without a PatientID: images without one are of many people."""
    if not patient_id.strip():
        raise Rejected("name a PatientID: images without one are of many people")


def require_erasable(studies: Sequence[StudyOfPatient], holds: Sequence[PatientHold]) -> None:
    """Check that nothing stands against erasing a patient.

    Raises
    ------
    Rejected
        Naming every study and what stands against it.
    """
    against = [f"the patient is on hold: {hold.reason}" for hold in holds]
    against += [f"study {s.study_uid}: {reason}" for s in studies if (reason := _against(s))]
    if against:
        raise Rejected("nothing was erased; " + "; ".join(against))


def _against(study: StudyOfPatient) -> str:
    if study.of_another:
        return "its images name this patient, the hospital's records another one: correct the records first"
    if study.held_for:
        return f"on hold: {study.held_for}"
    if study.state in _UNPROCESSED:
        return f"not processed: {study.state.value}"
    if study.jobs:
        return "work on it waits or runs"
    if study.editors:
        return "a reader has its report in hand"
    undone = sorted(study.delivery_states - _DONE)
    return f"a delivery is {undone[0]}: send it, or withdraw the report" if undone else ""
