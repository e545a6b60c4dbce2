"""What is fuzzed: readers of bytes from the network, each with the only errors that it may raise."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset

from pacs_bridge.command_set import decode_command
from pacs_bridge.errors import ProtocolViolation, Rejected
from pacs_bridge.header import read_header
from pacs_bridge.pdu import decode_associate_request, fragments_of
from pacs_bridge.pdu_buffer import PduBuffer
from tests.bridge.peers import EXPLICIT, IMPLICIT, encode, nested, radiograph

SYNTAXES = (EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.90")


@dataclass(frozen=True)
class Target:
    """A reader under fuzzing.

    Attributes
    ----------
    run
        Reads the bytes; whatever it raises but what is expected is a finding.
    corpus
        Inputs to begin with.
    longest
        Bytes of an input at most.
    """

    run: Callable[[bytes], None]
    corpus: tuple[bytes, ...]
    longest: int


def read_any_header(data: bytes) -> None:
    """The header reader, in the transfer syntax that the first byte chooses."""
    if data:
        try:
            read_header(memoryview(data)[1:], SYNTAXES[data[0] % len(SYNTAXES)])
        except Rejected:
            return


def read_any_request(data: bytes) -> None:
    """The reader of A-ASSOCIATE-RQ."""
    try:
        decode_associate_request(data)
    except ProtocolViolation:
        return


def read_any_stream(data: bytes) -> None:
    """A whole stream of PDUs, in pieces of a size that the first byte chooses, down to the command sets."""
    step = max(1, data[0]) if data else 1
    buffer = PduBuffer(16_384)
    try:
        for start in range(1, len(data), step):
            _feed(buffer, data[start : start + step])
    except ProtocolViolation:
        return


def read_any_command(data: bytes) -> None:
    """The reader of command sets."""
    try:
        decode_command(data)
    except ProtocolViolation:
        return


def _feed(buffer: PduBuffer, piece: bytes) -> None:
    while piece:
        space = buffer.space()
        count = min(len(space), len(piece))
        space[:count] = piece[:count]
        buffer.filled(count, _take)
        piece = piece[count:]


def _take(kind: int, body: memoryview) -> None:
    if kind == 1:
        decode_associate_request(body)
    elif kind == 4:
        for fragment in fragments_of(body):
            if fragment.is_command:
                decode_command(bytes(fragment.data))


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxL", kind, len(body)) + body


def associate_request() -> bytes:
    """A valid A-ASSOCIATE-RQ, without its header."""
    from pynetdicom import AE, build_context
    from pynetdicom.pdu import A_ASSOCIATE_RQ
    from pynetdicom.pdu_primitives import (
        A_ASSOCIATE,
        ImplementationClassUIDNotification,
        MaximumLengthNotification,
        SCP_SCU_RoleSelectionNegotiation,
    )

    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "MODALITY1", "JANUSMED"
    contexts = [build_context("1.2.840.10008.1.1"), build_context("1.2.840.10008.5.1.4.1.1.1")]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = contexts
    length, version = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16_384
    version.implementation_class_uid = AE().implementation_class_uid
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = "1.2.840.10008.1.20.1", True, True
    primitive.user_information = [length, version, role]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode()[6:])


def command(field: int, **more: int | str) -> bytes:
    """A command set of PS3.7 Annex E."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    dataset = Dataset()
    dataset.CommandGroupLength = 0
    dataset.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    dataset.CommandField = field
    dataset.MessageID = 1
    dataset.Priority = 0
    dataset.CommandDataSetType = 0x0101
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = buffer.is_little_endian = True
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def fragment(context_id: int, data: bytes, *, is_command: bool, is_last: bool = True) -> bytes:
    """A presentation data value."""
    return struct.pack(">LBB", len(data) + 2, context_id, int(is_command) + 2 * int(is_last)) + data


def session() -> bytes:
    """The bytes of a whole association: request, C-ECHO, C-STORE, release."""
    image = encode(radiograph())
    echo = command(0x0030, AffectedSOPClassUID="1.2.840.10008.1.1")
    uid = "1.2.826.0.1.3680043.10.1499.1"
    store = command(0x0001, MessageID=2, CommandDataSetType=1, AffectedSOPInstanceUID=uid)
    return b"".join(
        (
            _pdu(1, associate_request()),
            _pdu(4, fragment(1, echo, is_command=True)),
            _pdu(4, fragment(3, store, is_command=True)),
            _pdu(4, fragment(3, image[:300], is_command=False, is_last=False)),
            _pdu(4, fragment(3, image[300:], is_command=False)),
            _pdu(5, bytes(4)),
        )
    )


def targets() -> Mapping[str, Target]:
    """Return every target by its name."""
    headers = [bytes([0]) + encode(radiograph()), bytes([1]) + encode(radiograph(), IMPLICIT)]
    headers += [bytes([0]) + nested(9, undefined=undefined) for undefined in (False, True)]
    return {
        "header": Target(read_any_header, tuple(headers), 4096),
        "request": Target(read_any_request, (associate_request(),), 4096),
        "stream": Target(read_any_stream, (bytes([64]) + session(),), 8192),
        "command": Target(
            read_any_command, tuple(command(field) for field in (1, 0x30, 0x100, 0x130, 0xFFF)), 1024
        ),
    }
