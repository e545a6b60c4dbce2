"""Counts, signs of life and silent sources: what the processes report, and the alerts that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.alert import AlertKind
from app.domain.metrics import Increment, observe
from app.domain.watch import Expectation, is_too_silent
from app.services.alerts import clear_alert, raise_alert
from app.store.engine import Store

# rows of transactions that are slow to commit are still seen
_SETTLED = timedelta(seconds=10)


@dataclass(frozen=True)
class ProcessReport:
    """What a process has to say since its last report.

    Attributes
    ----------
    heard
        By calling AE title: time of the last association, time of the last instance.
    is_news
        Whether worklists on a screen show some of it: they are told.
    """

    process: str
    instance: str
    started_at: datetime
    increments: Sequence[Increment] = ()
    gauges: Mapping[str, float] = field(default_factory=dict)
    heard: Mapping[str, tuple[datetime | None, datetime | None]] = field(default_factory=dict)
    is_news: bool = False


def record_report(store: Store, report: ProcessReport, *, now: datetime) -> None:
    """Keep what a process reports, all of it or nothing."""
    with store.begin() as tx:
        tx.figures.add(report.increments)
        tx.figures.heard(report.heard, now=now)
        tx.figures.beat(
            report.process, report.instance, started_at=report.started_at, gauges=report.gauges, now=now
        )
        if report.is_news:
            tx.figures.tell_worklists()


def retire_process(store: Store, process: str, instance: str) -> None:
    """Forget a process that has ended as it was asked to."""
    with store.begin() as tx:
        tx.figures.retire(process, instance)


def count_work(store: Store, *, now: datetime) -> None:
    """Count drafts, signatures and deliveries since the last time, each once."""
    until = now - _SETTLED
    with store.begin() as tx:
        after = tx.figures.advance("work", until)
        increments: list[Increment] = []
        for whole, inside in tx.figures.drafted(after, until):
            increments += observe("janus_med_draft_seconds", whole)
            increments += observe("janus_med_draft_model_seconds", min(inside, whole))
            increments += observe("janus_med_draft_other_seconds", max(0.0, whole - inside))
        for seconds in tx.figures.signed(after, until):
            increments += observe("janus_med_sign_seconds", seconds)
        for destination, seconds in tx.figures.sent(after, until):
            increments += observe("janus_med_outbox_seconds", seconds, ("destination", destination))
        tx.figures.add(increments)


def check_sources(store: Store, expected: Sequence[Expectation], *, now: datetime) -> tuple[str, ...]:
    """Raise an alert for every source that has been silent for too long, clear it when it is heard again.

    Parameters
    ----------
    now
        In the time zone whose days and hours the settings mean.

    Returns
    -------
    tuple of str
        AE titles that are silent.
    """
    silent = []
    with store.begin() as tx:
        tx.figures.watch([each.ae_title for each in expected], now=now)
        heard = {source.ae_title: source.last_heard for source in tx.figures.sources()}
        for each in expected:
            last = heard[each.ae_title]
            if is_too_silent(each, last, now=now):
                silent.append(each.ae_title)
                reason = f"no association since {last:%Y-%m-%d %H:%M} UTC, expected every {each.hours:g} h"
                raise_alert(tx, AlertKind.SOURCE_SILENT, each.ae_title, reason, now=now)
            elif now - last <= timedelta(hours=each.hours):
                clear_alert(tx, AlertKind.SOURCE_SILENT, each.ae_title, now=now)
    return tuple(silent)


def set_alert(store: Store, kind: AlertKind, subject: str, reason: str, *, now: datetime) -> None:
    """Raise an alert in a transaction of its own, or clear it when the reason is empty."""
    with store.begin() as tx:
        if reason:
            raise_alert(tx, kind, subject, reason, now=now)
        else:
            clear_alert(tx, kind, subject, now=now)
