"""One part of a STOW-RS request on its way into the spool, through the same checks as a C-STORE.

The preamble and the file meta information are read and thrown away: what is kept is the data set as it came,
under a head of our own (CVE-2019-11687), exactly as if an association had brought it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset

from pacs_bridge.data_set_bytes import DataSetBytes
from pacs_bridge.elements import Limits
from pacs_bridge.errors import CANNOT_UNDERSTAND, DOES_NOT_MATCH_SOP_CLASS, OUT_OF_RESOURCES, Rejected
from pacs_bridge.header import InstanceHeader, check_command, is_uid, read_header
from pacs_bridge.listener_config import supported_contexts
from pacs_bridge.received import AssociationFacts, FileHead, ReceivedInstance
from pacs_bridge.sink import InstanceSink
from pacs_bridge.spool_types import Disposition, StoreOutcome

CALLED_TITLE = "DICOMWEB"
MEMORY_BYTES = 256 * 1024
LARGEST_META = 64 * 1024
# PS3.18 table I.2-2, failure reasons beside those of PS3.4 B.2.3
SOP_CLASS_NOT_SUPPORTED = 0x0122
TRANSFER_SYNTAX_NOT_SUPPORTED = 0xC122
_META_START = 132
_GROUP_LENGTH_END = 144


@dataclass(frozen=True)
class PartOutcome:
    """What became of a part; the UIDs are empty as far as it could not be read."""

    outcome: StoreOutcome
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_uid: str = ""
    series_uid: str = ""


class IncomingInstance:
    """A part while it arrives.

    Parameters
    ----------
    sink
        The spool's sink.
    facts
        Who sends it.
    study_uid
        The study that the request is confined to; empty for any.
    carry
        Told the study of an instance before it is stored; see `CarriedStudies.carry`.
    """

    def __init__(
        self, sink: InstanceSink, facts: AssociationFacts, study_uid: str, carry: Callable[[str], None]
    ) -> None:
        self._sink = sink
        self._carry = carry
        self._facts = facts
        self._study_uid = study_uid
        self._start = bytearray()
        self._head: FileHead | None = None
        self._content: DataSetBytes | None = None
        self._refusal: Rejected | None = None

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._refusal is not None:
            return
        if self._content is not None:
            self._content.write(data)
            return
        self._start += data
        try:
            self._read_start()
        except Rejected as refusal:
            self._refusal = refusal

    def finish(self) -> PartOutcome:
        """Say that the part is complete, and store it; durable when the outcome is a success."""
        if self._refusal is None and self._content is None:
            self._refusal = Rejected(CANNOT_UNDERSTAND, "not a DICOM file: it ends inside its head")
        if self._refusal is not None:
            self.discard()
            return self._named(StoreOutcome(self._refusal.status, Disposition.REFUSED, self._refusal.reason))
        assert self._head is not None
        assert self._content is not None
        instance = ReceivedInstance(
            association=self._facts,
            sop_class_uid=self._head.sop_class_uid,
            sop_instance_uid=self._head.sop_instance_uid,
            transfer_syntax=self._head.transfer_syntax,
            received_at=datetime.now(UTC),
            content=self._content,
        )
        return self._store(instance)

    def discard(self) -> None:
        """Forget what has arrived."""
        if self._content is not None:
            self._content.discard()

    def _store(self, instance: ReceivedInstance) -> PartOutcome:
        header = None
        try:
            header = self._check(instance)
            if self._study_uid not in {"", header.study_uid}:
                # a mistake of the request, not of the instance: nothing is worth keeping
                self.discard()
                reason = "the instance belongs to another study than the one in the address"
                return self._named(
                    StoreOutcome(DOES_NOT_MATCH_SOP_CLASS, Disposition.REFUSED, reason), header
                )
            self._carry(header.study_uid)
            outcome = self._sink.accept(instance, header)
        except Rejected as refusal:
            outcome = self._sink.refuse(instance, refusal)
        return self._named(outcome, header)

    def _check(self, instance: ReceivedInstance) -> InstanceHeader:
        error = instance.content.error
        if isinstance(error, Rejected):
            raise error
        if error is not None:
            raise Rejected(OUT_OF_RESOURCES, f"it could not be written: {type(error).__name__}")
        if instance.content.size == 0:
            raise Rejected(CANNOT_UNDERSTAND, "the file has no data set")
        with instance.content.view() as data:
            header = read_header(data, instance.transfer_syntax, Limits())
        check_command(header, instance.sop_class_uid, instance.sop_instance_uid)
        return header

    def _named(self, outcome: StoreOutcome, header: InstanceHeader | None = None) -> PartOutcome:
        if header is not None:
            return PartOutcome(
                outcome, header.sop_class_uid, header.sop_instance_uid, header.study_uid, header.series_uid
            )
        head = self._head
        if head is None or not (is_uid(head.sop_class_uid) and is_uid(head.sop_instance_uid)):
            return PartOutcome(outcome)
        return PartOutcome(outcome, head.sop_class_uid, head.sop_instance_uid)

    def _read_start(self) -> None:
        """Read preamble and file meta information once they are here; what follows is the data set."""
        start = self._start
        if len(start) < _GROUP_LENGTH_END:
            return
        end = _GROUP_LENGTH_END + _meta_length(start)
        if len(start) < end:
            return
        self._head = self._read_head(bytes(start[:end]))
        _require_supported(self._head)
        self._content = DataSetBytes(MEMORY_BYTES, lambda: self._sink.open_part(self._head_of_ours()))
        rest = bytes(start[end:])
        start.clear()
        if rest:
            self._content.write(rest)

    def _head_of_ours(self) -> FileHead:
        assert self._head is not None
        return self._head

    def _read_head(self, start: bytes) -> FileHead:
        try:
            meta = read_dataset(io.BytesIO(start[_META_START:]), is_implicit_VR=False, is_little_endian=True)
            return FileHead(
                sop_class_uid=str(meta.get("MediaStorageSOPClassUID", "")),
                sop_instance_uid=str(meta.get("MediaStorageSOPInstanceUID", "")),
                transfer_syntax=str(meta.get("TransferSyntaxUID", "")),
                calling_ae=self._facts.calling_ae,
                called_ae=self._facts.called_ae,
            )
        except (
            InvalidDicomError,
            ValueError,
            TypeError,
            KeyError,
            NotImplementedError,
            EOFError,
            struct.error,
        ):
            raise Rejected(CANNOT_UNDERSTAND, "the file meta information cannot be read") from None


def _meta_length(start: bytes | bytearray) -> int:
    """Return the length that the file meta information says it has (PS3.10 7.1)."""
    if start[128:_META_START] != b"DICM":
        raise Rejected(CANNOT_UNDERSTAND, "not a DICOM file: it has no DICM prefix")
    if bytes(start[_META_START:140]) != b"\x02\x00\x00\x00UL\x04\x00":
        raise Rejected(CANNOT_UNDERSTAND, "the file meta information does not begin with its length")
    length = int(struct.unpack_from("<I", start, 140)[0])
    if length > LARGEST_META:
        raise Rejected(CANNOT_UNDERSTAND, "the file meta information is too long")
    return length


def _require_supported(head: FileHead) -> None:
    """Refuse what the listener would not negotiate either."""
    classes, syntaxes = _supported()
    if not (is_uid(head.sop_class_uid) and is_uid(head.sop_instance_uid)):
        raise Rejected(CANNOT_UNDERSTAND, "the file meta information names no SOP class and instance")
    if head.sop_class_uid not in classes:
        raise Rejected(SOP_CLASS_NOT_SUPPORTED, "the SOP class is not supported")
    if head.transfer_syntax not in syntaxes:
        raise Rejected(TRANSFER_SYNTAX_NOT_SUPPORTED, "the transfer syntax is not supported")


@cache
def _supported() -> tuple[frozenset[str], frozenset[str]]:
    contexts = supported_contexts()[1:]  # the first is verification
    classes = frozenset(str(context.abstract_syntax) for context in contexts)
    return classes, frozenset(str(syntax) for syntax in contexts[0].transfer_syntax)
