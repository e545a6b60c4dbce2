"""What the SR documents have in common: the modules around their content tree (PS3.3 C.17)."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.results.document import (
    begin_object,
    check_line,
    checked_uid,
    date_time,
    reference_tree,
    require_zone,
)
from pacs_bridge.results.person_names import person_name
from pacs_bridge.results.report_content import (
    Observer,
    ReportContent,
    SourceInstance,
    Verification,
)
from pacs_bridge.results.report_states import WIRE_STATES

# (Completion Flag, Verification Flag, Preliminary Flag) of the states that have a document
FLAGS = {state: wire.sr_flags for state, wire in WIRE_STATES.items() if wire.sr_flags is not None}


def begin_sr_document(
    sop_class_uid: str, content: ReportContent, shown: Iterable[SourceInstance], *, series: str
) -> Dataset:
    """Begin an SR document: everything but its content tree.

    Parameters
    ----------
    sop_class_uid
        Of the document.
    content
        State, identity, observers and evidence.
    shown
        Instances that the content tree refers to: they are evidence too (PS3.3 C.17.2.3).
    series
        Series Description.
    """
    document = begin_object(sop_class_uid, content, modality="SR", series=series)
    document.ReferencedPerformedProcedureStepSequence = []
    _add_flags(document, content)
    _add_observers(document, content)
    _add_references(document, content, [*content.evidence, *shown])
    return document


def check_state(content: ReportContent) -> None:
    """Refuse a state and a verification that contradict each other, times without zone, no evidence.

    Raises
    ------
    Rejected
    """
    if content.state not in FLAGS:
        raise Rejected(CANNOT_UNDERSTAND, f"there is no document of a report that is {content.state}")
    verified = FLAGS[content.state][1] == "VERIFIED"
    if verified and not content.verifications:
        raise Rejected(CANNOT_UNDERSTAND, f"a report that is {content.state} needs its verification")
    if not verified and content.verifications:
        raise Rejected(CANNOT_UNDERSTAND, f"a report that is {content.state} cannot be verified")
    if not content.evidence:
        raise Rejected(CANNOT_UNDERSTAND, "a report needs the instances that were read")
    require_zone(content.written_at, *(v.verified_at for v in content.verifications))


def _add_flags(document: Dataset, content: ReportContent) -> None:
    """SR Document General module, PS3.3 C.17.2."""
    completion, verification, preliminary = FLAGS[content.state]
    document.CompletionFlag = completion
    document.VerificationFlag = verification
    document.PreliminaryFlag = preliminary
    document.ContentDate = content.written_at.strftime("%Y%m%d")
    document.ContentTime = content.written_at.strftime("%H%M%S")
    document.PerformedProcedureCodeSequence = []


def _add_observers(document: Dataset, content: ReportContent) -> None:
    if content.observer is not None:
        document.AuthorObserverSequence = [_author(content.observer)]
    if content.verifications:
        document.VerifyingObserverSequence = [_verifying_observer(v) for v in content.verifications]


def _author(observer: Observer) -> Dataset:
    """Identified Person or Device macro, PS3.3 C.17.2.5."""
    item = Dataset()
    item.ObserverType = "PSN"
    item.PersonName = person_name(observer.name)
    item.InstitutionName = check_line(observer.organization)
    item.InstitutionCodeSequence = []
    item.PersonIdentificationCodeSequence = []
    return item


def _verifying_observer(verification: Verification) -> Dataset:
    item = Dataset()
    item.VerifyingOrganization = check_line(verification.observer.organization)
    item.VerificationDateTime = date_time(verification.verified_at)
    item.VerifyingObserverName = person_name(verification.observer.name)
    item.VerifyingObserverIdentificationCodeSequence = []
    return item


def _add_references(document: Dataset, content: ReportContent, evidence: Iterable[SourceInstance]) -> None:
    """Evidence of this study and of others, and predecessor documents (PS3.3 C.17.2.3)."""
    study_uid = checked_uid(content.study.study_uid)
    known = list(dict.fromkeys(evidence))
    same = [i for i in known if i.study_uid == study_uid]
    other = [i for i in known if i.study_uid != study_uid]
    if same:
        document.CurrentRequestedProcedureEvidenceSequence = reference_tree(same)
    if other:
        document.PertinentOtherEvidenceSequence = reference_tree(other)
    if content.predecessors:
        document.PredecessorDocumentsSequence = reference_tree(content.predecessors)
