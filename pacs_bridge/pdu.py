"""The protocol data units of PS3.8 9.3, decoded without trusting a byte and encoded for an acceptor.

Every decoder is a pure function of bytes that raises `ProtocolViolation` and nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from pacs_bridge.errors import ProtocolViolation

HEADER = struct.Struct(">BxL")
_ITEM = struct.Struct(">BxH")
_VALUE = struct.Struct(">LBB")
_FIXED = struct.Struct(">H2x16s16s32s")
MOST_CONTEXTS = 128


class PduType(IntEnum):
    """First byte of a PDU."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class ItemType(IntEnum):
    """First byte of an item or sub-item of an A-ASSOCIATE PDU (PS3.8 9.3.2, PS3.7 Annex D.3)."""

    APPLICATION_CONTEXT = 0x10
    PROPOSED_CONTEXT = 0x20
    CONTEXT_RESULT = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS = 0x52
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION = 0x55


@dataclass(frozen=True)
class ProposedContext:
    """A presentation context as the requestor proposes it."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True)
class Role:
    """SCP/SCU role selection of one SOP class (PS3.7 D.3.3.4): what the requestor is, or may be."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2).

    Attributes
    ----------
    called_ae, calling_ae
        Stripped of the spaces around them.
    echoed
        The fields that an acceptor sends back as they came (PS3.8 table 9-17).
    maximum_length
        Longest P-DATA-TF that the requestor takes; 0 for any.
    """

    protocol_version: int
    called_ae: str
    calling_ae: str
    echoed: bytes
    application_context: str
    contexts: tuple[ProposedContext, ...]
    roles: tuple[Role, ...]
    maximum_length: int


@dataclass(frozen=True)
class ContextResult:
    """The answer to one proposed context; `result` as in PS3.8 table 9-18: 0 accepted, 1, 3, 4 not."""

    context_id: int
    result: int
    transfer_syntax: str


class Fragment(NamedTuple):
    """A presentation data value (PS3.8 9.3.5.1, Annex E.2): a piece of a command set or a data set."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


def decode_associate_request(body: bytes | memoryview) -> AssociateRequest:
    """Read what follows the first six bytes of an A-ASSOCIATE-RQ.

    Raises
    ------
    ProtocolViolation
        If the bytes are none.
    """
    view = memoryview(body)
    if len(view) < _FIXED.size:
        raise ProtocolViolation("the A-ASSOCIATE-RQ is too short")
    version, called, calling, _ = _FIXED.unpack_from(view)
    application, maximum = "", 0
    contexts: list[ProposedContext] = []
    roles: list[Role] = []
    for kind, value in _items(view[_FIXED.size :]):
        if kind == ItemType.APPLICATION_CONTEXT:
            application = _uid(value)
        elif kind == ItemType.PROPOSED_CONTEXT:
            contexts.append(_proposed_context(value))
        elif kind == ItemType.USER_INFORMATION:
            maximum, roles = _user_information(value)
    identifiers = {context.context_id for context in contexts}
    if not contexts or len(contexts) > MOST_CONTEXTS or len(identifiers) != len(contexts):
        raise ProtocolViolation("the presentation contexts are none, too many or not distinct")
    return AssociateRequest(
        protocol_version=version,
        called_ae=_title(called),
        calling_ae=_title(calling),
        echoed=bytes(view[4 : _FIXED.size]),
        application_context=application,
        contexts=tuple(contexts),
        roles=tuple(roles),
        maximum_length=maximum,
    )


def fragments_of(body: memoryview) -> list[Fragment]:
    """Return the fragments of a P-DATA-TF; their data are views of the PDU.

    Raises
    ------
    ProtocolViolation
        If there are none, or one is empty or reaches past the end.
    """
    fragments, position, end = [], 0, len(body)
    while position < end:
        if position + 6 > end:
            raise ProtocolViolation("an empty fragment was sent, or the P-DATA-TF ends inside one")
        length, context_id, control = _VALUE.unpack_from(body, position)
        after = position + 4 + length
        if length < 2 or after > end:
            raise ProtocolViolation("an empty fragment was sent, or one reaches past its P-DATA-TF")
        fragments.append(
            Fragment(context_id, bool(control & 1), bool(control & 2), body[position + 6 : after])
        )
        position = after
    if not fragments:
        raise ProtocolViolation("a P-DATA-TF without fragments was sent")
    return fragments


def encode_accept(
    request: AssociateRequest,
    results: tuple[ContextResult, ...],
    roles: tuple[Role, ...],
    *,
    maximum_length: int,
    implementation_class_uid: str,
    implementation_version: str,
) -> bytes:
    """Return the A-ASSOCIATE-AC that answers a request (PS3.8 9.3.3)."""
    user = _item(ItemType.MAXIMUM_LENGTH, struct.pack(">L", maximum_length))
    user += _item(ItemType.IMPLEMENTATION_CLASS, implementation_class_uid.encode())
    for role in roles:
        uid = role.sop_class_uid.encode()
        value = struct.pack(">H", len(uid)) + uid + bytes((role.scu, role.scp))
        user += _item(ItemType.ROLE_SELECTION, value)
    user += _item(ItemType.IMPLEMENTATION_VERSION, implementation_version.encode())
    body = struct.pack(">HH", 1, 0) + request.echoed
    body += _item(ItemType.APPLICATION_CONTEXT, request.application_context.encode("latin-1"))
    for result in results:
        syntax = _item(ItemType.TRANSFER_SYNTAX, result.transfer_syntax.encode("latin-1"))
        body += _item(ItemType.CONTEXT_RESULT, bytes((result.context_id, 0, result.result, 0)) + syntax)
    return _pdu(PduType.ASSOCIATE_AC, body + _item(ItemType.USER_INFORMATION, user))


def encode_reject(result: int, source: int, diagnostic: int) -> bytes:
    """Return an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return _pdu(PduType.ASSOCIATE_RJ, bytes((0, result, source, diagnostic)))


def encode_release_response() -> bytes:
    """Return an A-RELEASE-RP (PS3.8 9.3.7)."""
    return _pdu(PduType.RELEASE_RP, bytes(4))


def encode_abort(source: int, reason: int) -> bytes:
    """Return an A-ABORT: source 0 is the service user, 2 the provider (PS3.8 9.3.8)."""
    return _pdu(PduType.ABORT, bytes((0, 0, source, reason)))


def encode_command(context_id: int, command: bytes, maximum_length: int) -> bytes:
    """Return the P-DATA-TF PDUs of a command set without data set, none longer than the peer takes."""
    size = max(2, maximum_length - 6) if maximum_length else len(command)
    pdus = []
    for start in range(0, len(command), size):
        piece = command[start : start + size]
        control = 1 if start + size < len(command) else 3
        pdus.append(_pdu(PduType.P_DATA, _VALUE.pack(len(piece) + 2, context_id, control) + piece))
    return b"".join(pdus)


def _items(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the type and the value of each item."""
    position = 0
    while position < len(view):
        if position + 4 > len(view):
            raise ProtocolViolation("an A-ASSOCIATE-RQ ends inside an item")
        kind, length = _ITEM.unpack_from(view, position)
        position += 4
        if position + length > len(view):
            raise ProtocolViolation("an item reaches past its A-ASSOCIATE-RQ")
        yield kind, view[position : position + length]
        position += length


def _proposed_context(value: memoryview) -> ProposedContext:
    """Read an item of type 20H (PS3.8 9.3.2.2)."""
    if len(value) < 4 or not value[0] & 1:
        raise ProtocolViolation("a presentation context has no odd identifier")
    abstract, transfer = [], []
    for kind, content in _items(value[4:]):
        if kind == ItemType.ABSTRACT_SYNTAX:
            abstract.append(_uid(content))
        elif kind == ItemType.TRANSFER_SYNTAX:
            transfer.append(_uid(content))
    if len(abstract) != 1 or not transfer:
        raise ProtocolViolation("a presentation context needs one abstract and a transfer syntax")
    return ProposedContext(value[0], abstract[0], tuple(transfer))


def _user_information(value: memoryview) -> tuple[int, list[Role]]:
    """Read maximum length and role selections; other sub-items need no answer (PS3.7 D.3.3)."""
    maximum, roles = 0, []
    for kind, content in _items(value):
        if kind == ItemType.MAXIMUM_LENGTH:
            if len(content) != 4:
                raise ProtocolViolation("the maximum length has not four bytes")
            maximum = int(struct.unpack(">L", content)[0])
        elif kind == ItemType.ROLE_SELECTION:
            roles.append(_role(content))
    return maximum, roles


def _role(content: memoryview) -> Role:
    """Read a role selection (PS3.7 table D.3-9)."""
    if len(content) < 4 or int.from_bytes(content[:2]) != len(content) - 4:
        raise ProtocolViolation("a role selection is malformed")
    return Role(_uid(content[2:-2]), bool(content[-2]), bool(content[-1]))


def _uid(value: memoryview) -> str:
    """Read a UID: at most 64 characters, no padding but the NUL that some senders add."""
    if len(value) > 65:
        raise ProtocolViolation("a UID is longer than 64 characters")
    return bytes(value).decode("latin-1").rstrip("\0 ")


def _title(value: bytes) -> str:
    return value.decode("latin-1").strip("\0 ")


def _item(kind: ItemType, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _pdu(kind: PduType, body: bytes) -> bytes:
    return HEADER.pack(kind, len(body)) + body
