"""Fragments of P-DATA become DIMSE messages, within limits (PS3.7 6.3.1, PS3.8 Annex E)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pacs_bridge.command_set import Command, CommandField, decode_command
from pacs_bridge.data_set_bytes import DataSetBytes, Part
from pacs_bridge.errors import CANNOT_UNDERSTAND, ProtocolViolation, Rejected
from pacs_bridge.negotiation import AcceptedContext
from pacs_bridge.pdu import Fragment
from pacs_bridge.transport_limits import TransportLimits

# each fragment counts as that much more, so that empty ones cannot go on forever
_FRAGMENT_COST = 6
OpenPart = Callable[[Command, AcceptedContext], Part]


@dataclass(frozen=True)
class Message:
    """One complete request or response, with its data set."""

    context_id: int
    context: AcceptedContext
    command: Command
    content: DataSetBytes


class MessageAssembler:
    """Puts the messages of one association together.

    Parameters
    ----------
    contexts
        The accepted presentation contexts.
    limits
        Bounds of a message.
    open_part
        Opens the file of a large C-STORE; called by `DataSetBytes.spill`.
    """

    def __init__(
        self, contexts: Mapping[int, AcceptedContext], limits: TransportLimits, open_part: OpenPart
    ) -> None:
        self._contexts = contexts
        self._limits = limits
        self._open_part = open_part
        self._context_id = 0
        self._command_bytes = bytearray()
        self._command: Command | None = None
        self._count = 0
        self.content: DataSetBytes | None = None

    def take(self, fragment: Fragment) -> Message | None:
        """Add a fragment; return the message that it completes.

        Raises
        ------
        ProtocolViolation
            If the fragment does not belong here, or the message grows too long.
        """
        if fragment.context_id not in self._contexts:
            raise ProtocolViolation("a presentation context that was not accepted is used")
        if self._context_id not in {0, fragment.context_id}:
            raise ProtocolViolation("a message changed its presentation context")
        self._context_id = fragment.context_id
        self._count += len(fragment.data) + _FRAGMENT_COST
        if fragment.is_command:
            return self._take_command(fragment)
        return self._take_data(fragment)

    def discard(self) -> None:
        """Remove what an unfinished message left behind; no thread may be writing it."""
        if self.content is not None:
            self.content.discard()
            self.content = None

    def _take_command(self, fragment: Fragment) -> Message | None:
        if self._command is not None:
            raise ProtocolViolation("a command came before the data set of the last one")
        if self._count > self._limits.command:
            raise ProtocolViolation(f"the command set is longer than {self._limits.command} bytes")
        self._command_bytes += fragment.data
        if not fragment.is_last:
            return None
        self._command = command = decode_command(self._command_bytes)
        self._command_bytes.clear()
        self._count = 0
        context = self._contexts[self._context_id]
        self.content = DataSetBytes(self._limits.memory, lambda: self._open(command, context))
        return None if command.has_data_set else self._finish(command)

    def _take_data(self, fragment: Fragment) -> Message | None:
        if self._command is None or self.content is None:
            raise ProtocolViolation("a data set came without a command")
        if self._count > self._limits.message:
            raise ProtocolViolation(f"the data set is longer than {self._limits.message} bytes")
        self.content.append(fragment.data)
        return self._finish(self._command) if fragment.is_last else None

    def _finish(self, command: Command) -> Message:
        assert self.content is not None
        message = Message(self._context_id, self._contexts[self._context_id], command, self.content)
        self._context_id, self._command, self.content, self._count = 0, None, None, 0
        return message

    def _open(self, command: Command, context: AcceptedContext) -> Part:
        if command.field != CommandField.C_STORE:
            raise Rejected(CANNOT_UNDERSTAND, "a large data set came with another command than C-STORE")
        return self._open_part(command, context)
