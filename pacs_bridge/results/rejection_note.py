"""Take back objects that were sent: a Key Object Selection as rejection note (IHE IOCM; PS3.3 A.35.4)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from pydicom.dataset import Dataset

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.document import (
    KEY_OBJECT_SELECTION,
    begin_object,
    check_text,
    declare_character_set,
    reference_tree,
    require_zone,
)
from pacs_bridge.results.report_content import (
    Code,
    Observer,
    ReportContent,
    ReportState,
    SourceInstance,
    SourceStudy,
)


class RejectionReason(enum.StrEnum):
    """Why objects are taken back; each is a document title of its own (CID 7011).

    ``WITHDRAWN``: what the report says must not be acted upon. An archive with IOCM no longer shows such
    objects to anybody. ``WRONG_ORDER``: they belong to another worklist entry. ``QUALITY``: they are
    technically unfit. ``RETENTION``: their time is over.
    """

    WITHDRAWN = "WITHDRAWN"
    WRONG_ORDER = "WRONG_ORDER"
    QUALITY = "QUALITY"
    RETENTION = "RETENTION"


TITLES = {
    RejectionReason.WITHDRAWN: Code("113037", "DCM", "Rejected for Patient Safety Reasons"),
    RejectionReason.WRONG_ORDER: Code("113038", "DCM", "Incorrect Modality Worklist Entry"),
    RejectionReason.QUALITY: Code("113001", "DCM", "Rejected for Quality Reasons"),
    RejectionReason.RETENTION: Code("113039", "DCM", "Data Retention Policy Expired"),
}


@dataclass(frozen=True)
class RejectionContent:
    """What a rejection note says.

    Parameters
    ----------
    reason
        Decides the title.
    study
        As in the objects taken back.
    rejected
        The objects, all of the study, at least one.
    observer
        Who takes them back.
    written_at
        When, aware.
    series_uid, sop_instance_uid
        New series, and the identity of the note.
    explanation
        Free text for people; empty for none.
    """

    reason: RejectionReason
    study: SourceStudy
    rejected: tuple[SourceInstance, ...]
    observer: Observer
    written_at: datetime
    series_uid: str
    sop_instance_uid: str
    explanation: str = ""
    series_number: int | None = None
    instance_number: int = 1


def build_rejection_note(content: RejectionContent) -> Dataset:
    """Build the note that takes objects back.

    Returns
    -------
    pydicom.Dataset
        With file meta information, explicit VR little endian.

    Raises
    ------
    Rejected
        If there is nothing to reject, an object is of another study, or the time has no zone.
    """
    from pacs_bridge.results.rejection_tree import rejection_tree

    _check(content)
    note = begin_object(KEY_OBJECT_SELECTION, _as_report(content), modality="KO", series="Rejection note")
    note.ReferencedPerformedProcedureStepSequence = []
    note.ContentDate = content.written_at.strftime("%Y%m%d")
    note.ContentTime = content.written_at.strftime("%H%M%S")
    note.CurrentRequestedProcedureEvidenceSequence = reference_tree(content.rejected)
    note.update(rejection_tree(content))
    declare_character_set(note)
    return note


def _check(content: RejectionContent) -> None:
    if not content.rejected:
        raise Rejected(CANNOT_UNDERSTAND, "a rejection note needs an object to reject")
    if any(instance.study_uid != content.study.study_uid for instance in content.rejected):
        raise Rejected(CANNOT_UNDERSTAND, "a rejection note rejects objects of its own study only")
    if content.explanation:
        check_text(content.explanation)
    require_zone(content.written_at)


def _as_report(content: RejectionContent) -> ReportContent:
    """Return the part that a note shares with a report: identity, patient and study."""
    return ReportContent(
        state=ReportState.SIGNED,
        study=content.study,
        evidence=content.rejected,
        sections=(),
        written_at=content.written_at,
        series_uid=content.series_uid,
        sop_instance_uid=content.sop_instance_uid,
        observer=content.observer,
        series_number=content.series_number,
        instance_number=content.instance_number,
    )
