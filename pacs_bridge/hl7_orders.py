"""Orders in HL7 v2 messages: ORM^O01 and OMI^O23 (HL7 2.5.1 chapter 4, IHE RAD-2, RAD-3 and RAD-4).

Segments are grouped by what they are, not by where they must stand: an OBR before its ORC or a TQ1 after its
OBR is understood. The accession number is IPC-1 (OMI), else OBR-18 (IHE RAD-4), else the filler order number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pacs_bridge.hl7_message import Message, Segment
from pacs_bridge.hl7_patient import MissingField, PatientFacts, person_name, read_patient

ORDER_MESSAGES = frozenset({("ORM", "O01"), ("OMI", "O23")})
_OF_AN_ORDER = frozenset({"ORC", "OBR", "TQ1", "IPC", "NTE"})
_PRIORITIES = {"S": "STAT", "STAT": "STAT", "ST": "STAT", "A": "HIGH", "ASAP": "HIGH", "R": "ROUTINE"}
_PREGNANT = "B6"


class OrderControl(StrEnum):
    """What a message does to an order (HL7 table 0119, and the order status of table 0038)."""

    PLACE = "place"
    CHANGE = "change"
    START = "start"
    COMPLETE = "complete"
    CANCEL = "cancel"


_CONTROLS = {
    "NW": OrderControl.PLACE,
    "SN": OrderControl.PLACE,
    "NA": OrderControl.CHANGE,
    "OK": OrderControl.CHANGE,
    "XO": OrderControl.CHANGE,
    "XX": OrderControl.CHANGE,
    "XR": OrderControl.CHANGE,
    "RO": OrderControl.CHANGE,
    "RP": OrderControl.CHANGE,
    "SC": OrderControl.CHANGE,
    "SR": OrderControl.CHANGE,
    "RE": OrderControl.CHANGE,
    "RL": OrderControl.CHANGE,
    "CA": OrderControl.CANCEL,
    "CR": OrderControl.CANCEL,
    "OC": OrderControl.CANCEL,
    "DC": OrderControl.CANCEL,
    "DR": OrderControl.CANCEL,
    "OD": OrderControl.CANCEL,
}
_STATUSES = {
    "IP": OrderControl.START,
    "A": OrderControl.START,
    "CM": OrderControl.COMPLETE,
    "CA": OrderControl.CANCEL,
    "DC": OrderControl.CANCEL,
}


class UnknownControl(ValueError):
    """ORC-1 asks for something that is not done here."""


@dataclass(frozen=True)
class OrderFacts:
    """One order of a message; what the message does not say is empty.

    Attributes
    ----------
    priority
        ``STAT``, ``HIGH``, ``ROUTINE`` as DICOM names them, or empty.
    """

    control: OrderControl
    placer_number: str
    filler_number: str
    accession_number: str
    patient: PatientFacts
    procedure_code: str
    procedure: str
    indication: str = field(repr=False)
    priority: str
    requesting_physician: str = field(repr=False)
    pregnancy: str = field(repr=False)
    allergies: str = field(repr=False)


@dataclass
class _Group:
    """The segments of one order."""

    first: dict[str, Segment] = field(default_factory=dict)
    notes: list[Segment] = field(default_factory=list)

    def add(self, segment: Segment) -> None:
        if segment.name == "NTE":
            self.notes.append(segment)
        else:
            self.first.setdefault(segment.name, segment)

    def text(self, name: str, number: int, component: int = 1) -> str:
        return self.first[name].text(number, component) if name in self.first else ""


def read_orders(message: Message) -> tuple[OrderFacts, ...]:
    """Return the orders of an ORM^O01 or OMI^O23.

    Raises
    ------
    MissingField
        If there is no patient, no order, or an order without any number.
    UnknownControl
    """
    patient = read_patient(message)
    shared = _pregnancy(message), _allergies(message)
    orders = tuple(_order(group, patient, *shared) for group in _groups(message))
    if not orders:
        raise MissingField("ORC and OBR are missing")
    return orders


def _groups(message: Message) -> list[_Group]:
    groups: list[_Group] = []
    current: _Group | None = None
    for segment in message.segments:
        if segment.name not in _OF_AN_ORDER:
            continue
        begins = segment.name in {"ORC", "OBR"} and (current is None or segment.name in current.first)
        if begins:
            current = _Group()
            groups.append(current)
        # a note before the first order is about the patient
        if current is not None:
            current.add(segment)
    return groups


def _order(group: _Group, patient: PatientFacts, pregnancy: str, allergies: str) -> OrderFacts:
    placer = group.text("ORC", 2) or group.text("OBR", 2)
    filler = group.text("ORC", 3) or group.text("OBR", 3)
    accession = group.text("IPC", 1) or group.text("OBR", 18) or filler
    if not (placer or filler or accession):
        raise MissingField("ORC-2, ORC-3, OBR-18 and IPC-1 are empty: the order has no number")
    return OrderFacts(
        control=_control(group),
        placer_number=placer,
        filler_number=filler,
        accession_number=accession,
        patient=patient,
        procedure_code=group.text("OBR", 4, 1),
        procedure=group.text("OBR", 4, 2) or group.text("OBR", 44, 2),
        indication=_indication(group),
        priority=_priority(group),
        requesting_physician=_physician(group),
        pregnancy=pregnancy,
        allergies=allergies,
    )


def _control(group: _Group) -> OrderControl:
    code, status = group.text("ORC", 1).upper(), group.text("ORC", 5).upper()
    if not code and "ORC" not in group.first:
        return OrderControl.PLACE
    if code not in _CONTROLS:
        raise UnknownControl("ORC-1 is none of the order controls that are understood")
    control = _CONTROLS[code]
    return control if control is OrderControl.CANCEL else _STATUSES.get(status, control)


def _indication(group: _Group) -> str:
    """Return reason for study (OBR-31), relevant clinical information (OBR-13) and notes, each text once."""
    texts: list[str] = []
    if "OBR" in group.first:
        order = group.first["OBR"]
        texts += [order.part(given, 2) or order.part(given, 1) for given in order.repetitions(31)]
        texts.append(order.whole(13))
    texts += [note.whole(3) for note in group.notes]
    return "\n".join(dict.fromkeys(text for text in texts if text))


def _priority(group: _Group) -> str:
    """Return the priority of TQ1-9, OBR-27, ORC-7 (component 6 of TQ) or the old OBR-5."""
    given = (
        group.text("TQ1", 9) or group.text("OBR", 27, 6) or group.text("ORC", 7, 6) or group.text("OBR", 5)
    ).upper()
    return _PRIORITIES.get(given, "ROUTINE" if given else "")


def _physician(group: _Group) -> str:
    for name, number in (("OBR", 16), ("ORC", 12)):
        if name in group.first:
            found = person_name(group.first[name], number, first_component=2)
            if found:
                return found
    return ""


def _pregnancy(message: Message) -> str:
    visit = message.first("PV1")
    codes = [] if visit is None else [visit.part(given) for given in visit.repetitions(15)]
    return "pregnant" if _PREGNANT in codes else ""


def _allergies(message: Message) -> str:
    named = (
        segment.text(3, 2) or segment.text(3, 1) for segment in message.segments if segment.name == "AL1"
    )
    return "; ".join(dict.fromkeys(text for text in named if text))
