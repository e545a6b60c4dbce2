"""What every object that leaves has in common: identity, patient and study, references, rules of text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.header import is_uid
from pacs_bridge.received import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pacs_bridge.results.report_content import Code, ReportContent, SourceInstance, SourceStudy

MANUFACTURER = "Janus-Med"
UNICODE = "ISO_IR 192"

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
GRAYSCALE_SOFTCOPY_PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"

# high, so that the objects stand after the images
SERIES_NUMBERS = {
    BASIC_TEXT_SR: 9001,
    COMPREHENSIVE_3D_SR: 9002,
    GRAYSCALE_SOFTCOPY_PRESENTATION_STATE: 9003,
    SECONDARY_CAPTURE: 9004,
    ENCAPSULATED_PDF: 9005,
    KEY_OBJECT_SELECTION: 9006,
}

# PS3.5 6.1.3 and 6.2: of the control characters, text of several lines may hold TAB, LF, FF and CR
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_NOT_LINE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_TEXT_VRS = frozenset({"PN", "LO", "SH", "ST", "LT", "UT", "UC"})


def begin_object(sop_class_uid: str, content: ReportContent, *, modality: str, series: str) -> Dataset:
    """Begin an object: file meta information, SOP Common, patient, study, series and equipment.

    Parameters
    ----------
    sop_class_uid
        Of the object.
    content
        Identity, patient and study.
    modality, series
        Modality and Series Description of its series.

    Raises
    ------
    Rejected
        If a UID is none, or a value of patient or study could not be read back as it is.
    """
    document = Dataset()
    document.file_meta = _file_meta(sop_class_uid, content.sop_instance_uid)
    document.SOPClassUID = UID(sop_class_uid)
    document.SOPInstanceUID = UID(content.sop_instance_uid)
    copy_patient_and_study(document, content.study)
    document.Modality = modality
    document.SeriesInstanceUID = checked_uid(content.series_uid)
    number = content.series_number
    document.SeriesNumber = SERIES_NUMBERS[sop_class_uid] if number is None else number
    document.SeriesDescription = series
    document.InstanceNumber = content.instance_number
    document.Manufacturer = MANUFACTURER
    document.ManufacturerModelName = "janus-med"
    document.SoftwareVersions = IMPLEMENTATION_VERSION_NAME
    return document


def copy_patient_and_study(document: Dataset, study: SourceStudy) -> None:
    """Copy what the images say; type 2 attributes are there even when empty (PS3.3 C.7.1.1, C.7.2.1).

    Raises
    ------
    Rejected
        If a value would not be read from the object as it stands in the images.
    """
    always = {
        "PatientName": study.patient_name,
        "PatientID": study.patient_id,
        "PatientBirthDate": study.patient_birth_date,
        "PatientSex": study.patient_sex,
        "StudyInstanceUID": checked_uid(study.study_uid),
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
    copied = Dataset()
    for keyword, value in (always | {k: v for k, v in when_known.items() if v}).items():
        _copy(copied, keyword, value)
    _require_readable(copied)
    document.update(copied)


def reference_tree(instances: Iterable[SourceInstance]) -> list[Dataset]:
    """Return the items of the Hierarchical SOP Instance Reference macro: study, series, instance."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for instance in dict.fromkeys(instances):
        series = studies.setdefault(instance.study_uid, {}).setdefault(instance.series_uid, [])
        series.append(reference(instance))
    items = []
    for study_uid, levels in studies.items():
        item = Dataset()
        item.ReferencedSeriesSequence = []
        for series_uid, sops in levels.items():
            level = Dataset()
            level.ReferencedSOPSequence = sops
            level.SeriesInstanceUID = checked_uid(series_uid)
            item.ReferencedSeriesSequence.append(level)
        item.StudyInstanceUID = checked_uid(study_uid)
        items.append(item)
    return items


def reference(instance: SourceInstance) -> Dataset:
    """Return an item of the SOP Instance Reference macro (PS3.3 10.8)."""
    item = Dataset()
    item.ReferencedSOPClassUID = checked_uid(instance.sop_class_uid)
    item.ReferencedSOPInstanceUID = checked_uid(instance.sop_instance_uid)
    return item


def code_item(code: Code) -> Dataset:
    """Return an item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme
    item.CodeMeaning = code.meaning
    return item


def declare_character_set(document: Dataset) -> None:
    """Declare ISO_IR 192 when any text is not ASCII; the default repertoire needs nothing (PS3.5 6.1)."""
    ascii_only = True

    def look(_: Dataset, element: object) -> None:
        nonlocal ascii_only
        if getattr(element, "VR", "") in _TEXT_VRS:
            ascii_only = ascii_only and str(getattr(element, "value", "")).isascii()

    document.walk(look)
    if not ascii_only:
        document.SpecificCharacterSet = UNICODE


def checked_uid(value: str) -> UID:
    """Return a UID, or raise `Rejected` when the value cannot be one (PS3.5 9.1)."""
    if not is_uid(value):
        raise Rejected(CANNOT_UNDERSTAND, "a UID of the object is not 1 to 64 digits and dots")
    return UID(value)


def check_text(text: str) -> None:
    """Refuse text that UT, ST or LT cannot carry: empty, or with other control characters than they allow."""
    if not text.strip():
        raise Rejected(CANNOT_UNDERSTAND, "a text of the object is empty")
    if _NOT_TEXT.search(text):
        raise Rejected(CANNOT_UNDERSTAND, "a text holds control characters that DICOM text cannot")


def check_line(text: str, longest: int = 64) -> str:
    """Return text that fits LO or SH, or raise `Rejected`: a backslash would make two values of it."""
    if _NOT_LINE.search(text) or len(text) > longest:
        raise Rejected(
            CANNOT_UNDERSTAND,
            f"a name is longer than {longest} characters, or has a backslash or control codes",
        )
    return text


def date_time(time: datetime) -> str:
    """Return a DT value with its zone (PS3.5 6.2)."""
    return time.strftime("%Y%m%d%H%M%S%z")


def require_zone(*times: datetime) -> None:
    """Refuse a time that does not say its zone."""
    if any(time.tzinfo is None for time in times):
        raise Rejected(CANNOT_UNDERSTAND, "times of a report need a time zone")


def _file_meta(sop_class_uid: str, sop_instance_uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = checked_uid(sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _copy(document: Dataset, keyword: str, value: str) -> None:
    """Set a value as the images have it, even where a modality bent the rules of its VR."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    document.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE))


def _require_readable(copied: Dataset) -> None:
    """Encode the copied attributes and read them again: nothing may change on the way to the receiver."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    copied.SpecificCharacterSet = UNICODE
    try:
        write_dataset(buffer, copied)
        again = read_dataset(DicomBytesIO(buffer.getvalue()), False, True)
        changed = [e.keyword for e in copied if _plain(again[e.tag].value) != _plain(e.value)]
    except (UnicodeError, ValueError, TypeError, KeyError) as error:
        raise Rejected(
            CANNOT_UNDERSTAND, f"patient and study cannot be encoded: {type(error).__name__}"
        ) from None
    if changed:
        raise Rejected(CANNOT_UNDERSTAND, f"{changed[0]} holds characters that a DICOM object cannot keep")
    del copied.SpecificCharacterSet


def _plain(value: object) -> str:
    """Return a value without the trailing spaces that carry no meaning (PS3.5 6.2)."""
    return str(value).rstrip(" ")
