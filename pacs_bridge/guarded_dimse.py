"""Collect the fragments of DIMSE messages within limits, large data sets in a file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage

from pacs_bridge.errors import CANNOT_UNDERSTAND, Rejected
from pacs_bridge.received import DataSetBytes, FileHead, Part

if TYPE_CHECKING:
    from pacs_bridge.guarded_socket import TransportLimits
    from pacs_bridge.transport import GuardedAssociation

LOGGER = logging.getLogger(__name__)

OpenPart = Callable[[FileHead], Part]


class GuardedDimse(DIMSEServiceProvider):
    """A DIMSE provider whose messages are bounded.

    Parameters
    ----------
    assoc
        The association it serves.
    limits
        Bounds of a message.
    open_part
        Opens the file that a large data set goes to.
    """

    def __init__(self, assoc: GuardedAssociation, limits: TransportLimits, open_part: OpenPart) -> None:
        super().__init__(assoc)
        self.message: DIMSEMessage | None
        self._limits = limits
        self._open_part = open_part
        self._command_bytes = 0
        self._data_bytes = 0
        self._contents: list[DataSetBytes] = []

    def receive_primitive(self, primitive: Any) -> None:
        """Take the fragments of one P-DATA; a violation ends the association with A-ABORT (PS3.8 AA-8)."""
        if self.assoc.violation:
            return
        violation = self._count(primitive.presentation_data_value_list)
        if violation:
            self._refuse(violation)
            return
        self.message = self.message or self._new_message()
        try:
            super().receive_primitive(primitive)
        except Exception:
            LOGGER.exception("dimse_message_unreadable")
            self._refuse("an unreadable DIMSE message was sent")
        if self.message is None:
            self._command_bytes = self._data_bytes = 0

    def discard(self) -> None:
        """Remove what unfinished or unanswered messages left behind."""
        for content in self._contents:
            content.discard()
        self._contents.clear()

    def _count(self, fragments: list[tuple[int, bytes]]) -> str:
        """Add fragments to the counts; return what limit they overstep, or nothing.

        Six bytes stand for the header of each fragment, so that empty fragments cannot go on forever.
        """
        for _, fragment in fragments:
            if not fragment:
                return "an empty fragment was sent"
            if fragment[0] & 1:
                self._command_bytes += len(fragment) + 5
            else:
                self._data_bytes += len(fragment) + 5
        if self._command_bytes > self._limits.command:
            return f"the command set is longer than {self._limits.command} bytes"
        if self._data_bytes > self._limits.message:
            return f"the data set is longer than {self._limits.message} bytes"
        if self.msg_queue.qsize() >= self._limits.queued_messages:
            return "requests were sent without waiting for answers"
        return ""

    def _refuse(self, violation: str) -> None:
        self.assoc.violate(violation)
        self.dul.event_queue.put("Evt19")

    def _new_message(self) -> DIMSEMessage:
        self._contents = [content for content in self._contents if content.part is not None]
        message = DIMSEMessage()
        content = DataSetBytes(self._limits.memory, lambda: self._open_part_of(message))
        message.data_set = content
        self._contents.append(content)
        return message

    def _open_part_of(self, message: Any) -> Part:
        """Open the file of a C-STORE whose command set is complete."""
        if not isinstance(message, C_STORE_RQ):
            raise Rejected(CANNOT_UNDERSTAND, "a large data set came with another command than C-STORE")
        command, facts = message.command_set, self.assoc.facts
        context = self.assoc._accepted_cx[message.context_id]
        return self._open_part(
            FileHead(
                sop_class_uid=str(command.AffectedSOPClassUID),
                sop_instance_uid=str(command.AffectedSOPInstanceUID),
                transfer_syntax=str(context.transfer_syntax[0]),
                calling_ae=facts.calling_ae,
                called_ae=facts.called_ae,
            )
        )
