"""A report as Basic Text SR (PS3.3 A.35.1), content after TID 2000: what every archive can show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.received import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pacs_bridge.results.report_content import ReportContent, ReportState, SourceInstance
from pacs_bridge.results.report_tree import HEADINGS, content_tree

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"

# (Completion Flag, Verification Flag, Preliminary Flag), PS3.3 C.17.2
FLAGS = {
    ReportState.DRAFTED: ("PARTIAL", "UNVERIFIED", "PRELIMINARY"),
    ReportState.PRELIMINARY: ("PARTIAL", "UNVERIFIED", "PRELIMINARY"),
    ReportState.SIGNED: ("COMPLETE", "VERIFIED", "FINAL"),
    ReportState.ADDENDED: ("COMPLETE", "VERIFIED", "FINAL"),
    ReportState.CORRECTED: ("COMPLETE", "VERIFIED", "FINAL"),
}

_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def build_report_sr(content: ReportContent) -> Dataset:
    """Build the SR document of a report.

    Parameters
    ----------
    content
        The report. The same content gives the same document, byte for byte.

    Returns
    -------
    pydicom.Dataset
        With file meta information, explicit VR little endian; ready for `send_instances`.

    Raises
    ------
    Rejected
        If a verified document lacks its verification, an addendum or correction its predecessor, a time its
        zone, or if a text holds what DICOM text cannot (control characters; backslash in short strings).
    """
    _check(content)
    document = Dataset()
    _add_identity(document, content)
    _add_patient_and_study(document, content)
    _add_document(document, content)
    _add_references(document, content)
    for element in content_tree(content):
        document.add(element)
    _encode_as_unicode_when_needed(document)
    return document


def _check(content: ReportContent) -> None:
    verified = FLAGS[content.state][1] == "VERIFIED"
    if verified and not content.verifications:
        raise Rejected(CANNOT_UNDERSTAND, f"a report that is {content.state} needs its verification")
    if not verified and content.verifications:
        raise Rejected(CANNOT_UNDERSTAND, f"a report that is {content.state} cannot be verified")
    if content.state in {ReportState.ADDENDED, ReportState.CORRECTED} and not content.predecessors:
        raise Rejected(CANNOT_UNDERSTAND, f"a report that is {content.state} needs its predecessor")
    if not content.evidence or not any(section.sentences for section in content.sections):
        raise Rejected(CANNOT_UNDERSTAND, "a report needs text and the instances that were read")
    times = [content.written_at, *(v.verified_at for v in content.verifications)]
    if any(time.tzinfo is None for time in times):
        raise Rejected(CANNOT_UNDERSTAND, "times of a report need a time zone")
    for section in content.sections:
        if section.heading not in HEADINGS:
            raise Rejected(CANNOT_UNDERSTAND, f"unknown heading {section.heading!r}")
        for sentence in section.sentences:
            _check_text(sentence.text)


def _check_text(text: str) -> None:
    """UT takes any length but, of the control characters, only TAB, LF, FF and CR (PS3.5 6.1.3)."""
    if not text.strip():
        raise Rejected(CANNOT_UNDERSTAND, "a sentence of the report is empty")
    if _NOT_TEXT.search(text):
        raise Rejected(CANNOT_UNDERSTAND, "the report holds control characters that DICOM text cannot")


def _add_identity(document: Dataset, content: ReportContent) -> None:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(BASIC_TEXT_SR)
    meta.MediaStorageSOPInstanceUID = UID(content.sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    document.file_meta = meta
    document.SOPClassUID = UID(BASIC_TEXT_SR)
    document.SOPInstanceUID = UID(content.sop_instance_uid)
    document.Modality = "SR"
    document.SeriesInstanceUID = UID(content.series_uid)
    document.SeriesNumber = content.series_number
    document.InstanceNumber = content.instance_number
    document.SeriesDescription = "Radiology report"
    document.ReferencedPerformedProcedureStepSequence = []
    document.Manufacturer = "Janus-Med"
    document.ManufacturerModelName = "janus-med"
    document.SoftwareVersions = IMPLEMENTATION_VERSION_NAME


def _add_patient_and_study(document: Dataset, content: ReportContent) -> None:
    """Copy what the images say; type 2 attributes are there even when empty (PS3.3 C.7.1.1, C.7.2.1)."""
    study = content.study
    always = {
        "PatientName": study.patient_name,
        "PatientID": study.patient_id,
        "PatientBirthDate": study.patient_birth_date,
        "PatientSex": study.patient_sex,
        "StudyInstanceUID": study.study_uid,
        "StudyDate": study.study_date,
        "StudyTime": study.study_time,
        "ReferringPhysicianName": study.referring_physician_name,
        "StudyID": study.study_id,
        "AccessionNumber": study.accession_number,
    }
    when_known = {
        "IssuerOfPatientID": study.issuer_of_patient_id,
        "StudyDescription": study.study_description,
    }
    for keyword, value in always.items():
        _copy(document, keyword, value)
    for keyword, value in when_known.items():
        if value:
            _copy(document, keyword, value)


def _copy(document: Dataset, keyword: str, value: str) -> None:
    """Set a value as the images have it, even where a modality bent the rules of its VR."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    document.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE))


def _add_document(document: Dataset, content: ReportContent) -> None:
    """SR Document General module, PS3.3 C.17.2."""
    completion, verification, preliminary = FLAGS[content.state]
    document.CompletionFlag = completion
    document.VerificationFlag = verification
    document.PreliminaryFlag = preliminary
    document.ContentDate = content.written_at.strftime("%Y%m%d")
    document.ContentTime = content.written_at.strftime("%H%M%S")
    document.PerformedProcedureCodeSequence = []
    if content.observer is not None:
        author = Dataset()
        author.ObserverType = "PSN"
        author.PersonName = content.observer.name
        author.InstitutionName = content.observer.organization
        author.PersonIdentificationCodeSequence = []
        document.AuthorObserverSequence = [author]
    if content.verifications:
        document.VerifyingObserverSequence = [
            _verifying_observer(v.observer.name, v.observer.organization, v.verified_at)
            for v in content.verifications
        ]


def _verifying_observer(name: str, organization: str, time: datetime) -> Dataset:
    item = Dataset()
    item.VerifyingOrganization = organization
    item.VerificationDateTime = _date_time(time)
    item.VerifyingObserverName = name
    item.VerifyingObserverIdentificationCodeSequence = []
    return item


def _add_references(document: Dataset, content: ReportContent) -> None:
    """Evidence of this study and of others, and predecessor documents (PS3.3 C.17.2.3)."""
    shown = (
        image for section in content.sections for sentence in section.sentences for image in sentence.images
    )
    evidence = list(dict.fromkeys([*content.evidence, *shown]))
    same = [i for i in evidence if i.study_uid == content.study.study_uid]
    other = [i for i in evidence if i.study_uid != content.study.study_uid]
    if same:
        document.CurrentRequestedProcedureEvidenceSequence = _references(same)
    if other:
        document.PertinentOtherEvidenceSequence = _references(other)
    if content.predecessors:
        document.PredecessorDocumentsSequence = _references(content.predecessors)


def _references(instances: Iterable[SourceInstance]) -> list[Dataset]:
    """Hierarchical SOP Instance Reference macro: study, series, instance."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for instance in instances:
        sop = Dataset()
        sop.ReferencedSOPClassUID = UID(instance.sop_class_uid)
        sop.ReferencedSOPInstanceUID = UID(instance.sop_instance_uid)
        studies.setdefault(instance.study_uid, {}).setdefault(instance.series_uid, []).append(sop)
    items = []
    for study_uid, series in studies.items():
        item = Dataset()
        item.ReferencedSeriesSequence = []
        for series_uid, sops in series.items():
            level = Dataset()
            level.ReferencedSOPSequence = sops
            level.SeriesInstanceUID = UID(series_uid)
            item.ReferencedSeriesSequence.append(level)
        item.StudyInstanceUID = UID(study_uid)
        items.append(item)
    return items


def _encode_as_unicode_when_needed(document: Dataset) -> None:
    """Declare ISO_IR 192 when any text is not ASCII; the default repertoire needs nothing (PS3.5 6.1)."""
    ascii_only = True

    def look(_: Dataset, element: object) -> None:
        nonlocal ascii_only
        value = getattr(element, "value", "")
        if getattr(element, "VR", "") in {"PN", "LO", "SH", "ST", "LT", "UT", "UC"}:
            ascii_only = ascii_only and str(value).isascii()

    document.walk(look)
    if not ascii_only:
        document.SpecificCharacterSet = "ISO_IR 192"


def _date_time(time: datetime) -> str:
    return time.strftime("%Y%m%d%H%M%S%z")
