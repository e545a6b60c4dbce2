"""One C-STORE, from the complete data set to its status; runs in a thread for the disk."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from pacs_bridge.desk import Desk
from pacs_bridge.elements import Limits
from pacs_bridge.errors import OUT_OF_RESOURCES, SUCCESS, Rejected
from pacs_bridge.header import check_command, read_header
from pacs_bridge.received import ReceivedInstance
from pacs_bridge.sink import InstanceSink
from pacs_bridge.spool_types import Disposition, StoreOutcome

LOGGER = logging.getLogger(__name__)


class Reception:
    """Takes the instances of one association.

    Parameters
    ----------
    desk
        Hears of studies and outcomes.
    sink
        Where instances go.
    limits
        Bounds of a header.
    """

    def __init__(self, desk: Desk, sink: InstanceSink, limits: Limits) -> None:
        self._desk = desk
        self._sink = sink
        self._limits = limits
        self._carried: set[str] = set()

    def receive(self, instance: ReceivedInstance) -> StoreOutcome:
        """Return what became of an instance, after it is durable or refused and others were told."""
        size, began = instance.content.size, time.monotonic()
        try:
            outcome = self._receive(instance)
        finally:
            instance.content.discard()
        outcome = replace(outcome, size=size, seconds=time.monotonic() - began)
        name = "instance_refused"
        if outcome.status == SUCCESS:
            name = "instance_stored"
        elif outcome.disposition is Disposition.QUARANTINED:
            name = "instance_quarantined"
        self._desk.tell(name, instance.association, instance.sop_instance_uid, outcome)
        return outcome

    def _receive(self, instance: ReceivedInstance) -> StoreOutcome:
        try:
            return self._accept(instance)
        except Rejected as refusal:
            return self._sink.refuse(instance, refusal)
        except Exception as error:  # the sink is not ours; the peer must hear of it and try again
            LOGGER.exception("sink_failed")
            return StoreOutcome(
                OUT_OF_RESOURCES, Disposition.REFUSED, f"it cannot be kept now: {type(error).__name__}"
            )

    def _accept(self, instance: ReceivedInstance) -> StoreOutcome:
        instance.content.settle()
        error = instance.content.error
        if isinstance(error, Rejected):
            raise error
        if error is not None:
            raise Rejected(OUT_OF_RESOURCES, f"it could not be written: {type(error).__name__}")
        with instance.content.view() as data:
            header = read_header(data, instance.transfer_syntax, self._limits)
        check_command(header, instance.sop_class_uid, instance.sop_instance_uid)
        if header.study_uid not in self._carried:
            self._desk.carry(instance.association.association_id, header.study_uid)
            self._carried.add(header.study_uid)
        return self._sink.accept(instance, header)
