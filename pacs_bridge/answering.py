"""What each DIMSE request of an association is answered (PS3.7 sections 9 and 10, Annex C)."""

from __future__ import annotations

import io

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from pacs_bridge.command_set import Command, CommandField
from pacs_bridge.data_set_bytes import Part
from pacs_bridge.dimse_service import NormalizedCommand, NormalizedRequest
from pacs_bridge.elements import Encoding, Limits, locate
from pacs_bridge.errors import (
    CANNOT_UNDERSTAND,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
    Rejected,
)
from pacs_bridge.listener_config import VERIFICATION
from pacs_bridge.message import Message
from pacs_bridge.negotiation import AcceptedContext
from pacs_bridge.received import AssociationFacts, FileHead, ReceivedInstance
from pacs_bridge.reception import Reception
from pacs_bridge.spool_types import Disposition, StoreOutcome
from pacs_bridge.station import Station

Answer = tuple[int, str]
_NORMALIZED = {
    CommandField.N_ACTION: NormalizedCommand.ACTION,
    CommandField.N_EVENT_REPORT: NormalizedCommand.EVENT_REPORT,
}


class Answering:
    """Answers the requests of one association.

    Parameters
    ----------
    station
        The surroundings.
    facts
        Who asks.
    """

    def __init__(self, station: Station, facts: AssociationFacts) -> None:
        self._station = station
        self._facts = facts
        self._reception = Reception(station.desk, station.sink, station.config.header)

    def open_part(self, command: Command, context: AcceptedContext) -> Part:
        """Open the file of a large C-STORE while it arrives."""
        if not self._is_storage(command, context):
            raise Rejected(SOP_CLASS_NOT_SUPPORTED, "the SOP class is not that of its presentation context")
        return self._station.sink.open_part(
            FileHead(
                command.sop_class_uid,
                command.sop_instance_uid,
                context.transfer_syntax,
                self._facts.calling_ae,
                self._facts.called_ae,
            )
        )

    async def answer(self, message: Message) -> Answer:
        """Return status and comment of the response."""
        command, loop = message.command, self._station.loop
        if command.field == CommandField.C_ECHO:
            return (SUCCESS if command.sop_class_uid == VERIFICATION else SOP_CLASS_NOT_SUPPORTED), ""
        if command.field == CommandField.C_STORE:
            return await loop.run_in_executor(self._station.disk, self._store, message)
        if command.field in _NORMALIZED:
            return await loop.run_in_executor(self._station.services, self._serve, message)
        return UNRECOGNIZED_OPERATION, "this operation is not offered"

    def _store(self, message: Message) -> Answer:
        command = message.command
        instance = ReceivedInstance(
            association=self._facts,
            sop_class_uid=command.sop_class_uid,
            sop_instance_uid=command.sop_instance_uid,
            transfer_syntax=message.context.transfer_syntax,
            received_at=self._station.clock(),
            content=message.content,
        )
        if not self._is_storage(command, message.context):
            return self._refuse_class(instance)
        outcome = self._reception.receive(instance)
        return outcome.status, outcome.reason

    def _refuse_class(self, instance: ReceivedInstance) -> Answer:
        instance.content.discard()
        reason = "the SOP class is not that of its presentation context"
        outcome = StoreOutcome(SOP_CLASS_NOT_SUPPORTED, Disposition.REFUSED, reason)
        self._station.desk.tell("instance_refused", self._facts, instance.sop_instance_uid, outcome)
        return outcome.status, reason

    def _is_storage(self, command: Command, context: AcceptedContext) -> bool:
        return command.sop_class_uid == context.abstract_syntax and self._station.stores(
            context.abstract_syntax
        )

    def _serve(self, message: Message) -> Answer:
        command, context = message.command, message.context
        if context.abstract_syntax != command.sop_class_uid:
            return SOP_CLASS_NOT_SUPPORTED, "the SOP class is not that of its presentation context"
        if command.sop_class_uid not in self._station.service_classes:
            return SOP_CLASS_NOT_SUPPORTED, "the SOP class has no such operation here"
        try:
            content = _decode(message)
        except Rejected as refusal:
            return PROCESSING_FAILURE, refusal.reason
        request = NormalizedRequest(
            command=_NORMALIZED[CommandField(command.field)],
            association=self._facts,
            sop_class_uid=command.sop_class_uid,
            sop_instance_uid=command.sop_instance_uid,
            type_id=command.type_id or 0,
            content=content,
            received_at=self._station.clock(),
        )
        return self._station.desk.answer(request), ""


def _decode(message: Message) -> Dataset:
    """Decode a data set that is known to be sound and bounded."""
    message.content.settle()
    if message.content.error is not None:
        raise Rejected(CANNOT_UNDERSTAND, "the data set is too large for this command")
    if not message.content.size:
        return Dataset()
    encoding = Encoding.of(message.context.transfer_syntax)
    with message.content.view() as data:
        locate(data, encoding, frozenset(), Limits())
        copy = io.BytesIO(data)
    try:
        dataset = read_dataset(copy, encoding.implicit, encoding.little_endian)
        # values are decoded when they are first read: read them here, where an error is expected
        dataset.decode()
        for _ in dataset.iterall():
            continue
    except Exception as error:
        raise Rejected(CANNOT_UNDERSTAND, f"the data set is unreadable: {type(error).__name__}") from error
    return dataset
