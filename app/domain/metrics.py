"""The catalogue of metrics: every name that `/metrics` shows, its kind and its labels; never who.

Labels have few values: an AE title is one of those that may send, anything else is ``other``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

OTHER = "other"
SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
MINUTES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 1800.0)
HOURS = (60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0, 43200.0, 86400.0)


class Kind(StrEnum):
    """How Prometheus reads a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class MetricPlan:
    """One metric.

    Attributes
    ----------
    buckets
        Upper bounds of a histogram, in seconds, without infinity.
    is_durable
        Whether the value lies in the database and goes on after a restart.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    is_durable: bool = False


_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
METRICS: Mapping[str, MetricPlan] = {
    plan.name: plan
    for plan in (
        MetricPlan("janus_med_instances", _C, "Instances by answer", ("calling_ae", "outcome"), (), True),
        MetricPlan("janus_med_received_bytes", _C, "Bytes of stored data sets", ("calling_ae",), (), True),
        MetricPlan("janus_med_associations", _C, "Associations by end", ("calling_ae", "outcome"), (), True),
        MetricPlan("janus_med_ack_seconds", _H, "Last byte here to answer ready", (), SECONDS, True),
        MetricPlan("janus_med_draft_seconds", _H, "Completion to draft", (), MINUTES, True),
        MetricPlan("janus_med_draft_model_seconds", _H, "Of that inside the model", (), MINUTES, True),
        MetricPlan("janus_med_draft_other_seconds", _H, "Of that outside the model", (), MINUTES, True),
        MetricPlan("janus_med_sign_seconds", _H, "Completion to final signature", (), HOURS, True),
        MetricPlan(
            "janus_med_outbox_seconds", _H, "Signature to acknowledged", ("destination",), HOURS, True
        ),
        MetricPlan("janus_med_associations_open", _G, "Associations open now"),
        MetricPlan("janus_med_source_silence_seconds", _G, "Since the last association", ("calling_ae",)),
        MetricPlan("janus_med_spool_backlog", _G, "Instances that wait for intake"),
        MetricPlan("janus_med_spool_backlog_age_seconds", _G, "Age of the oldest of them"),
        MetricPlan("janus_med_disk_free_bytes", _G, "Free bytes on the disk of the spool"),
        MetricPlan("janus_med_disk_floor_bytes", _G, "Storage is refused below this"),
        MetricPlan("janus_med_database_up", _G, "Whether the database answers"),
        MetricPlan("janus_med_process_up", _G, "Instances of a process that live", ("process",)),
        MetricPlan("janus_med_studies", _G, "Studies by state", ("state",)),
        MetricPlan("janus_med_queue_jobs", _G, "Jobs by queue and state", ("queue", "state")),
        MetricPlan("janus_med_queue_age_seconds", _G, "Age of the oldest waiting job", ("queue",)),
        MetricPlan("janus_med_deliveries", _G, "Deliveries by state", ("state",)),
        MetricPlan("janus_med_outbox_oldest_seconds", _G, "Age of the oldest undelivered", ("destination",)),
        MetricPlan("janus_med_dead_letters", _G, "Jobs that were given up"),
        MetricPlan("janus_med_quarantined_instances", _G, "Instances in quarantine, undecided"),
        MetricPlan("janus_med_alerts_open", _G, "Open alerts", ("kind",)),
        MetricPlan("janus_med_purged_bytes", _C, "Bytes given up by the retention policy", (), (), True),
        MetricPlan("janus_med_self_tests", _C, "Self-tests by outcome", ("outcome",), (), True),
        MetricPlan("janus_med_pixel_cache_bytes", _G, "Pixels in memory of the reading room"),
        MetricPlan("janus_med_logins", _C, "Log-ins by outcome", ("outcome",)),
        MetricPlan("janus_med_rate_limited", _C, "Requests refused for their number", ("what",)),
        MetricPlan("janus_med_pixel_requests", _C, "Images asked for by HTTP status", ("status",)),
        MetricPlan(
            "janus_med_dicomweb_requests",
            _C,
            "DICOMweb requests by service and HTTP status",
            ("service", "status"),
        ),
    )
}


@dataclass(frozen=True)
class Increment:
    """What is added to one durable number.

    Attributes
    ----------
    labels
        (name, value) pairs; of a histogram's bucket with ``le`` last.
    """

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


def observe(name: str, seconds: float, *labels: tuple[str, str]) -> tuple[Increment, ...]:
    """Return what one observation adds to a histogram: its buckets, its count and its sum."""
    bounds = [str(bound) for bound in METRICS[name].buckets if seconds <= bound]
    buckets = (Increment(f"{name}_bucket", (*labels, ("le", bound)), 1) for bound in (*bounds, "+Inf"))
    return (*buckets, Increment(f"{name}_sum", labels, max(0.0, seconds)))


def add_up(increments: Iterable[Increment]) -> tuple[Increment, ...]:
    """Return one increment for each number, in a fixed order: so writers cannot deadlock."""
    totals: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for increment in increments:
        key = increment.name, increment.labels
        totals[key] = totals.get(key, 0.0) + increment.value
    return tuple(Increment(name, labels, totals[name, labels]) for name, labels in sorted(totals))


def known_title(ae_title: str, known: Collection[str]) -> str:
    """Return the AE title as a label; strangers share one, so nobody can fill a collector."""
    return ae_title if ae_title in known else OTHER
