"""What talks to the listener in these tests: real associations with any bytes, and sockets with raw PDUs."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)

from pacs_bridge.reactor_gate import keep_answers_from_the_reactor

CR = "1.2.840.10008.5.1.4.1.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = str(ExplicitVRLittleEndian)
IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
CALLING = "MODALITY1"
CALLED = "JANUSMED"


def radiograph(*, side: int = 16, pixels: bool = True, **attributes: Any) -> Dataset:
    """A small CR image with fresh UIDs; keyword arguments override elements."""
    dataset = Dataset()
    dataset.SOPClassUID = CR
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyDate = "20261122"
    dataset.StudyTime = "101500"
    dataset.AccessionNumber = "A1"
    dataset.Modality = "CR"
    dataset.StudyDescription = "CHEST"
    dataset.PatientName = "Example^Person"
    dataset.PatientID = "P1"
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.InstanceNumber = 1
    if pixels:
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.Rows = dataset.Columns = side
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit = 15
        dataset.PixelRepresentation = 0
        dataset.add_new(0x7FE00010, "OW", bytes(2 * side * side))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def encode(dataset: Dataset, transfer_syntax: str = EXPLICIT) -> bytes:
    """The bytes a C-STORE carries for a data set."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = transfer_syntax == IMPLICIT
    buffer.is_little_endian = transfer_syntax != BIG_ENDIAN
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def with_meta(dataset: Dataset, transfer_syntax: str = EXPLICIT) -> Dataset:
    """The data set ready to be written as a file or sent."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta = meta
    return dataset


def nested(depth: int, *, undefined: bool) -> bytes:
    """An explicit VR little endian sequence nested to a depth; the innermost is empty."""
    content = b""
    for _ in range(depth):
        if undefined:
            item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + content
            item += struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
            end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
            content = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF) + item + end
        else:
            item = struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
            content = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, len(item)) + item
    return content


@contextmanager
def association(
    port: int,
    *,
    calling: str = CALLING,
    called: str = CALLED,
    contexts: list[tuple[str, str]] | None = None,
    tls: Any = None,
    max_pdu: int = 131_072,
) -> Iterator[Any]:
    """An association of a pynetdicom requestor; yields it established or not."""
    ae = AE(calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    ae.connection_timeout = 10
    pairs = contexts or [(CR, EXPLICIT), (CT, EXPLICIT), ("1.2.840.10008.1.1", IMPLICIT)]
    assoc = ae.associate(
        "127.0.0.1",
        port,
        contexts=[build_context(uid, syntax) for uid, syntax in pairs],
        ae_title=called,
        tls_args=None if tls is None else (tls, "localhost"),
        max_pdu=max_pdu,
    )
    if assoc.is_established:
        keep_answers_from_the_reactor(assoc)
    try:
        yield assoc
    finally:
        if assoc.is_established:
            assoc.release()


def store(assoc: Any, data: bytes, uid: str, sop_class: str = CR, syntax: str = EXPLICIT) -> int | None:
    """Send any bytes under any command UIDs; the status, or None when the association went away."""
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = uid
    request.Priority = 2
    request.DataSet = io.BytesIO(data)
    context = next(
        cx
        for cx in assoc.accepted_contexts
        if cx.abstract_syntax == sop_class and cx.transfer_syntax[0] == syntax
    )
    assoc._reactor_checkpoint.clear()
    while not assoc._is_paused:
        time.sleep(0.0005)
    assoc.dimse.send_msg(request, context.context_id)
    _, answer = assoc.dimse.get_msg(block=True)
    assoc._reactor_checkpoint.set()
    return None if answer is None else int(answer.Status)


def store_dataset(port: int, dataset: Dataset, **options: Any) -> int | None:
    """Send one data set over an association of its own."""
    with association(port, **options) as assoc:
        assert assoc.is_established
        return store(assoc, encode(dataset), str(dataset.SOPInstanceUID), str(dataset.SOPClassUID))


@dataclass
class RawPeer:
    """A TCP connection that sends whatever it is told."""

    sock: socket.socket

    @classmethod
    def connect(cls, port: int, source: str = "127.0.0.1") -> RawPeer:
        sock = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
        return cls(sock)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def associate(self, *, calling: str = CALLING, called: str = CALLED, syntax: str = EXPLICIT) -> bytes:
        """Ask for an association with one CR context (id 1); the type byte of the answer."""
        self.send(associate_rq(calling, called, [(CR, syntax)]))
        return self.receive_pdu()[:1]

    def receive_pdu(self) -> bytes:
        """One whole PDU, or nothing when the connection ended."""
        header = self._receive(6)
        if len(header) < 6:
            return b""
        return header + self._receive(struct.unpack(">L", header[2:])[0])

    def is_closed(self, within: float = 20.0) -> bool:
        """Whether the listener ends the connection; an A-ABORT before the end is fine."""
        self.sock.settimeout(within)
        try:
            while self.sock.recv(65536):
                continue
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self.sock.close()

    def _receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                more = self.sock.recv(count - len(data))
            except ConnectionError:
                return data
            if not more:
                return data
            data += more
        return data


def associate_rq(calling: str, called: str, contexts: list[tuple[str, str]]) -> bytes:
    """An A-ASSOCIATE-RQ PDU."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title = calling
    request.called_ae_title = called
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 131_072
    implementation.implementation_class_uid = UID("1.2.3.4")
    request.user_information = [length, implementation]
    items = []
    for number, (abstract, syntax) in enumerate(contexts):
        item = build_context(abstract, syntax)
        item.context_id = 2 * number + 1
        items.append(item)
    request.presentation_context_definition_list = items
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    return bytes(pdu.encode())


def p_data(control: int, data: bytes, context: int = 1) -> bytes:
    """A P-DATA-TF PDU with one fragment."""
    value = struct.pack(">LBB", len(data) + 2, context, control) + data
    return struct.pack(">BBL", 0x04, 0, len(value)) + value


def store_command(uid: str, sop_class: str = CR) -> bytes:
    """An encoded C-STORE-RQ command set."""
    command = Dataset()
    command.AffectedSOPClassUID = sop_class
    command.CommandField = 0x0001
    command.MessageID = 1
    command.Priority = 2
    command.CommandDataSetType = 0x0001
    command.AffectedSOPInstanceUID = uid
    body = encode(command, IMPLICIT)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def echo_works(port: int, **options: Any) -> bool:
    """Whether a good peer is served."""
    with association(port, **options) as assoc:
        return bool(assoc.is_established and assoc.send_c_echo().get("Status", -1) == 0)


def wait_until(condition: Any, seconds: float = 20.0) -> bool:
    """Poll a condition; False only when it never came true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def in_parallel(count: int, work: Any) -> list[Any]:
    """Run work(i) in threads that start together; their results in order. An error in one is raised."""
    results: list[Any] = [None] * count
    errors: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run(index: int) -> None:
        try:
            barrier.wait(30)
            results[index] = work(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if errors:
        raise errors[0]
    return results
