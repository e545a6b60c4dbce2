"""What a search returns of each study, series and instance (PS3.18 tables 10.6.3-3 to 10.6.3-5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.domain.dicomweb import Found, InstanceFacts, SeriesFacts, StudyFacts
from pacs_bridge.header import InstanceHeader

DicomJson = dict[str, Any]
HeaderOf = Callable[[str], InstanceHeader | None]

# returned when asked for by `includefield`; everything else always
OPTIONAL = frozenset({"00081030", "00100021", "00180015", "00185101", "00200060", "00083002"})


class Describer:
    """Describes rows of a search.

    Parameters
    ----------
    base
        Address of the service.
    header_of
        The header of a spooled instance by SOP Instance UID, for what the database does not hold.
    bits_of
        Bits Allocated of an object by its digest; None for an object without pixels.
    fields
        Optional tags that are wanted.
    is_confined
        Whether the study stands in the address: then it is not described again for each of its rows.
    """

    def __init__(
        self,
        *,
        base: str,
        header_of: HeaderOf,
        bits_of: Callable[[str], int | None],
        fields: frozenset[str],
        is_confined: bool,
    ) -> None:
        self._base = base
        self._header_of = header_of
        self._bits_of = bits_of
        self._fields = fields
        self._is_confined = is_confined and "all" not in fields

    def describe(self, found: Found) -> DicomJson:
        """Return the attributes of one row as DICOM JSON, sorted by tag."""
        match found:
            case StudyFacts():
                attributes = self._study(found)
            case SeriesFacts():
                attributes = self._upper_study(found.study) | self._series(found)
            case InstanceFacts():
                series = found.series
                upper = {} if self._is_confined else self._series(series)
                upper["0020000E"] = _text("UI", series.series_uid)
                upper["00080060"] = _text("CS", series.modality)
                attributes = self._upper_study(series.study) | upper | self._instance(found)
        wanted = {tag: value for tag, value in attributes.items() if self._is_wanted(tag)}
        return dict(sorted(wanted.items()))

    def _is_wanted(self, tag: str) -> bool:
        return tag not in OPTIONAL or tag in self._fields or "all" in self._fields

    def _upper_study(self, study: StudyFacts) -> DicomJson:
        if self._is_confined:
            return {"0020000D": _text("UI", study.study.study_uid)}
        return self._study(study)

    def _study(self, facts: StudyFacts) -> DicomJson:
        study, patient = facts.study, facts.study.patient
        header = self._header_of(facts.any_sop_uid)
        return {
            "00080005": _text("CS", "ISO_IR 192"),
            "00080020": _text("DA", study.study_date),
            "00080030": _text("TM", study.study_time),
            "00080050": _text("SH", study.accession_number),
            "00080056": _text("CS", "ONLINE"),
            "00080061": {"vr": "CS", "Value": list(facts.modalities)} if facts.modalities else {"vr": "CS"},
            "00080090": _name(study.referring_physician),
            "00081030": _text("LO", study.description),
            "00081190": _text("UR", f"{self._base}/studies/{study.study_uid}"),
            "00100010": _name(patient.name),
            "00100020": _text("LO", patient.patient_id),
            "00100021": _text("LO", patient.issuer),
            "00100030": _text("DA", patient.birth_date),
            "00100040": _text("CS", patient.sex),
            "0020000D": _text("UI", study.study_uid),
            "00200010": _text("SH", header.study_id if header else ""),
            "00201206": _number(facts.series_count),
            "00201208": _number(study.instance_count),
        }

    def _series(self, facts: SeriesFacts) -> DicomJson:
        header = self._header_of(facts.any_sop_uid)
        study_uid = facts.study.study.study_uid
        return {
            "00080060": _text("CS", facts.modality),
            "0008103E": _text("LO", header.series_description if header else ""),
            "00081190": _text("UR", f"{self._base}/studies/{study_uid}/series/{facts.series_uid}"),
            "00180015": _text("CS", header.body_part_examined if header else ""),
            "00200060": _text("CS", header.laterality if header else ""),
            "0020000E": _text("UI", facts.series_uid),
            "00200011": _number(header.series_number if header else None),
            "00201209": _number(facts.instance_count),
        }

    def _instance(self, facts: InstanceFacts) -> DicomJson:
        instance = facts.instance
        header = self._header_of(instance.sop_uid)
        path = f"studies/{instance.study_uid}/series/{instance.series_uid}/instances/{instance.sop_uid}"
        attributes = {
            "00080016": _text("UI", instance.sop_class_uid),
            "00080018": _text("UI", instance.sop_uid),
            "00080056": _text("CS", "ONLINE"),
            "00081190": _text("UR", f"{self._base}/{path}"),
            "00083002": _text("UI", instance.transfer_syntax_uid),
            "00185101": _text("CS", header.view_position if header else ""),
            "00200013": _number(instance.instance_number),
        }
        if not instance.is_image:
            return attributes
        frames = header.number_of_frames if header else None
        return attributes | {
            "00280008": _number(frames or 1),
            "00280010": _number(instance.rows, "US"),
            "00280011": _number(instance.columns, "US"),
            "00280100": _number(self._bits_of(instance.sha256), "US"),
        }


def _text(vr: str, value: str) -> DicomJson:
    return {"vr": vr, "Value": [value]} if value else {"vr": vr}


def _number(value: int | None, vr: str = "IS") -> DicomJson:
    return {"vr": vr} if value is None else {"vr": vr, "Value": [value]}


def _name(value: str) -> DicomJson:
    """Return a person name with its component groups (PS3.18 F.2.2)."""
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), value.split("="), strict=False)
    components = {group: text for group, text in groups if text}
    return {"vr": "PN", "Value": [components]} if components else {"vr": "PN"}
