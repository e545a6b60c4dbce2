"""Numbers for Prometheus: how many, how old, how full; never who. The catalogue is `app.domain.metrics`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from app.domain.errors import DatabaseUnavailable
from app.domain.metrics import METRICS
from app.ui.metric_families import database_families, disk_families, gauge

if TYPE_CHECKING:
    from app.ui.room import Room


class RoomMetrics:
    """The registry of one reading room, and what it counts itself.

    Attributes
    ----------
    logins
        Log-ins by outcome: ``success``, ``failure``.
    rate_limited
        Requests refused for their number, by what was asked: ``log-in``, ``requests``, ``dicomweb``.
    pixel_requests
        Images asked for, by HTTP status.
    dicomweb_requests
        DICOMweb requests by service (``stow``, ``qido``, ``wado``) and HTTP status.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.logins = self._counter("janus_med_logins")
        self.rate_limited = self._counter("janus_med_rate_limited")
        self.pixel_requests = self._counter("janus_med_pixel_requests")
        self.dicomweb_requests = self._counter("janus_med_dicomweb_requests")

    def watch(self, room: Room) -> None:
        """Add what stands in the database and the spool of `room`, read at every scrape."""
        self.registry.register(_Standing(room))

    def _counter(self, name: str) -> Counter:
        plan = METRICS[name]
        return Counter(plan.name, plan.help, list(plan.labels), registry=self.registry)


class _Standing(Collector):
    """States, depths and durable counters as they stand now; without a database only that it is away."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def describe(self) -> list[Metric]:
        return []  # nothing is read while registering

    def collect(self) -> Iterator[Metric]:
        now = datetime.now(UTC)
        yield gauge("janus_med_pixel_cache_bytes", self._room.pixels.held_bytes)
        yield from disk_families(self._room.settings, now)
        try:
            with self._room.store.begin() as tx:
                families = list(database_families(tx, now))
        except DatabaseUnavailable:
            families = []
        yield gauge("janus_med_database_up", float(bool(families)))
        yield from families
