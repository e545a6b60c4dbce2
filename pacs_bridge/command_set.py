"""Command sets of DIMSE messages: group 0000 in implicit VR little endian (PS3.7 6.3.1, Annex E)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from pacs_bridge.errors import SUCCESS, ProtocolViolation

NO_DATA_SET = 0x0101
_ELEMENT = struct.Struct("<HHL")
_RESPONSE = 0x8000
_AFFECTED_CLASS, _REQUESTED_CLASS = 0x0002, 0x0003
_FIELD, _MESSAGE_ID, _RESPONDED_TO = 0x0100, 0x0110, 0x0120
_DATA_SET_TYPE, _STATUS, _ERROR_COMMENT = 0x0800, 0x0900, 0x0902
_AFFECTED_INSTANCE, _REQUESTED_INSTANCE = 0x1000, 0x1001
_EVENT_TYPE, _ACTION_TYPE = 0x1002, 0x1008


class CommandField(IntEnum):
    """Requests of PS3.7 table E.1-1 that are told apart here."""

    C_STORE = 0x0001
    C_ECHO = 0x0030
    C_CANCEL = 0x0FFF
    N_EVENT_REPORT = 0x0100
    N_ACTION = 0x0130


@dataclass(frozen=True)
class Command:
    """A command set.

    Attributes
    ----------
    field
        Command Field (0000,0100).
    sop_class_uid, sop_instance_uid
        Affected, or Requested where the message has that (N-ACTION); empty when absent.
    type_id
        Action Type ID or Event Type ID; None when absent.
    """

    field: int
    message_id: int
    has_data_set: bool
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    type_id: int | None = None

    @property
    def is_request(self) -> bool:
        """Whether it asks for something (PS3.7 E.1: the high bit marks a response)."""
        return not self.field & _RESPONSE


def decode_command(data: bytes | bytearray) -> Command:
    """Read a command set.

    Raises
    ------
    ProtocolViolation
        If the bytes are none, or a field that every message must have is missing.
    """
    elements = _elements(data)
    field = _number(elements, _FIELD)
    data_set_type = _number(elements, _DATA_SET_TYPE)
    if field is None or data_set_type is None:
        raise ProtocolViolation("a command set without command field or data set type was sent")
    message_id = _number(elements, _MESSAGE_ID)
    if message_id is None and not field & _RESPONSE and field != CommandField.C_CANCEL:
        raise ProtocolViolation("a request without message identifier was sent")
    is_action = field == CommandField.N_ACTION
    return Command(
        field=field,
        message_id=message_id or 0,
        has_data_set=data_set_type != NO_DATA_SET,
        sop_class_uid=_uid(elements, _AFFECTED_CLASS) or _uid(elements, _REQUESTED_CLASS),
        sop_instance_uid=_uid(elements, _AFFECTED_INSTANCE) or _uid(elements, _REQUESTED_INSTANCE),
        type_id=_number(elements, _ACTION_TYPE if is_action else _EVENT_TYPE),
    )


def encode_response(request: Command, status: int, comment: str = "") -> bytes:
    """Return the command set that answers a request; none of ours carries a data set.

    Parameters
    ----------
    comment
        Error Comment (0000,0902) for the sender's administrator; sent with a failure, cut to 64 characters.
    """
    elements: dict[int, bytes] = {
        _FIELD: struct.pack("<H", request.field | _RESPONSE),
        _RESPONDED_TO: struct.pack("<H", request.message_id),
        _DATA_SET_TYPE: struct.pack("<H", NO_DATA_SET),
        _STATUS: struct.pack("<H", status),
    }
    if request.sop_class_uid:
        elements[_AFFECTED_CLASS] = _padded(request.sop_class_uid, b"\0")
    if request.sop_instance_uid:
        elements[_AFFECTED_INSTANCE] = _padded(request.sop_instance_uid, b"\0")
    if comment and status != SUCCESS:
        elements[_ERROR_COMMENT] = _padded(comment[:64], b" ")
    if request.type_id is not None:
        is_action = request.field == CommandField.N_ACTION
        elements[_ACTION_TYPE if is_action else _EVENT_TYPE] = struct.pack("<H", request.type_id)
    body = b"".join(
        _ELEMENT.pack(0, element, len(value)) + value for element, value in sorted(elements.items())
    )
    return _ELEMENT.pack(0, 0, 4) + struct.pack("<L", len(body)) + body


def _elements(data: bytes | bytearray) -> dict[int, bytes]:
    """Return the values of group 0000 by element number."""
    found: dict[int, bytes] = {}
    position, end = 0, len(data)
    while position < end:
        if position + 8 > end:
            raise ProtocolViolation("a command set ends inside an element")
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += 8
        if group != 0 or element in found or position + length > end:
            raise ProtocolViolation("a command set holds another group, an element twice, or ends in one")
        found[element] = bytes(data[position : position + length])
        position += length
    return found


def _number(elements: Mapping[int, bytes], element: int) -> int | None:
    value = elements.get(element)
    if value is None:
        return None
    if len(value) != 2:
        raise ProtocolViolation("a number in a command set has not two bytes")
    return int(struct.unpack("<H", value)[0])


def _uid(elements: Mapping[int, bytes], element: int) -> str:
    return elements.get(element, b"").decode("latin-1").rstrip("\0 ")


def _padded(value: str, padding: bytes) -> bytes:
    encoded = value.encode("latin-1", "replace")
    return encoded + padding * (len(encoded) % 2)
