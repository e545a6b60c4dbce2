"""Numbers for Prometheus: how many, how old, how full; never who."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.domain.errors import DatabaseUnavailable
from app.domain.study import StudyState
from app.domain.worklist import WorklistQuery
from app.store.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from app.ui.room import Room


class RoomMetrics:
    """The registry of one reading room, and what it counts itself.

    Attributes
    ----------
    logins
        Log-ins by outcome: ``success``, ``failure``.
    pixel_requests
        Images asked for, by HTTP status.
    dicomweb_requests
        DICOMweb requests by service (``stow``, ``qido``, ``wado``) and HTTP status.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.logins = Counter("janus_med_logins", "Log-ins by outcome", ["outcome"], registry=self.registry)
        self.pixel_requests = Counter(
            "janus_med_pixel_requests", "Images asked for by HTTP status", ["status"], registry=self.registry
        )
        self.dicomweb_requests = Counter(
            "janus_med_dicomweb_requests",
            "DICOMweb requests by service and HTTP status",
            ["service", "status"],
            registry=self.registry,
        )

    def watch(self, room: Room) -> None:
        """Add what stands in the database of `room`, read at every scrape."""
        self.registry.register(_Standing(room))


class _Standing(Collector):
    """States and depths as the database has them now; without a database only that it is away."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def describe(self) -> list[Metric]:
        return []  # nothing is read while registering

    def collect(self) -> Iterator[Metric]:
        now = datetime.now(UTC)
        yield _gauge("janus_med_pixel_cache_bytes", "Pixels in memory", self._room.pixels.held_bytes)
        try:
            with self._room.store.begin() as tx:
                families = [*_studies(tx, now), *_queues(tx, now), *_work(tx)]
        except DatabaseUnavailable:
            families = []
        yield _gauge("janus_med_database_up", "Whether the database answers", float(bool(families)))
        yield from families


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _studies(tx: UnitOfWork, now: datetime) -> Iterator[Metric]:
    family = GaugeMetricFamily("janus_med_studies", "Studies by state", labels=["state"])
    for state in StudyState:
        total = tx.studies.worklist(WorklistQuery(states=(state,), limit=1), now=now).total
        family.add_metric([state.value], total)
    yield family


def _queues(tx: UnitOfWork, now: datetime) -> Iterator[Metric]:
    depth = GaugeMetricFamily("janus_med_queue_jobs", "Jobs by queue and state", labels=["queue", "state"])
    age = GaugeMetricFamily("janus_med_queue_age_seconds", "Age of the oldest waiting job", labels=["queue"])
    for queue in tx.work.queue_depths():
        depth.add_metric([queue.queue, "waiting"], queue.waiting)
        depth.add_metric([queue.queue, "running"], queue.running)
        since = queue.waiting_since
        age.add_metric([queue.queue], (now - since).total_seconds() if since else 0.0)
    yield from (depth, age)


def _work(tx: UnitOfWork) -> Iterator[Metric]:
    deliveries = GaugeMetricFamily("janus_med_deliveries", "Deliveries by state", labels=["state"])
    for state, total in tx.work.deliveries_by_state().items():
        deliveries.add_metric([state], total)
    yield deliveries
    yield _gauge("janus_med_dead_letters", "Jobs that were given up", len(tx.work.dead_letters()))
    yield _gauge("janus_med_quarantined_instances", "Instances in quarantine", tx.work.quarantined())
