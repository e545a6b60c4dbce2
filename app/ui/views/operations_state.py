"""The state of the system: the numbers at the top, alerts, processes, sources, disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import streamlit as st

from app.domain.access import Action, may
from app.domain.work import OperationsOverview
from app.services import operations
from app.services.operations import SeenAlert, SystemState
from app.ui.metric_families import PROCESSES, spool_backlog
from app.ui.session import Visit
from app.ui.terms import term
from app.ui.told import retell
from app.ui.views.operations_page import ago, attempt, utc
from app.ui.views.plain import plain
from app.ui.words import say


def show_numbers(visit: Visit, overview: OperationsOverview, system: SystemState) -> None:
    """Show what has to be seen at a glance."""
    missing = _missing(visit, system)
    if missing:
        st.error(say("Not running: {names}.", names=", ".join(map(term, missing))))
    waiting = {queue.queue: queue for queue in overview.queues}
    backlog, _ = spool_backlog(visit.room.settings)
    free, total, floor = _disk(visit)
    shown = [
        (say("Alerts"), str(len(system.alerts)), say("open")),
        (say("Waiting for intake"), str(backlog), say("instances")),
    ]
    for title, name in ((say("To draft"), "draft"), (say("To deliver"), "deliver")):
        queue = waiting.get(name)
        since = ago(queue.waiting_since, visit.now) if queue and queue.waiting_since else "0 s"
        count, running = (queue.waiting, queue.running) if queue else (0, 0)
        shown.append((title, str(count), say("oldest {time}, {count} running", time=since, count=running)))
    room = say("of {total}, floor {floor}", total=f"{total / 1e9:.0f}", floor=f"{floor / 1e9:.1f}")
    shown.append((say("Disk free"), f"{free / 1e9:.0f} GB", room))
    for column, (title, value, note) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(title, value)
        column.caption(note)


def show_alerts(visit: Visit, alerts: Sequence[SeenAlert]) -> None:
    """Show open alerts; one that was seen stays until its cause goes away."""
    if not alerts:
        st.write(say("No alert is open."))
    for seen in alerts:
        _alert(visit, seen)


def show_system(visit: Visit, system: SystemState) -> None:
    """Show processes and sources."""
    processes, sources = st.columns(2)
    with processes:
        st.subheader(say("Processes"), anchor=False)
        lines = [
            {
                say("Process"): term(line.process),
                say("Where"): line.instance,
                say("State"): say("runs") if line.is_alive(visit.now) else say("silent"),
                say("Last sign"): ago(line.seen_at, visit.now),
                say("Runs for"): ago(line.started_at, visit.now),
            }
            for line in system.processes
        ]
        lines += [
            {
                say("Process"): term(name),
                say("Where"): "-",
                say("State"): say("not running"),
                say("Last sign"): say("never"),
                say("Runs for"): "-",
            }
            for name in PROCESSES
            if name not in {line.process for line in system.processes}
        ]
        st.dataframe(lines, hide_index=True, key="operations_processes")
    with sources:
        st.subheader(say("Sources"), anchor=False)
        if not system.sources:
            st.write(say("None has been heard yet."))
            return
        heard = [
            {
                say("AE title"): source.ae_title,
                say("Last association"): ago(source.last_association_at, visit.now),
                say("Last image"): ago(source.last_instance_at, visit.now),
                say("At (UTC)"): utc(source.last_association_at),
            }
            for source in system.sources
        ]
        st.dataframe(heard, hide_index=True, key="operations_sources")


def _alert(visit: Visit, seen: SeenAlert) -> None:
    alert = seen.alert
    with st.container(border=True):
        text, act = st.columns((8, 2), vertical_alignment="center")
        kind = term(alert.kind)
        text.write(f"**{plain(kind[:1].upper() + kind[1:])}**: {plain(alert.subject)}")
        text.text(retell(alert.reason))
        raised, since = utc(alert.raised_at), ago(alert.raised_at, visit.now)
        about = say("since {time} UTC ({duration})", time=raised, duration=since)
        if alert.told_at:
            about += ", " + say("told {time} ago", time=ago(alert.told_at, visit.now))
        text.caption(plain(about))
        if seen.seen_by:
            act.caption(say("Seen by {user}", user=plain(seen.seen_by)))
        elif act.button(
            say("Acknowledge"),
            key=f"alert_{alert.alert_id}",
            disabled=not may(visit.actor.role, Action.RETRY_WORK),
            width="stretch",
        ):
            attempt(
                lambda: operations.acknowledge_alert(
                    visit.room.store, visit.actor, alert.alert_id, now=visit.now
                )
            )


def _missing(visit: Visit, system: SystemState) -> list[str]:
    alive = {line.process for line in system.processes if line.is_alive(visit.now)}
    return [name for name in PROCESSES if name not in alive]


def _disk(visit: Visit) -> tuple[int, int, float]:
    settings = visit.room.settings
    folder = settings.spool_dir if settings.spool_dir.is_dir() else settings.data_dir
    disk = shutil.disk_usage(folder)
    return disk.free, disk.total, settings.free_space_floor(disk.total)
