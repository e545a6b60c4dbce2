"""The worklist: what a reader asks for, and one row of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from app.domain.delivery import DeliveryState
from app.domain.report import ReportState
from app.domain.study import Study, StudyState
from app.domain.study_access import MaskedStudy
from app.domain.waiting_draft import NO_ANSWER_YET, WaitingDraft


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


class Span(StrEnum):
    """How a range of dates is given."""

    ANY = "any time"
    TODAY = "today"
    DAY = "24 hours"
    WEEK = "7 days"
    BETWEEN = "between"


_ROLLING: Mapping[Span, timedelta] = {Span.DAY: timedelta(hours=24), Span.WEEK: timedelta(days=7)}


@dataclass(frozen=True)
class Dates:
    """A range of dates that moves with the day, so that it can be kept.

    Attributes
    ----------
    first, last
        Both inclusive, for `Span.BETWEEN`; None leaves that end open.
    """

    span: Span = Span.ANY
    first: date | None = None
    last: date | None = None

    def bounds(self, now: datetime, zone: tzinfo = UTC) -> tuple[datetime | None, datetime | None]:
        """Return from when (inclusive) until when (exclusive); None where it is open.

        Parameters
        ----------
        zone
            Whose midnight a day begins at.
        """
        if self.span in _ROLLING:
            return now - _ROLLING[self.span], None
        first, last = self.first, self.last
        if self.span is Span.TODAY:
            first = last = now.astimezone(zone).date()
        elif self.span is Span.ANY:
            first = last = None
        begins = None if first is None else datetime.combine(first, time(), zone)
        ends = None if last is None or last == date.max else datetime.combine(last, time(), zone)
        return begins, None if ends is None else ends + timedelta(days=1)


@dataclass(frozen=True)
class WorklistQuery:
    """What a reader wants to see; the default is what is most urgent, then what waits longest.

    Attributes
    ----------
    text
        Part of a patient's name or PatientID, of an accession number or a description; any case.
    states, report_states, delivery_states, priorities
        Show only these; empty shows all but the excluded studies. A study's delivery is the one that most
        needs attention; priorities are ranks.
    patient, patient_id, accession, description, reader
        Part of that column; any case. `reader` is the printed name of who edits at this moment.
    received, studied
        When the first image came; the date of the study.
    fewest_images, most_images
        None for no limit.
    zone
        Whose days `Span.TODAY` and `Span.BETWEEN` mean.
    limit, offset
        The page: at most `limit` rows (1 to 1,000) after the first `offset`.
    """

    text: str = ""
    states: tuple[StudyState, ...] = ()
    report_states: tuple[ReportState, ...] = ()
    modality: str = ""
    priorities: tuple[int, ...] = ()
    patient: str = ""
    patient_id: str = ""
    accession: str = ""
    description: str = ""
    received: Dates = Dates()
    studied: Dates = Dates()
    fewest_images: int | None = None
    most_images: int | None = None
    reader: str = ""
    delivery_states: tuple[DeliveryState, ...] = ()
    zone: tzinfo = field(default=UTC, compare=False)
    sort: SortKey = SortKey.PRIORITY
    descending: bool = True
    limit: int = 100
    offset: int = 0

    @property
    def filters(self) -> tuple[str, ...]:
        """Names of the filters in use, without their values: a search text may be a patient's name."""
        asked = (one for one in fields(self) if one.name not in _NO_FILTERS)
        return tuple(one.name for one in asked if getattr(self, one.name) != one.default)


# how the answer is laid out, not what is in it
_NO_FILTERS = frozenset({"zone", "sort", "descending", "limit", "offset"})
NAMES_A_PATIENT = ("text", "patient", "patient_id", "accession", "description")
"""Filters with free text, which may be a patient's: never kept."""


@dataclass(frozen=True)
class WorklistRow:
    """One study with where it stands.

    Attributes
    ----------
    report_id, report_state, report_revision
        Of the newest report; None while there is none.
    lock_owner, locked_at, locked_until
        Printed name of who edits it, since when and until when; empty and None when it is free.
    delivery_state, delivery_reason
        The delivery that most needs attention; None when nothing was to be delivered.
    draft
        Where the draft stands that the study waits for; None when none waits in the queue.
    """

    study: Study
    report_id: int | None
    report_state: ReportState | None
    report_revision: int | None
    lock_owner: str
    locked_at: datetime | None
    locked_until: datetime | None
    delivery_state: DeliveryState | None
    delivery_reason: str
    draft: WaitingDraft | None = None

    @property
    def awaits_draft(self) -> bool:
        """Whether a draft may still come that nobody has begun to write without."""
        study = self.study
        if study.state is StudyState.UNDRAFTED:
            return study.reason == NO_ANSWER_YET and self.report_state is ReportState.DRAFTED
        return study.state is StudyState.COMPLETE


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
