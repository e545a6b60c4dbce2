"""Send instances to a peer (C-STORE SCU) and ask whether it is there (C-ECHO).

What decides a retry stands here, in one place:

- No association, association lost, A-ASSOCIATE-RJ transient, status 0xA7xx or 0x0110: `Retriable`.
- A-ASSOCIATE-RJ permanent, no presentation context, every other failure status: `Rejected`.
- An empty status means *unknown*: the peer may have stored the instance, its answer is lost. A new
  association sends the same SOP Instance UID again; a peer that then calls it a duplicate (0x0111) has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context

from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.errors import (
    CANNOT_UNDERSTAND,
    SUCCESS,
    Rejected,
    Retriable,
)
from pacs_bridge.remote_ae import RemoteAE

VERIFICATION = "1.2.840.10008.1.1"
DUPLICATE_INSTANCE = 0x0111
PROCESSING_FAILURE = 0x0110
UNCOMPRESSED = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
MOST_CONTEXTS = 128


@dataclass(frozen=True)
class SendOutcome:
    """One instance that the peer has.

    Parameters
    ----------
    sop_instance_uid
        Of the instance.
    status
        0x0000, or a warning 0xB000 to 0xBFFF, or 0x0111 when the peer had it already.
    attempts
        Sends, 1 unless an answer was lost.
    """

    sop_instance_uid: str
    status: int
    attempts: int


def send_instances(
    files_or_datasets: Sequence[Path | Dataset],
    destination: Destination,
    *,
    calling_ae: str,
    timeouts: Timeouts | None = None,
    attempts: int = 3,
    sent_before: bool = False,
) -> list[SendOutcome]:
    """Store instances at a peer over one association, re-associating when an answer was lost.

    Parameters
    ----------
    files_or_datasets
        DICOM files, or data sets with file meta information.
    destination
        The peer.
    calling_ae
        Our AE title.
    timeouts
        Explicit for every wait.
    attempts
        Sends of one instance before giving up on its answers.
    sent_before
        The same instances may have been sent by an earlier process that did not live to see the answer: a
        peer that calls one a duplicate (0x0111) has it.

    Returns
    -------
    list of SendOutcome
        In the order given; every instance is at the peer.

    Raises
    ------
    Rejected
        The peer refuses for good; what was sent before it stays there.
    Retriable
        Try all of it later: sending an instance again is harmless.
    """
    peer = RemoteAE(destination, calling_ae, timeouts or Timeouts())
    items = [_Item.of(thing) for thing in files_or_datasets]
    outcomes: list[SendOutcome] = []
    tries = 0
    while len(outcomes) < len(items):
        if tries == attempts:
            raise Retriable(f"{destination} did not answer C-STORE in {attempts} attempts")
        done = _send_over_one_association(peer, items[len(outcomes) :], tries, sent_before=sent_before)
        outcomes += done
        tries = 1 if done else tries + 1
    return outcomes


def echo(destination: Destination, *, calling_ae: str, timeouts: Timeouts | None = None) -> None:
    """Verify that a peer accepts us and answers C-ECHO.

    Raises
    ------
    Rejected, Retriable
        It does not, and which of the two is worth another try.
    """
    peer = RemoteAE(destination, calling_ae, timeouts or Timeouts())
    with peer.association([build_context(VERIFICATION)]) as assoc:
        status = assoc.send_c_echo()
    if "Status" not in status:
        raise Retriable(f"{destination} did not answer C-ECHO")
    if status.Status != SUCCESS:
        raise Rejected(int(status.Status), f"{destination} refused C-ECHO")


@dataclass(frozen=True)
class _Item:
    """An instance to send; a file is read when its turn comes."""

    source: Path | Dataset
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str

    @classmethod
    def of(cls, source: Path | Dataset) -> _Item:
        try:
            dataset: Any = source
            if not isinstance(source, Dataset):
                dataset = dcmread(
                    source, specific_tags=["SOPClassUID", "SOPInstanceUID"], stop_before_pixels=True
                )
            return cls(
                source,
                str(dataset.SOPClassUID),
                str(dataset.SOPInstanceUID),
                str(dataset.file_meta.TransferSyntaxUID),
            )
        except (InvalidDicomError, AttributeError, OSError) as error:
            name = source if isinstance(source, Path) else "data set"
            raise Rejected(CANNOT_UNDERSTAND, f"{name} is no DICOM file that can be sent: {error}") from error

    @property
    def syntaxes(self) -> tuple[str, ...]:
        """What is offered: uncompressed data may be re-encoded, compressed data goes as it is."""
        if self.transfer_syntax in UNCOMPRESSED:
            return UNCOMPRESSED
        return (self.transfer_syntax,)

    def load(self) -> Dataset:
        return self.source if isinstance(self.source, Dataset) else dcmread(self.source)


def _send_over_one_association(
    peer: RemoteAE, items: list[_Item], tries: int, *, sent_before: bool
) -> list[SendOutcome]:
    """Send until everything is sent or an answer is missing; return what is surely there."""
    wanted: dict[tuple[str, tuple[str, ...]], None] = {}
    for item in items:
        wanted.setdefault((item.sop_class_uid, item.syntaxes))
        if len(wanted) > MOST_CONTEXTS:
            break
    proposed = list(wanted)[:MOST_CONTEXTS]
    outcomes: list[SendOutcome] = []
    with peer.association([build_context(uid, list(syntaxes)) for uid, syntaxes in proposed]) as assoc:
        for item in items:
            if (item.sop_class_uid, item.syntaxes) not in proposed:
                break
            status = _send(assoc, item)
            if status is None:
                break
            _check(status, item, peer.destination, resent=sent_before or (bool(tries) and not outcomes))
            outcomes.append(SendOutcome(item.sop_instance_uid, status, 1 if outcomes else tries + 1))
    return outcomes


def _send(assoc: Any, item: _Item) -> int | None:
    """Send one instance; None when it is unknown whether it arrived."""
    try:
        answer = assoc.send_c_store(item.load())
    except ValueError as error:
        raise Rejected(
            0x0122, f"the peer takes no {UID(item.sop_class_uid).name} as it is encoded"
        ) from error
    except RuntimeError:
        return None
    return int(answer.Status) if "Status" in answer else None


def _check(status: int, item: _Item, destination: Destination, *, resent: bool) -> None:
    """Raise for a status that means the peer does not have the instance (PS3.4 B.2.3, PS3.7 C)."""
    if status == SUCCESS or 0xB000 <= status <= 0xBFFF:
        return
    if status == DUPLICATE_INSTANCE and resent:
        return
    if status == PROCESSING_FAILURE or 0xA700 <= status <= 0xA7FF:
        raise Retriable(f"{destination} cannot take it now (status 0x{status:04X})")
    raise Rejected(status, f"{destination} refuses the {UID(item.sop_class_uid).name}")
