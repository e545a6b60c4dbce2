"""A DICOM audit message as plain values, and its XML (PS3.15 A.5): one act, one patient at most.

The receiver cannot ask back, so a message is cut rather than refused: `render_audit_message` leaves details
out, largest first, until it fits the size that every collector must take (PS3.15 A.6).
"""

from __future__ import annotations

import base64
import enum
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from xml.sax.saxutils import escape

LARGEST_MESSAGE = 32_768
# what is no Char of XML 1.0 (section 2.2)
_UNWRITABLE = re.compile("[^\t\n\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_ATTRIBUTES = {'"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#09;"}
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
    # written as text: trees of elements cost twice the time, and an export has a million messages
    parts = [
        "<AuditMessage>",
        _event(message),
        *(_participant(each) for each in message.participants),
        _source(message),
        *(_object(each) for each in message.objects),
        "</AuditMessage>",
    ]
    return "".join(parts).encode()


def _event(message: AuditMessage) -> str:
    at = message.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    attributes = _attributes(
        EventActionCode=message.action.value, EventDateTime=at, EventOutcomeIndicator=message.outcome.value
    )
    types = "".join(_code("EventTypeCode", code) for code in message.event_types)
    return f"<EventIdentification{attributes}>{_code('EventID', message.event)}{types}</EventIdentification>"


def _participant(participant: Participant) -> str:
    attributes = _attributes(
        UserID=participant.user_id or "unknown",
        UserName=participant.user_name,
        UserIsRequestor="true" if participant.is_requestor else "false",
    )
    if participant.access_point:
        attributes += _attributes(
            NetworkAccessPointID=participant.access_point,
            NetworkAccessPointTypeCode=participant.access_point_type.value,
        )
    return _element(
        "ActiveParticipant", attributes, "".join(_code("RoleIDCode", r) for r in participant.roles)
    )


def _source(message: AuditMessage) -> str:
    attributes = _attributes(AuditEnterpriseSiteID=message.site, AuditSourceID=message.source_id)
    # 4: application server process
    kind = _code("AuditSourceTypeCode", AuditCode("4", _RFC_3881, "Application Server"))
    return _element("AuditSourceIdentification", attributes, kind)


def _object(thing: ParticipantObject) -> str:
    attributes = _attributes(
        ParticipantObjectID=thing.object_id,
        ParticipantObjectTypeCode=str(thing.type_code),
        ParticipantObjectTypeCodeRole=str(thing.role),
    )
    inner = _code("ParticipantObjectIDTypeCode", thing.id_type)
    if thing.name:
        inner += f"<ParticipantObjectName>{escape(_writable(thing.name))}</ParticipantObjectName>"
    for name, value in thing.details:
        packed = base64.b64encode(value.encode()).decode()
        inner += f"<ParticipantObjectDetail{_attributes(type=name, value=packed)} />"
    return _element("ParticipantObjectIdentification", attributes, inner)


@lru_cache(maxsize=512)
def _code(name: str, code: AuditCode) -> str:
    """Both meanings: the standard names displayName, collectors of older schemas ask for originalText."""
    attributes = _attributes(
        **{"csd-code": code.value, "codeSystemName": code.scheme},
        displayName=code.meaning,
        originalText=code.meaning,
    )
    return f"<{name}{attributes} />"


def _element(name: str, attributes: str, inner: str) -> str:
    return f"<{name}{attributes}>{inner}</{name}>" if inner else f"<{name}{attributes} />"


def _attributes(**attributes: str) -> str:
    """Return the attributes that have a value."""
    return "".join(
        f' {name}="{escape(_writable(value), _IN_ATTRIBUTES)}"' for name, value in attributes.items() if value
    )


def _writable(text: str) -> str:
    """Return `text` without what XML 1.0 cannot hold (control characters, surrogates, U+FFFE, U+FFFF)."""
    return text if text.isascii() and text.isprintable() else _UNWRITABLE.sub("\ufffd", text)
