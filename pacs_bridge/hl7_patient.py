"""Patients in HL7 v2 messages: PID, MRG, and the messages that correct or merge them (HL7 2.5.1 chapter 3).

Read are identifiers with their assigning authority, name, birth date and sex: what DICOM calls PatientID,
IssuerOfPatientID, PatientName, PatientBirthDate and PatientSex (IHE RAD TF-2 Appendix D).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pacs_bridge.hl7_message import Message, Segment

CORRECTIONS = frozenset({"A08", "A31"})
MERGES = frozenset({"A18", "A40"})
_RECORD_NUMBERS = ("MR", "PI", "PT", "")


class MissingField(ValueError):
    """A message lacks what it cannot do without; the text names segment and field, and no value."""


@dataclass(frozen=True)
class PatientFacts:
    """A patient as a message describes them; the name is a DICOM PN, dates are DA."""

    patient_id: str = field(repr=False)
    issuer: str
    name: str = field(repr=False)
    birth_date: str = field(repr=False)
    sex: str


@dataclass(frozen=True)
class Merge:
    """One identifier that is given up in favour of another."""

    surviving: PatientFacts
    former_id: str = field(repr=False)
    former_issuer: str


def read_patient(message: Message) -> PatientFacts:
    """Return the patient of an order or a correction.

    Raises
    ------
    MissingField
    """
    segment = message.first("PID")
    if segment is None:
        raise MissingField("PID is missing")
    return patient_of(segment)


def read_merges(message: Message) -> tuple[Merge, ...]:
    """Return the merges of A18 or A40, each made of a PID and the MRG that follows it.

    Raises
    ------
    MissingField
        If one of the two is missing, has no identifier, or both are the same.
    """
    merges: list[Merge] = []
    surviving: PatientFacts | None = None
    for segment in message.segments:
        if segment.name == "PID":
            surviving = patient_of(segment)
        elif segment.name == "MRG":
            if surviving is None:
                raise MissingField("MRG stands before its PID")
            merges.append(_merge(surviving, segment))
    if not merges:
        raise MissingField("MRG is missing")
    return tuple(merges)


def patient_of(segment: Segment) -> PatientFacts:
    """Return what a PID segment says.

    Raises
    ------
    MissingField
        If there is no identifier.
    """
    patient_id, issuer = _identifier(segment, 3)
    if not patient_id:
        patient_id, issuer = _identifier(segment, 2)
    if not patient_id:
        raise MissingField("PID-3 is empty")
    return PatientFacts(
        patient_id=patient_id,
        issuer=issuer,
        name=person_name(segment, 5),
        birth_date=_date(segment.text(7)),
        sex={"M": "M", "F": "F", "O": "O", "A": "O"}.get(segment.text(8).upper(), ""),
    )


def person_name(segment: Segment, number: int, first_component: int = 1) -> str:
    """Return a name field (XPN, or XCN from its second component on) as a DICOM PN (PS3.5 6.2).

    HL7 puts the suffix before the prefix, DICOM after it.
    """
    family, given, middle, suffix, prefix = (
        segment.text(number, first_component + place).replace("^", " ").replace("=", " ")
        for place in range(5)
    )
    return "^".join((family, given, middle, prefix, suffix)).rstrip("^")


def _merge(surviving: PatientFacts, segment: Segment) -> Merge:
    former_id, former_issuer = _identifier(segment, 1)
    if not former_id:
        raise MissingField("MRG-1 is empty")
    former_issuer = former_issuer or surviving.issuer
    if (former_id, former_issuer) == (surviving.patient_id, surviving.issuer):
        raise MissingField("MRG-1 and PID-3 are the same identifier")
    return Merge(surviving, former_id, former_issuer)


def _identifier(segment: Segment, number: int) -> tuple[str, str]:
    """Return identifier and assigning authority (CX): the medical record number where several are sent."""
    found = [
        (segment.part(given), segment.part(given, 4), segment.part(given, 5).upper())
        for given in segment.repetitions(number)
    ]
    usable = [identifier for identifier in found if identifier[0]]
    for kind in _RECORD_NUMBERS:
        for value, authority, type_code in usable:
            if type_code == kind:
                return value, authority
    return (usable[0][0], usable[0][1]) if usable else ("", "")


def _date(text: str) -> str:
    return text[:8] if len(text) >= 8 and text[:8].isdecimal() else ""
