"""A DICOM audit message as plain values, and its XML (PS3.15 A.5): one act, one patient at most.

The receiver cannot ask back, so a message is cut rather than refused: `render_audit_message` leaves details
out, largest first, until it fits the size that every collector must take (PS3.15 A.6).
"""

from __future__ import annotations

import base64
import enum
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from xml.etree import ElementTree

LARGEST_MESSAGE = 32_768
_DCM = "DCM"
_RFC_3881 = "RFC-3881"


class EventAction(enum.StrEnum):
    """EventActionCode: create, read, update, delete, execute."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


class EventOutcome(enum.StrEnum):
    """EventOutcomeIndicator."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"
    MAJOR_FAILURE = "12"


class AccessPoint(enum.StrEnum):
    """NetworkAccessPointTypeCode."""

    MACHINE_NAME = "1"
    IP_ADDRESS = "2"


@dataclass(frozen=True)
class AuditCode:
    """A coded value: code, code system and what it means."""

    value: str
    scheme: str
    meaning: str


APPLICATION = AuditCode("110150", _DCM, "Application")
PATIENT_NUMBER = AuditCode("2", _RFC_3881, "Patient Number")
STUDY_UID = AuditCode("110180", _DCM, "Study Instance UID")
REPORT_NUMBER = AuditCode("9", _RFC_3881, "Report Number")
URI = AuditCode("12", _RFC_3881, "URI")


@dataclass(frozen=True)
class Participant:
    """Who or what took part (ActiveParticipant).

    Attributes
    ----------
    access_point
        Address or name of the machine; empty when unknown.
    """

    user_id: str
    is_requestor: bool
    user_name: str = ""
    roles: tuple[AuditCode, ...] = ()
    access_point: str = ""
    access_point_type: AccessPoint = AccessPoint.MACHINE_NAME


@dataclass(frozen=True)
class ParticipantObject:
    """What was acted on (ParticipantObjectIdentification).

    Attributes
    ----------
    type_code
        1 person, 2 system object.
    role
        1 patient, 3 report, 13 security resource, ... (PS3.15 table A.5.2-1).
    details
        Name and value; the value is base64 in the XML.
    """

    object_id: str
    id_type: AuditCode
    type_code: int
    role: int
    name: str = ""
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class AuditMessage:
    """One act.

    Attributes
    ----------
    at
        Aware.
    source_id
        AuditSourceID: which system tells it; `site` is its enterprise site.
    """

    event: AuditCode
    action: EventAction
    at: datetime
    outcome: EventOutcome
    source_id: str
    event_types: tuple[AuditCode, ...] = ()
    participants: tuple[Participant, ...] = ()
    objects: tuple[ParticipantObject, ...] = ()
    site: str = ""


def render_audit_message(message: AuditMessage, *, largest: int = LARGEST_MESSAGE) -> bytes:
    """Return the message as XML, UTF-8 without declaration, no longer than `largest` octets.

    Raises
    ------
    ValueError
        If it names no participant, more than one patient, or a time without zone; if it is too long even
        without details.
    """
    _check(message)
    rendered = _encode(message)
    while len(rendered) > largest:
        shorter = _without_longest_detail(message)
        if shorter is None:
            raise ValueError(f"an audit message of {len(rendered)} octets cannot be cut to {largest}")
        message, rendered = shorter, _encode(shorter)
    return rendered


def _check(message: AuditMessage) -> None:
    if not message.participants:
        raise ValueError("an audit message names at least one participant")
    if sum(thing.role == 1 for thing in message.objects) > 1:
        raise ValueError("an audit message is about one patient at most (PS3.15 A.5.2)")
    if message.at.tzinfo is None:
        raise ValueError("the time of an audit message needs a zone")


def _without_longest_detail(message: AuditMessage) -> AuditMessage | None:
    """Put a note in the place of the longest detail; None when there is nothing left to cut."""
    places = [
        (len(value), i, k)
        for i, thing in enumerate(message.objects)
        for k, (_, value) in enumerate(thing.details)
    ]
    longest = max(places, default=(0, 0, 0))
    note = f"left out: {longest[0]} characters"
    if longest[0] <= len(note):
        return None
    _, i, k = longest
    thing = message.objects[i]
    details = (*thing.details[:k], (thing.details[k][0], note), *thing.details[k + 1 :])
    objects = (*message.objects[:i], replace(thing, details=details), *message.objects[i + 1 :])
    return replace(message, objects=objects)


def _encode(message: AuditMessage) -> bytes:
    root = ElementTree.Element("AuditMessage")
    _add_event(root, message)
    for participant in message.participants:
        _add_participant(root, participant)
    source = ElementTree.SubElement(root, "AuditSourceIdentification")
    _set(source, AuditEnterpriseSiteID=message.site, AuditSourceID=message.source_id)
    # 4: application server process
    _add_code(source, "AuditSourceTypeCode", AuditCode("4", _RFC_3881, "Application Server"))
    for thing in message.objects:
        _add_object(root, thing)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=False)


def _add_event(root: ElementTree.Element, message: AuditMessage) -> None:
    event = ElementTree.SubElement(root, "EventIdentification")
    at = message.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    _set(
        event,
        EventActionCode=message.action.value,
        EventDateTime=at,
        EventOutcomeIndicator=message.outcome.value,
    )
    _add_code(event, "EventID", message.event)
    for code in message.event_types:
        _add_code(event, "EventTypeCode", code)


def _add_participant(root: ElementTree.Element, participant: Participant) -> None:
    element = ElementTree.SubElement(root, "ActiveParticipant")
    _set(
        element,
        UserID=participant.user_id or "unknown",
        UserName=participant.user_name,
        UserIsRequestor="true" if participant.is_requestor else "false",
    )
    if participant.access_point:
        _set(
            element,
            NetworkAccessPointID=participant.access_point,
            NetworkAccessPointTypeCode=participant.access_point_type.value,
        )
    for role in participant.roles:
        _add_code(element, "RoleIDCode", role)


def _add_object(root: ElementTree.Element, thing: ParticipantObject) -> None:
    element = ElementTree.SubElement(root, "ParticipantObjectIdentification")
    _set(
        element,
        ParticipantObjectID=thing.object_id,
        ParticipantObjectTypeCode=str(thing.type_code),
        ParticipantObjectTypeCodeRole=str(thing.role),
    )
    _add_code(element, "ParticipantObjectIDTypeCode", thing.id_type)
    if thing.name:
        ElementTree.SubElement(element, "ParticipantObjectName").text = _writable(thing.name)
    for name, value in thing.details:
        detail = ElementTree.SubElement(element, "ParticipantObjectDetail")
        _set(detail, type=name, value=base64.b64encode(value.encode()).decode())


def _add_code(parent: ElementTree.Element, name: str, code: AuditCode) -> None:
    """Both meanings: the standard names displayName, collectors of older schemas ask for originalText."""
    element = ElementTree.SubElement(parent, name)
    _set(
        element,
        **{"csd-code": code.value, "codeSystemName": code.scheme},
        displayName=code.meaning,
        originalText=code.meaning,
    )


def _set(element: ElementTree.Element, **attributes: str) -> None:
    """Set the attributes that have a value."""
    for name, value in attributes.items():
        if value:
            element.set(name, _writable(value))


def _writable(text: str) -> str:
    """Return `text` without what XML 1.0 cannot hold (control characters, surrogates, U+FFFE, U+FFFF)."""
    return "".join(character if _is_xml(ord(character)) else "\ufffd" for character in text)


def _is_xml(code: int) -> bool:
    return code in {0x9, 0xA, 0xD} or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF
