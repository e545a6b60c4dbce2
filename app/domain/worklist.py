"""The worklist: what a reader asks for, and one row of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.delivery import DeliveryState
from app.domain.report import ReportState
from app.domain.study import Study, StudyState
from app.domain.study_access import MaskedStudy


class SortKey(StrEnum):
    """The columns of the worklist; each can be sorted by."""

    PRIORITY = "priority"
    RECEIVED = "received"
    PATIENT = "patient"
    PATIENT_ID = "patient id"
    ACCESSION = "accession"
    STUDY_DATE = "study date"
    MODALITY = "modality"
    DESCRIPTION = "description"
    IMAGES = "images"
    STUDY_STATE = "study state"
    REPORT_STATE = "report state"
    LOCK = "lock"
    DELIVERY = "delivery"


@dataclass(frozen=True)
class WorklistQuery:
    """What a reader wants to see; the default is what is most urgent, then what waits longest.

    Attributes
    ----------
    text
        Part of a patient's name or PatientID, of an accession number or a description; any case.
    states, report_states
        Show only these; empty shows all but the excluded studies.
    limit, offset
        The page: at most `limit` rows (1 to 1,000) after the first `offset`.
    """

    text: str = ""
    states: tuple[StudyState, ...] = ()
    report_states: tuple[ReportState, ...] = ()
    modality: str = ""
    sort: SortKey = SortKey.PRIORITY
    descending: bool = True
    limit: int = 100
    offset: int = 0

    @property
    def filters(self) -> tuple[str, ...]:
        """Names of the filters in use, without their values: a search text may be a patient's name."""
        given = {
            "text": self.text,
            "states": self.states,
            "report_states": self.report_states,
            "modality": self.modality,
        }
        return tuple(name for name, value in given.items() if value)


@dataclass(frozen=True)
class WorklistRow:
    """One study with where it stands.

    Attributes
    ----------
    report_id, report_state, report_revision
        Of the newest report; None while there is none.
    lock_owner, locked_until
        Printed name of who edits it and until when; empty and None when it is free.
    delivery_state, delivery_reason
        The delivery that most needs attention; None when nothing was to be delivered.
    """

    study: Study
    report_id: int | None
    report_state: ReportState | None
    report_revision: int | None
    lock_owner: str
    locked_until: datetime | None
    delivery_state: DeliveryState | None
    delivery_reason: str


@dataclass(frozen=True)
class WorklistPage:
    """One page of the worklist, and how many studies the query finds in all.

    Attributes
    ----------
    masked
        Restricted studies whose whole accession number or PatientID was searched for; not in `total`.
    """

    rows: tuple[WorklistRow, ...]
    total: int
    masked: tuple[MaskedStudy, ...] = ()
