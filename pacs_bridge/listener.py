"""The C-ECHO and C-STORE SCP: admits associations, answers each instance by the acknowledgement contract."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydicom.uid import UID
from pynetdicom import AE, evt

from pacs_bridge.admission import MAXIMUM_ASSOCIATIONS, Admission, WaitingRoom
from pacs_bridge.dimse_service import NormalizedCommand, NormalizedService
from pacs_bridge.errors import OUT_OF_RESOURCES, SUCCESS, Fatal, Rejected
from pacs_bridge.header import check_command, read_header
from pacs_bridge.listener_config import ListenerConfig, service_context, supported_contexts
from pacs_bridge.listener_events import ListenerEvents, SafeEvents
from pacs_bridge.normalized_event import answer_event
from pacs_bridge.open_studies import OpenStudies
from pacs_bridge.received import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, ReceivedInstance
from pacs_bridge.sink import InstanceSink
from pacs_bridge.spool_types import Disposition, StoreOutcome
from pacs_bridge.transport import (
    Guard,
    GuardedAssociation,
    GuardedServer,
    keep_identifiers_out_of_logs,
)

LOGGER = logging.getLogger(__name__)


class Listener:
    """Receives instances until it is stopped.

    Parameters
    ----------
    config
        How to behave.
    sink
        Where instances go.
    events
        Who is told.
    services
        Answer normalized requests, each for one SOP class that is offered in both roles.
    clock
        Gives the time of receipt, aware, UTC.
    """

    def __init__(
        self,
        config: ListenerConfig,
        sink: InstanceSink,
        events: ListenerEvents,
        *,
        services: Sequence[NormalizedService] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._config = config
        self._services = {service.sop_class_uid: service for service in services}
        self._sink = sink
        self._events = SafeEvents(events)
        self._clock = clock
        self._admission = Admission(
            config.ae_title,
            config.peers,
            config.maximum_associations,
            config.maximum_per_source or config.maximum_associations,
        )
        self._studies = OpenStudies()
        self._live: dict[str, GuardedAssociation] = {}
        self._server: GuardedServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; the chosen one when 0 was asked for."""
        return self._config.port if self._server is None else int(self._server.server_address[1])

    @property
    def open_associations(self) -> int:
        """Number of associations that are open."""
        return self._admission.open_count

    def open_studies(self) -> frozenset[str]:
        """Return the StudyInstanceUIDs of associations that are still open.

        A study is in the set before its first instance is stored, and until every association that carried
        it was released, aborted or lost.
        """
        return self._studies.uids()

    def start(self) -> None:
        """Listen, in a thread of its own.

        Raises
        ------
        Fatal
            If the port cannot be taken.
        """
        keep_identifiers_out_of_logs()
        config = self._config
        ae = AE(config.ae_title)
        ae.maximum_pdu_size = config.maximum_pdu
        # pynetdicom would count connections that never asked for an association; Admission counts
        ae.maximum_associations = 10 * MAXIMUM_ASSOCIATIONS
        ae.network_timeout = config.transport.network_timeout
        ae.acse_timeout = config.transport.request_deadline
        ae.dimse_timeout = config.transport.network_timeout
        ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        try:
            self._server = self._make_server(ae)
        except OSError as error:
            raise Fatal(f"cannot listen on {config.address}:{config.port}: {error.strerror}") from error
        ae._servers.append(self._server)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="dicom-listener",
            daemon=True,
        )
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Stop accepting, let running associations end, abort those that have not after `timeout` seconds."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server = self._thread = None
        self._join(timeout)
        for assoc in list(self._live.values()):
            assoc.violate("the listener is stopping")
            threading.Thread(target=assoc.abort, daemon=True).start()
        self._join(0.5)
        for assoc in list(self._live.values()):
            assoc.dul.socket.cut()
        self._join(5.0)

    def _join(self, timeout: float) -> None:
        deadline = datetime.now(UTC).timestamp() + timeout
        for assoc in list(self._live.values()):
            assoc.join(max(0.0, deadline - datetime.now(UTC).timestamp()))

    def _make_server(self, ae: Any) -> GuardedServer:
        config = self._config
        waiting = 32 + config.maximum_associations
        guard = Guard(
            limits=config.transport,
            waiting_room=WaitingRoom(per_source=waiting, total=4 * waiting),
            open_part=self._sink.open_part,
            on_end=self._on_end,
            tls=config.tls,
        )
        handlers = [
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_ESTABLISHED, self._on_established),
            (evt.EVT_ABORTED, self._on_aborted),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_N_ACTION, lambda event: self._on_normalized(event, NormalizedCommand.ACTION)),
            (
                evt.EVT_N_EVENT_REPORT,
                lambda event: self._on_normalized(event, NormalizedCommand.EVENT_REPORT),
            ),
        ]
        contexts = [*supported_contexts(), *(service_context(uid) for uid in self._services)]
        return GuardedServer(ae, (config.address, config.port), contexts, guard, handlers)

    def _on_requested(self, event: Any) -> None:
        """Admit or reject; runs in the thread of the association, before negotiation."""
        assoc: GuardedAssociation = event.assoc
        facts = assoc.learn_titles()
        assoc._server.guard.waiting_room.leave(facts.association_id)
        self._live[facts.association_id] = assoc
        rejection = self._admission.decide(facts)
        if rejection is None:
            return
        self._events.tell("association_rejected", facts, rejection)
        assoc.acse.send_reject(rejection.result, rejection.source, rejection.diagnostic)
        assoc.kill()

    def _on_established(self, event: Any) -> None:
        self._events.tell("association_opened", event.assoc.facts)

    def _on_aborted(self, event: Any) -> None:
        """Free the place at once: the peer may leave the connection open for a while."""
        self._release(event.assoc)

    def _on_end(self, assoc: GuardedAssociation) -> None:
        """Close the books on an association, however it ended; runs last in its thread."""
        self._release(assoc)
        self._live.pop(assoc.facts.association_id, None)
        if assoc.is_rejected:
            return
        if assoc.is_released and not assoc.violation:
            self._events.tell("association_closed", assoc.facts)
        elif assoc.violation or assoc.facts.calling_ae:
            self._events.tell(
                "association_aborted", assoc.facts, assoc.violation or "connection lost or aborted"
            )

    def _release(self, assoc: GuardedAssociation) -> None:
        self._admission.release(assoc.facts.association_id)
        self._studies.close(assoc.facts.association_id)

    def _on_store(self, event: Any) -> int:
        """Answer one C-STORE."""
        assoc: GuardedAssociation = event.assoc
        request = event.request
        instance = ReceivedInstance(
            association=assoc.facts,
            sop_class_uid=str(request.AffectedSOPClassUID),
            sop_instance_uid=str(request.AffectedSOPInstanceUID),
            transfer_syntax=str(event.context.transfer_syntax),
            received_at=self._clock(),
            content=request.DataSet,
        )
        try:
            outcome = self._receive(instance)
        finally:
            instance.content.discard()
            # a slow disk must not make the peer look idle
            assoc.dul._idle_timer.restart()
        self._tell_outcome(instance, outcome)
        return outcome.status

    def _on_normalized(self, event: Any, command: NormalizedCommand) -> tuple[int, None]:
        """Answer one N-ACTION or N-EVENT-REPORT; an error of the service becomes 0x0110."""
        service = self._services[str(event.context.abstract_syntax)]
        return answer_event(event, event.assoc.facts, service, command), None

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
        error = instance.content.error
        if isinstance(error, Rejected):
            raise error
        if error is not None:
            raise Rejected(OUT_OF_RESOURCES, f"it could not be written: {type(error).__name__}")
        with instance.content.view() as data:
            header = read_header(data, instance.transfer_syntax, self._config.header)
        check_command(header, instance.sop_class_uid, instance.sop_instance_uid)
        self._studies.carry(instance.association.association_id, header.study_uid)
        return self._sink.accept(instance, header)

    def _tell_outcome(self, instance: ReceivedInstance, outcome: StoreOutcome) -> None:
        name = "instance_refused"
        if outcome.status == SUCCESS:
            name = "instance_stored"
        elif outcome.disposition is Disposition.QUARANTINED:
            name = "instance_quarantined"
        self._events.tell(name, instance.association, instance.sop_instance_uid, outcome)
