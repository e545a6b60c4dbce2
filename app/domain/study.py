"""A study on its way from the modality to a draft, and when it counts as complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.machine import advance
from app.domain.priority import Priority
from app.domain.routing import Routing


class StudyState(StrEnum):
    """Where a study stands before anybody reads it."""

    RECEIVING = "RECEIVING"
    COMPLETE = "COMPLETE"
    DRAFTED = "DRAFTED"
    UNDRAFTED = "UNDRAFTED"
    EXCLUDED = "EXCLUDED"
    QUARANTINED = "QUARANTINED"


class StudyCommand(StrEnum):
    """What can happen to a study."""

    RECEIVE_IMAGE = "receive image"
    COMPLETE = "complete"
    DRAFT = "draft"
    DECLINE_DRAFT = "decline draft"
    EXCLUDE = "exclude"
    INCLUDE = "include"
    QUARANTINE = "quarantine"


STUDY_TRANSITIONS: Mapping[tuple[StudyState, StudyCommand], StudyState] = {
    (StudyState.RECEIVING, StudyCommand.RECEIVE_IMAGE): StudyState.RECEIVING,
    (StudyState.RECEIVING, StudyCommand.COMPLETE): StudyState.COMPLETE,
    (StudyState.RECEIVING, StudyCommand.EXCLUDE): StudyState.EXCLUDED,
    (StudyState.RECEIVING, StudyCommand.QUARANTINE): StudyState.QUARANTINED,
    (StudyState.COMPLETE, StudyCommand.DRAFT): StudyState.DRAFTED,
    (StudyState.COMPLETE, StudyCommand.DECLINE_DRAFT): StudyState.UNDRAFTED,
    (StudyState.COMPLETE, StudyCommand.EXCLUDE): StudyState.EXCLUDED,
    (StudyState.COMPLETE, StudyCommand.QUARANTINE): StudyState.QUARANTINED,
    # "no AI draft: model unavailable" may become a draft once the model is back
    (StudyState.UNDRAFTED, StudyCommand.DRAFT): StudyState.DRAFTED,
    (StudyState.UNDRAFTED, StudyCommand.DECLINE_DRAFT): StudyState.UNDRAFTED,
    # a person takes it back in: the rule was wrong about it
    (StudyState.EXCLUDED, StudyCommand.INCLUDE): StudyState.COMPLETE,
    # a late image opens revision n + 1
    (StudyState.COMPLETE, StudyCommand.RECEIVE_IMAGE): StudyState.RECEIVING,
    (StudyState.DRAFTED, StudyCommand.RECEIVE_IMAGE): StudyState.RECEIVING,
    (StudyState.UNDRAFTED, StudyCommand.RECEIVE_IMAGE): StudyState.RECEIVING,
    (StudyState.EXCLUDED, StudyCommand.RECEIVE_IMAGE): StudyState.EXCLUDED,
    (StudyState.QUARANTINED, StudyCommand.RECEIVE_IMAGE): StudyState.QUARANTINED,
}

_QUIET_SECONDS: Mapping[str, int] = {"CR": 10, "DX": 10}
_QUIET_SECONDS_OTHERWISE = 60


def quiet_time(modality: str) -> timedelta:
    """Return how long a study of `modality` must be silent before it counts as complete (L11)."""
    return timedelta(seconds=_QUIET_SECONDS.get(modality.upper(), _QUIET_SECONDS_OTHERWISE))


@dataclass(frozen=True)
class Patient:
    """A person as the sending system describes them.

    Attributes
    ----------
    name
        As in the data set (PN, components separated by ``^``).
    birth_date
        DICOM DA (``YYYYMMDD``) or empty.
    sex
        ``M``, ``F``, ``O`` or empty.
    """

    patient_id: str
    issuer: str
    name: str
    birth_date: str
    sex: str

    @property
    def readable_name(self) -> str:
        """The name for the screen, ``FAMILY, Given``: the first of its groups that says something.

        A person name has up to three groups, alphabetic, ideographic and phonetic (PS3.5 6.2.1.1).
        """
        groups = [group.strip("^ ") for group in self.name.split("=")]
        family, _, given = next((group for group in groups if group), "").partition("^")
        given = given.replace("^", " ").strip()
        return f"{family}, {given}" if given else family

    def is_same_person(self, other: Patient) -> bool:
        """Tell whether two descriptions found in one study can be of the same person.

        PatientID decides where both have one, and the issuers where both name one; without a PatientID the
        name and the birth date have to agree.
        """
        if not (self.patient_id and other.patient_id):
            return (self.patient_id, self.name, self.birth_date) == (
                other.patient_id,
                other.name,
                other.birth_date,
            )
        if self.issuer and other.issuer and self.issuer != other.issuer:
            return False
        return self.patient_id == other.patient_id


@dataclass(frozen=True)
class Study:
    """A study as the worklist and the readers know it.

    Attributes
    ----------
    revision
        1 for the images of the first completion; each late image opens the next one.
    patient
        As the images say: what leaves as DICOM must match them.
    reason
        Why the study is undrafted, excluded or quarantined; empty otherwise.
    routing
        What the routing rules decided when it was completed; None without rules.
    corrected
        As the hospital's records say since a correction or merge; None when they never differed.
    expected_count
        How many instances the study has, as its sender says (0020,1208); None when it does not.
    """

    study_uid: str
    patient: Patient
    accession_number: str
    study_date: str
    study_time: str
    description: str
    referring_physician: str
    modality: str
    body_part: str
    state: StudyState
    reason: str
    revision: int
    priority: int
    priority_reason: str
    calling_ae: str
    called_ae: str
    received_at: datetime
    last_instance_at: datetime
    completed_at: datetime | None
    instance_count: int
    routing: Routing | None = None
    corrected: Patient | None = None
    expected_count: int | None = None

    @property
    def current_patient(self) -> Patient:
        """The patient by the hospital's records, for people, HL7 and FHIR."""
        return self.corrected or self.patient

    def raise_priority(self, priority: Priority) -> Study:
        """Return the study with a higher priority; a lower one changes nothing."""
        if priority.rank <= self.priority:
            return self
        return replace(self, priority=priority.rank, priority_reason=priority.reason)

    @property
    def has_expected_count(self) -> bool:
        """Whether as many instances are here as the sender announced; with more, its number was wrong."""
        return self.expected_count is not None and self.instance_count == self.expected_count

    def expect(self, count: int | None) -> Study:
        """Return the study with the number of instances that one of them announces; the largest counts."""
        if count is None or count <= (self.expected_count or 0):
            return self
        return replace(self, expected_count=count)

    def receive_image(self) -> Study:
        """Return the study after one more image: a late one opens the next revision (L12)."""
        state = advance(STUDY_TRANSITIONS, self.state, StudyCommand.RECEIVE_IMAGE)
        if state is StudyState.RECEIVING and self.state is not StudyState.RECEIVING:
            return replace(self, state=state, reason="", revision=self.revision + 1, completed_at=None)
        return replace(self, state=state)

    def complete(self, *, now: datetime) -> Study:
        """Return the study as complete."""
        state = advance(STUDY_TRANSITIONS, self.state, StudyCommand.COMPLETE)
        return replace(self, state=state, completed_at=now)

    def route(self, routing: Routing | None) -> Study:
        """Return the study with what the rules decided; without their word the order's priority stays.

        A study that has been in the worklist stays there: late images, revisions after the first, exclude
        nothing.
        """
        if routing is not None and routing.excluded and self.revision > 1:
            routing = replace(routing, excluded="")
        priority = routing.priority if routing is not None else None
        if priority is None:
            return replace(self, routing=routing)
        return replace(self, routing=routing, priority=priority.rank, priority_reason=priority.reason)

    def exclude(self, reason: str, *, now: datetime) -> Study:
        """Return the study as one that the worklist does not show and no model drafts."""
        state = advance(STUDY_TRANSITIONS, self.state, StudyCommand.EXCLUDE)
        return replace(self, state=state, reason=reason, completed_at=now)

    def include(self, *, now: datetime) -> Study:
        """Return an excluded study as one that the worklist shows after all."""
        state = advance(STUDY_TRANSITIONS, self.state, StudyCommand.INCLUDE)
        return replace(self, state=state, reason="", completed_at=now)

    def draft(self, priority: Priority) -> Study:
        """Return the study with a draft and the priority that the draft gave it."""
        state = advance(STUDY_TRANSITIONS, self.state, StudyCommand.DRAFT)
        return replace(self, state=state, reason="", priority=priority.rank, priority_reason=priority.reason)

    def decline_draft(self, reason: str) -> Study:
        """Return the study as one that a person writes alone, and why."""
        state = advance(STUDY_TRANSITIONS, self.state, StudyCommand.DECLINE_DRAFT)
        return replace(self, state=state, reason=reason)


@dataclass(frozen=True)
class Instance:
    """One SOP instance of a study, stored in the spool under the digest of its bytes."""

    sop_uid: str
    study_uid: str
    series_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    instance_number: int | None
    rows: int | None
    columns: int | None
    sha256: str
    size: int
    revision: int
    received_at: datetime

    @property
    def is_image(self) -> bool:
        """Whether it has pixels."""
        return bool(self.rows and self.columns)


def is_due(
    study: Study, *, now: datetime, open_studies: frozenset[str], quiet: timedelta | None = None
) -> bool:
    """Tell whether a receiving study counts as complete (L11): quiet long enough, or all that was announced.

    Parameters
    ----------
    open_studies
        StudyInstanceUIDs that an association still open has carried: those are never complete.
    quiet
        Overrides the modality's quiet time.
    """
    if study.state is not StudyState.RECEIVING or study.study_uid in open_studies:
        return False
    if study.has_expected_count:
        return True
    return is_quiet(study, now=now, open_studies=open_studies, quiet=quiet)


def is_quiet(
    study: Study, *, now: datetime, open_studies: frozenset[str], quiet: timedelta | None = None
) -> bool:
    """Tell whether no image has come for a while, and none is on its way."""
    if study.study_uid in open_studies:
        return False
    return now - study.last_instance_at >= (quiet if quiet is not None else quiet_time(study.modality))
