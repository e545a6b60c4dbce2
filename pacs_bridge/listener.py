"""The SCP of verification, storage and normalized services: receives until it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pacs_bridge.acceptor import bind
from pacs_bridge.desk import FrontDesk
from pacs_bridge.dimse_service import NormalizedService
from pacs_bridge.listener_config import ListenerConfig
from pacs_bridge.listener_events import ListenerEvents
from pacs_bridge.receiving import Receiving
from pacs_bridge.sink import InstanceSink


class Listener:
    """Receives instances, in threads of this process.

    Parameters
    ----------
    config
        How to behave.
    sink
        Where instances go.
    events
        Who is told.
    services
        Answer N-ACTION and N-EVENT-REPORT; each one's SOP class is offered in both roles.
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
        self._sink = sink
        self._desk = FrontDesk(config, events, services)
        self._clock = clock
        self._ports = (config.port, config.tls_port or 0)
        self._receiving: Receiving | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; the chosen one when 0 was asked for."""
        return self._ports[0]

    @property
    def tls_port(self) -> int:
        """The TLS port beside it; 0 when there is none."""
        return self._ports[1]

    @property
    def open_associations(self) -> int:
        """Number of associations that are open."""
        return self._desk.admission.open_count

    def open_studies(self) -> frozenset[str]:
        """Return the StudyInstanceUIDs of associations that are still open.

        A study is in the set before its first instance is stored, and until every association that carried
        it was released, aborted or lost.
        """
        return self._desk.studies.uids()

    def start(self) -> None:
        """Listen, in threads of its own.

        Raises
        ------
        Fatal
            If a port cannot be taken, or TLS not be set up.
        """
        config = self._config
        receiving = Receiving(config, self._sink, self._desk, self._desk.service_classes, self._clock)
        first = bind(config.address, config.port)
        second = []
        if config.tls_port is not None:
            try:
                second = [bind(config.address, config.tls_port)]
            except BaseException:
                first.close()
                raise
        self._ports = (first.getsockname()[1], second[0].getsockname()[1] if second else 0)
        self._receiving = receiving
        if config.tls is not None and not second:
            receiving.start(encrypted=[first])
        else:
            receiving.start(plain=[first], encrypted=second)

    def stop(self, timeout: float = 5.0) -> None:
        """Stop accepting, let running associations end, abort those that have not after `timeout` seconds."""
        receiving, self._receiving = self._receiving, None
        if receiving is not None:
            receiving.stop(timeout)
