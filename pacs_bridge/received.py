"""What arrives: the facts of an association, and one C-STORE with the head of its file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom.filereader import read_file_meta_info

from pacs_bridge.data_set_bytes import DataSetBytes
from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.header import is_uid

IMPLEMENTATION_CLASS_UID = "2.25.295083475029863145704398163206283016317"
IMPLEMENTATION_VERSION_NAME = "JANUSMED_0_1"


@dataclass(frozen=True)
class AssociationFacts:
    """Who sent something, for the record, the audit trail and the metrics.

    Parameters
    ----------
    association_id
        Unique among all associations of all runs.
    calling_ae, called_ae
        AE titles of the A-ASSOCIATE-RQ, stripped; empty before it was read.
    source_address
        IP address of the peer.
    certificate
        SHA-256 fingerprint (hexadecimal) of the peer's certificate; empty without TLS.
    """

    association_id: str
    calling_ae: str
    called_ae: str
    source_address: str
    certificate: str = ""


@dataclass(frozen=True)
class FileHead:
    """What stands before the data set in a file of ours (PS3.10 7.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    calling_ae: str
    called_ae: str

    def encode(self) -> bytes:
        """Return our own zero preamble, ``DICM`` and the file meta information.

        The peer's preamble never gets here, so no polyglot does (CVE-2019-11687). A value that is not a UID
        is left out: only a quarantined file can lack it.
        """
        elements = [_element(0x0001, b"OB", b"\x00\x01")]
        if is_uid(self.sop_class_uid):
            elements.append(_element(0x0002, b"UI", self.sop_class_uid.encode()))
        if is_uid(self.sop_instance_uid):
            elements.append(_element(0x0003, b"UI", self.sop_instance_uid.encode()))
        elements += [
            _element(0x0010, b"UI", self.transfer_syntax.encode()),
            _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID.encode()),
            _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.encode()),
            _element(0x0016, b"AE", self.calling_ae.encode("ascii", "replace")),
            _element(0x0018, b"AE", self.called_ae.encode("ascii", "replace")),
        ]
        group = b"".join(elements)
        return bytes(128) + b"DICM" + _element(0x0000, b"UL", struct.pack("<I", len(group))) + group


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    """Encode one element of group 0002, explicit VR little endian (PS3.10 7.1, PS3.5 7.1.2)."""
    value += (b"\0" if vr in {b"UI", b"OB"} else b" ") * (len(value) % 2)
    tag = struct.pack("<HH", 0x0002, element) + vr
    if vr == b"OB":
        return tag + struct.pack("<HI", 0, len(value)) + value
    return tag + struct.pack("<H", len(value)) + value


@dataclass(frozen=True)
class ReceivedInstance:
    """One C-STORE request: what its command says, and its data set, not yet looked into."""

    association: AssociationFacts
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    received_at: datetime
    content: DataSetBytes

    @classmethod
    def of_bytes(
        cls,
        data: bytes,
        *,
        association: AssociationFacts,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax: str,
        received_at: datetime,
    ) -> ReceivedInstance:
        """Make a received instance of bytes that did not come over an association (import of files)."""
        content = DataSetBytes()
        content.write(data)
        return cls(association, sop_class_uid, sop_instance_uid, transfer_syntax, received_at, content)

    @property
    def head(self) -> FileHead:
        """The file head that belongs to this instance."""
        return FileHead(
            self.sop_class_uid,
            self.sop_instance_uid,
            self.transfer_syntax,
            self.association.calling_ae,
            self.association.called_ae,
        )


def read_head(path: Path) -> tuple[FileHead, int]:
    """Read back the head of a file of ours.

    Returns
    -------
    tuple of FileHead and int
        The head and the offset of the data set in the file, in bytes.

    Raises
    ------
    Rejected
        Status 0xC000 when the file does not begin as ours do.
    OSError
        If the file cannot be read.
    """
    try:
        meta = read_file_meta_info(path)
        head = FileHead(
            sop_class_uid=str(meta.get("MediaStorageSOPClassUID", "")),
            sop_instance_uid=str(meta.get("MediaStorageSOPInstanceUID", "")),
            transfer_syntax=str(meta.TransferSyntaxUID),
            calling_ae=str(meta.get("SourceApplicationEntityTitle", "")),
            called_ae=str(meta.get("ReceivingApplicationEntityTitle", "")),
        )
        return head, 144 + int(meta.FileMetaInformationGroupLength)
    except OSError:
        raise
    except Exception as error:  # a damaged disk can make pydicom stumble anywhere
        raise Rejected(CANNOT_UNDERSTAND, f"the file has no readable head: {type(error).__name__}") from error
