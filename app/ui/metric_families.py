"""How what stands in the database and the spool becomes families of metrics."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from app.domain.metrics import METRICS, Kind, MetricPlan
from app.domain.study import StudyState
from app.domain.worklist import WorklistQuery
from app.settings import Settings
from app.store.unit_of_work import UnitOfWork

PROCESSES = ("listener", "drafting", "delivery", "housekeeping", "ui")
_Values = dict[tuple[str, ...], float]


def gauge(name: str, value: float | Mapping[Any, float]) -> Metric:
    """Return a gauge of the catalogue: one number, or numbers by label value."""
    plan = METRICS[name]
    family = GaugeMetricFamily(plan.name, plan.help, labels=list(plan.labels))
    values = value if isinstance(value, Mapping) else {(): value}
    for labels, number in values.items():
        family.add_metric([labels] if isinstance(labels, str) else list(labels), number)
    return family


def disk_families(settings: Settings, now: datetime) -> Iterator[Metric]:
    """Yield how full the disk of the spool is, and what waits there for intake."""
    folder = settings.spool_dir if settings.spool_dir.is_dir() else settings.data_dir
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return
    yield gauge("janus_med_disk_free_bytes", disk.free)
    yield gauge("janus_med_disk_floor_bytes", settings.free_space_floor(disk.total))
    backlog, oldest = spool_backlog(settings)
    yield gauge("janus_med_spool_backlog", backlog)
    age = max(0.0, now.timestamp() - oldest) if backlog else 0.0
    yield gauge("janus_med_spool_backlog_age_seconds", age)


def spool_backlog(settings: Settings) -> tuple[int, float]:
    """Return how many instances wait for intake, and when the oldest was received (seconds of the epoch)."""
    try:
        names = os.listdir(settings.spool_dir / "incoming")
    except OSError:
        return 0, 0.0
    # their names begin with microseconds, so that the smallest is the oldest
    oldest = min(names, default="0").partition("-")[0]
    return len(names), int(oldest) / 1e6 if oldest.isdigit() else 0.0


def database_families(tx: UnitOfWork, now: datetime) -> Iterator[Metric]:
    """Yield everything that the database knows."""
    yield gauge(
        "janus_med_studies",
        {
            state.value: tx.studies.worklist(
                WorklistQuery(states=(state,), limit=1), reader=None, now=now
            ).total
            for state in StudyState
        },
    )
    yield from _queues(tx, now)
    yield gauge("janus_med_deliveries", tx.work.deliveries_by_state())
    waiting = {name: _age(since, now) for name, since in tx.figures.oldest_unsent().items()}
    yield gauge("janus_med_outbox_oldest_seconds", waiting)
    yield gauge("janus_med_dead_letters", len(tx.work.dead_letters()))
    yield gauge("janus_med_quarantined_instances", tx.stuck.undecided())
    yield from _alerts(tx)
    yield from _processes(tx, now)
    silence = {source.ae_title: _age(source.last_heard, now) for source in tx.figures.sources()}
    yield gauge("janus_med_source_silence_seconds", silence)
    yield from durable_families(tx.figures.counters())


def durable_families(counters: list[tuple[str, dict[str, str], float]]) -> Iterator[Metric]:
    """Yield the counters and histograms that lie in the database, those without a value yet included."""
    values: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
    for name, labels, value in counters:
        values[name].append((labels, value))
    for plan in METRICS.values():
        if plan.is_durable and plan.kind is Kind.COUNTER:
            family = CounterMetricFamily(plan.name, plan.help, labels=list(plan.labels))
            for labels, value in values[plan.name] or ([({}, 0.0)] if not plan.labels else []):
                family.add_metric([labels.get(label, "") for label in plan.labels], value)
            yield family
        elif plan.is_durable:
            yield _histogram(plan, values)


def _histogram(plan: MetricPlan, values: Mapping[str, list[tuple[dict[str, str], float]]]) -> Metric:
    family = HistogramMetricFamily(plan.name, plan.help, labels=list(plan.labels))
    sums: _Values = {
        tuple(labels.get(label, "") for label in plan.labels): value
        for labels, value in values.get(f"{plan.name}_sum", [])
    }
    counted: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for labels, value in values.get(f"{plan.name}_bucket", []):
        counted[tuple(labels.get(label, "") for label in plan.labels)][labels["le"]] = value
    bounds = [*(str(bound) for bound in plan.buckets), "+Inf"]
    for key in sums or ({(): 0.0} if not plan.labels else {}):
        buckets = [(bound, counted[key].get(bound, 0.0)) for bound in bounds]
        family.add_metric(list(key), buckets=buckets, sum_value=sums.get(key, 0.0))
    return family


def _queues(tx: UnitOfWork, now: datetime) -> Iterator[Metric]:
    depths = tx.work.queue_depths()
    jobs = {(queue.queue, "waiting"): float(queue.waiting) for queue in depths}
    jobs |= {(queue.queue, "running"): float(queue.running) for queue in depths}
    yield gauge("janus_med_queue_jobs", jobs)
    ages = {q.queue: _age(q.waiting_since, now) if q.waiting_since else 0.0 for q in depths}
    yield gauge("janus_med_queue_age_seconds", ages)


def _alerts(tx: UnitOfWork) -> Iterator[Metric]:
    by_kind: dict[str, float] = defaultdict(float)
    for alert in tx.alerts.open():
        by_kind[alert.kind.value] += 1
    yield gauge("janus_med_alerts_open", by_kind)


def _processes(tx: UnitOfWork, now: datetime) -> Iterator[Metric]:
    alive: dict[str, float] = dict.fromkeys(PROCESSES, 0.0)
    associations = 0.0
    for line in tx.figures.processes():
        if line.is_alive(now):
            alive[line.process] = alive.get(line.process, 0.0) + 1
            associations += line.gauges.get("associations_open", 0.0)
    yield gauge("janus_med_process_up", alive)
    yield gauge("janus_med_associations_open", associations)


def _age(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
