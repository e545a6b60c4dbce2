"""What to do with a received instance: the protocol an application may implement, and the spool's own."""

from __future__ import annotations

from typing import Protocol

from pacs_bridge.data_set_bytes import Part
from pacs_bridge.errors import Rejected
from pacs_bridge.header import InstanceHeader
from pacs_bridge.received import FileHead, ReceivedInstance
from pacs_bridge.spool import Spool
from pacs_bridge.spool_types import StoreOutcome


class InstanceSink(Protocol):
    """Where the listener puts instances. Methods are called in the threads of associations."""

    def open_part(self, head: FileHead) -> Part:
        """Open a file for a data set that is too large for memory while it arrives.

        Raises
        ------
        Rejected
            When nothing can be taken now (0xA700).
        """

    def accept(self, instance: ReceivedInstance, header: InstanceHeader) -> StoreOutcome:
        """Take an instance; its `status` is the answer. 0x0000 only when it is durable.

        Raises
        ------
        Rejected
            With the status of the answer.
        """

    def refuse(self, instance: ReceivedInstance, refusal: Rejected) -> StoreOutcome:
        """Keep what is worth keeping of an instance that is answered with an error. Must not raise."""


class SpoolSink:
    """The sink of a spool.

    Parameters
    ----------
    spool
        Already taken by `Spool.recover`.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def open_part(self, head: FileHead) -> Part:
        """Open a part file in the spool."""
        return self._spool.open_part(head)

    def accept(self, instance: ReceivedInstance, header: InstanceHeader) -> StoreOutcome:
        """Store the instance durably."""
        return self._spool.store(instance, header)

    def refuse(self, instance: ReceivedInstance, refusal: Rejected) -> StoreOutcome:
        """Quarantine a copy."""
        return self._spool.refuse(instance, refusal)
