"""Read the header of a received data set: bounded, without pixels, without trusting a byte of it."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes

from pacs_bridge.elements import Encoding, Limits, Value, locate
from pacs_bridge.errors import CANNOT_UNDERSTAND, DOES_NOT_MATCH_SOP_CLASS, Rejected

UID_PATTERN = re.compile(r"[0-9.]{1,64}")
LONGEST_VALUE = 4096
_TEXT_DELIMITERS = {ord(c) for c in "\r\n\t\f\\"}
_NAME_DELIMITERS = {ord(c) for c in "^="}

_SPECIFIC_CHARACTER_SET = 0x00080005
_UIDS = {
    "sop_class_uid": 0x00080016,
    "sop_instance_uid": 0x00080018,
    "study_uid": 0x0020000D,
    "series_uid": 0x0020000E,
}
_UID_NAMES = {
    "sop_class_uid": "SOP Class UID",
    "sop_instance_uid": "SOP Instance UID",
    "study_uid": "Study Instance UID",
    "series_uid": "Series Instance UID",
}
_CODES = {
    "modality": 0x00080060,
    "study_date": 0x00080020,
    "study_time": 0x00080030,
    "patient_birth_date": 0x00100030,
    "patient_sex": 0x00100040,
    "body_part_examined": 0x00180015,
    "view_position": 0x00185101,
    "laterality": 0x00200060,
    "image_laterality": 0x00200062,
    "requested_procedure_priority": 0x00401003,
    "study_priority": 0x0032000C,
}
_TEXTS = {
    "patient_id": 0x00100020,
    "issuer_of_patient_id": 0x00100021,
    "accession_number": 0x00080050,
    "study_id": 0x00200010,
    "study_description": 0x00081030,
    "series_description": 0x0008103E,
}
_NAMES = {"patient_name": 0x00100010, "referring_physician_name": 0x00080090}
_NUMBERS = {
    "series_number": 0x00200011,
    "instance_number": 0x00200013,
    "number_of_frames": 0x00280008,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "number_of_study_related_instances": 0x00201208,
}
_WANTED = frozenset(
    {_SPECIFIC_CHARACTER_SET, *_UIDS.values(), *_CODES.values(), *_TEXTS.values(), *_NAMES.values()}
    | set(_NUMBERS.values())
)


@dataclass(frozen=True)
class InstanceHeader:
    """What intake needs to know of an instance; text is Unicode, absent values are empty or None.

    Person names keep their components and groups (``Yamada^Tarou=...``), dates and times their DICOM form,
    `specific_character_set` the defined terms as sent, separated by a backslash.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    transfer_syntax: str
    modality: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    series_description: str = ""
    referring_physician_name: str = ""
    body_part_examined: str = ""
    view_position: str = ""
    laterality: str = ""
    image_laterality: str = ""
    requested_procedure_priority: str = ""
    study_priority: str = ""
    specific_character_set: str = ""
    series_number: int | None = None
    instance_number: int | None = None
    number_of_frames: int | None = None
    rows: int | None = None
    columns: int | None = None
    number_of_study_related_instances: int | None = None


def read_header(
    data: memoryview | bytes, transfer_syntax: str, limits: Limits | None = None
) -> InstanceHeader:
    """Read the header of an encoded data set.

    Parameters
    ----------
    data
        The data set as it came over the association (no preamble, no file meta information).
    transfer_syntax
        UID of the transfer syntax it was sent with.
    limits
        How deep and how many elements are followed; `Limits()` when absent.

    Returns
    -------
    InstanceHeader

    Raises
    ------
    Rejected
        Status 0xC000 with the reason: not a data set in this transfer syntax, truncated (pixel data
        included), nested too deep, or without the four UIDs that place an instance (PS3.3 C.7.2.1, C.7.3.1,
        C.12.1).
    """
    view = memoryview(data)
    encoding = Encoding.of(transfer_syntax)
    found = locate(view, encoding, _WANTED, limits or Limits())
    reader = _Values(view, found, encoding)
    facts: dict[str, Any] = {name: reader.uid(tag, name) for name, tag in _UIDS.items()}
    facts |= {name: reader.code(tag) for name, tag in _CODES.items()}
    facts |= {name: reader.text(tag) for name, tag in _TEXTS.items()}
    facts |= {name: reader.name(tag) for name, tag in _NAMES.items()}
    facts |= {name: reader.number(tag) for name, tag in _NUMBERS.items()}
    return InstanceHeader(
        transfer_syntax=transfer_syntax,
        specific_character_set=reader.code(_SPECIFIC_CHARACTER_SET),
        **facts,
    )


def check_command(header: InstanceHeader, sop_class_uid: str, sop_instance_uid: str) -> None:
    """Refuse an instance whose C-STORE command names another instance than its data set.

    Raises
    ------
    Rejected
        Status 0xA900 (PS3.4 B.2.3).
    """
    if header.sop_class_uid != sop_class_uid:
        raise Rejected(
            DOES_NOT_MATCH_SOP_CLASS, "SOP Class UID of the C-STORE command differs from the data set's"
        )
    if header.sop_instance_uid != sop_instance_uid:
        raise Rejected(
            DOES_NOT_MATCH_SOP_CLASS, "SOP Instance UID of the C-STORE command differs from the data set's"
        )


def is_uid(value: str) -> bool:
    """Tell whether a value may be taken for a UID: 1 to 64 digits and dots, nothing else."""
    return UID_PATTERN.fullmatch(value) is not None


class _Values:
    """Decode located values; whatever is malformed but not needed to place the instance becomes empty."""

    def __init__(self, data: memoryview, found: dict[int, Value], encoding: Encoding) -> None:
        self.data = data
        self.found = found
        self.order = "<" if encoding.little_endian else ">"
        self.encodings = _encodings(self.code(_SPECIFIC_CHARACTER_SET))

    def raw(self, tag: int) -> bytes:
        value = self.found.get(tag)
        if value is None or value.length > LONGEST_VALUE:
            return b""
        return bytes(self.data[value.offset : value.offset + value.length])

    def uid(self, tag: int, name: str) -> str:
        keyword = _UID_NAMES[name]
        if tag not in self.found:
            raise Rejected(CANNOT_UNDERSTAND, f"the data set has no {keyword}")
        value = self.raw(tag).decode("latin-1").rstrip("\0 ")
        if not is_uid(value):
            raise Rejected(CANNOT_UNDERSTAND, f"the {keyword} is not a UID (1 to 64 digits and dots)")
        return value

    def code(self, tag: int) -> str:
        return self.raw(tag).decode("ascii", errors="replace").replace("\0", "").strip(" ")

    def text(self, tag: int) -> str:
        return self._decode(tag, _TEXT_DELIMITERS).strip(" ")

    def name(self, tag: int) -> str:
        return self._decode(tag, _NAME_DELIMITERS | _TEXT_DELIMITERS).rstrip(" ")

    def _decode(self, tag: int, delimiters: set[int]) -> str:
        """Decode PN, LO, SH, LT; a broken escape sequence must not keep an image out (PS3.5 6.1)."""
        raw = self.raw(tag)
        try:
            text = decode_bytes(raw, self.encodings, delimiters)
        except (LookupError, ValueError):
            text = raw.decode("latin-1")
        # pydicom 3.0.2 leaves the escape sequences of GB 2312 in the text (PS3.5 K.2)
        return text.replace("\x1b$)A", "").replace("\0", "")

    def number(self, tag: int) -> int | None:
        """Read US (2 bytes), the UL some devices write instead, or a decimal string (IS)."""
        value, raw = self.found.get(tag), self.raw(tag)
        if value is None or not raw:
            return None
        if tag >> 16 == 0x0028 and tag != _NUMBERS["number_of_frames"]:
            form = {2: "H", 4: "I"}.get(len(raw))
            return None if form is None else int(struct.unpack(self.order + form, raw)[0])
        try:
            return int(raw.decode("ascii").strip("\0 "))
        except ValueError:
            return None


def _encodings(specific_character_set: str) -> Sequence[str]:
    """Return Python codecs for the defined terms of Specific Character Set; unknown terms read as Latin-1."""
    terms = [term.strip() for term in specific_character_set.split("\\")]
    try:
        codecs: Sequence[str] = convert_encodings(terms)
    except (LookupError, ValueError):
        return ["iso8859"]
    return codecs
