"""Bring a study from an archive to our own listener: C-MOVE, or C-GET with a hand-over (PS3.4 C.4.2, C.4.3).

What arrives by C-GET is sent on to our listener over a second association: there is one door, with its checks
and its durability, and nothing is kept in memory but the instance on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydicom.dataset import Dataset
from pynetdicom import StoragePresentationContexts, build_context, build_role, evt

from pacs_bridge.archived_study import (
    ArchivedStudy,
    PriorQuery,
    query_keys,
    read_archived_study,
)
from pacs_bridge.destination import Destination, Timeouts
from pacs_bridge.errors import OUT_OF_RESOURCES, SUCCESS, BridgeError, Rejected, Retriable
from pacs_bridge.find import InformationModel, find
from pacs_bridge.remote_ae import RemoteAE
from pacs_bridge.store_scu import send_instances

STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
UNKNOWN_DESTINATION = 0xA801
SOME_FAILED = 0xB000
_PENDING = frozenset({0xFF00, 0xFF01})
# with the retrieval itself 128 contexts at most (PS3.8 9.3.2.2): the 120 commonest of 2026's classes
_MOST_CONTEXTS = 127


@dataclass(frozen=True)
class DimseArchive:
    """An archive that speaks Query/Retrieve.

    Parameters
    ----------
    archive
        Where it is.
    listener
        Our own listener, as we reach it; its AE title is the move destination that the archive knows.
    calling_ae
        Our AE title.
    method
        ``move``: the archive sends to our listener itself. ``get``: it sends over our association.
    most_answers
        Studies that are looked at.
    """

    archive: Destination
    listener: Destination
    calling_ae: str
    method: Literal["move", "get"] = "move"
    timeouts: Timeouts = field(default_factory=Timeouts)
    most_answers: int = 200

    def find(self, query: PriorQuery) -> Sequence[ArchivedStudy]:
        """Return what the archive has of the patient (C-FIND, study root)."""
        identifier = Dataset()
        identifier.QueryRetrieveLevel = "STUDY"
        identifier.SpecificCharacterSet = "ISO_IR 192"
        for keyword, value in query_keys(query).items():
            setattr(identifier, keyword, value)
        answers = find(
            self.archive,
            InformationModel.STUDY_ROOT,
            identifier,
            calling_ae=self.calling_ae,
            timeouts=self.timeouts,
            limit=self.most_answers,
        )
        read = (read_archived_study(answer, query) for answer in answers)
        return [study for study in read if study is not None]

    def fetch(self, study_uid: str) -> int:
        """Bring a study to our listener."""
        identifier = Dataset()
        identifier.QueryRetrieveLevel = "STUDY"
        identifier.StudyInstanceUID = study_uid
        if self.method == "move":
            return self._move(identifier)
        return self._get(identifier)

    def _move(self, identifier: Dataset) -> int:
        peer = RemoteAE(self.archive, self.calling_ae, self.timeouts)
        with peer.association([build_context(STUDY_ROOT_MOVE)]) as assoc:
            responses = assoc.send_c_move(identifier, self.listener.ae_title, STUDY_ROOT_MOVE)
            return _outcome(self._read(responses), self.archive)

    def _get(self, identifier: Dataset) -> int:
        storage = list(StoragePresentationContexts[: _MOST_CONTEXTS - 1])
        roles = [build_role(str(cx.abstract_syntax), scp_role=True) for cx in storage]
        handed = _HandOver(self.listener, self.calling_ae)
        peer = RemoteAE(self.archive, self.calling_ae, self.timeouts)
        contexts = [build_context(STUDY_ROOT_GET), *storage]
        with peer.association(contexts, roles=roles, handlers=[(evt.EVT_C_STORE, handed.take)]) as assoc:
            responses = assoc.send_c_get(identifier, STUDY_ROOT_GET)
            status = self._read(responses)
        if handed.failure is not None:
            raise handed.failure
        return _outcome(status, self.archive)

    def _read(self, responses: Iterator[tuple[Dataset, Dataset | None]]) -> Dataset:
        """Return the last status of an operation."""
        last = Dataset()
        try:
            for last, _ in responses:
                if int(last.get("Status", 0)) not in _PENDING:
                    break
        except RuntimeError as error:
            raise Retriable(f"{self.archive} ended the association during the retrieval") from error
        if "Status" not in last:
            raise Retriable(f"{self.archive} did not answer the retrieval")
        return last


@dataclass
class _HandOver:
    """Sends on what arrives by C-GET; the first failure is kept, and the archive is told of each."""

    listener: Destination
    calling_ae: str
    failure: BridgeError | None = None

    def take(self, event: Any) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        try:
            send_instances([dataset], self.listener, calling_ae=self.calling_ae, sent_before=True)
        except BridgeError as error:
            self.failure = self.failure or error
            return OUT_OF_RESOURCES
        return SUCCESS


def _outcome(status: Dataset, archive: Destination) -> int:
    """Return how many instances came, or raise for what is not all of them (PS3.4 table C.4-2)."""
    code = int(status.Status)
    completed = int(status.get("NumberOfCompletedSuboperations") or 0)
    failed = int(status.get("NumberOfFailedSuboperations") or 0)
    if code == UNKNOWN_DESTINATION:
        raise Rejected(code, f"{archive} does not know our AE title as a move destination")
    if code == SOME_FAILED or failed:
        raise Retriable(f"{archive} could not send {failed} of the instances")
    if code == SUCCESS:
        return completed
    if 0xA700 <= code <= 0xA7FF:
        raise Retriable(f"{archive} cannot retrieve now (status 0x{code:04X})")
    raise Rejected(code, f"{archive} refuses the retrieval")
