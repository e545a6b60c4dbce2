"""What the people who run the system look at, and what they can do there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.access import Action, Actor
from app.domain.alert import Alert
from app.domain.audit import AuditEvent, AuditFact
from app.domain.operations import Page, ProcessLine, SourceLine, StudyLine, WaitingDelivery
from app.domain.study import StudyState
from app.services.permission import permit
from app.store.engine import Store

STUCK_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class SeenAlert:
    """An open alert, and who has seen it; empty for nobody."""

    alert: Alert
    seen_by: str


@dataclass(frozen=True)
class SystemState:
    """The short lists of the operations view."""

    alerts: tuple[SeenAlert, ...]
    processes: tuple[ProcessLine, ...]
    sources: tuple[SourceLine, ...]


def system_state(store: Store, actor: Actor, *, now: datetime) -> SystemState:
    """Return open alerts, processes and sources.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.VIEW_OPERATIONS, now=now)
    with store.begin() as tx:
        seen = tx.stuck.acknowledged()
        alerts = tuple(SeenAlert(alert, seen.get(alert.alert_id, "")) for alert in tx.alerts.open())
        return SystemState(alerts, tx.figures.processes(), tx.figures.sources())


def waiting_deliveries(
    store: Store, actor: Actor, *, now: datetime, limit: int = 20, offset: int = 0
) -> Page[WaitingDelivery]:
    """Return deliveries that are not done, the oldest first.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.VIEW_OPERATIONS, now=now)
    with store.begin() as tx:
        return tx.stuck.deliveries(limit=limit, offset=offset)


def stuck_studies(
    store: Store, actor: Actor, state: StudyState, *, now: datetime, limit: int = 20, offset: int = 0
) -> Page[StudyLine]:
    """Return studies in a state, the oldest first; RECEIVING and COMPLETE after `STUCK_AFTER` alone.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.VIEW_OPERATIONS, now=now)
    passing = state in {StudyState.RECEIVING, StudyState.COMPLETE}
    before = now - STUCK_AFTER if passing else now
    with store.begin() as tx:
        return tx.stuck.studies(state, before=before, limit=limit, offset=offset)


def acknowledge_alert(store: Store, actor: Actor, alert_id: int, *, now: datetime) -> None:
    """Note that a person has seen an alert; it stays open until its cause goes away.

    Raises
    ------
    NotAuthorised
    """
    permit(store, actor, Action.RETRY_WORK, now=now)
    with store.begin() as tx:
        if tx.stuck.acknowledge(alert_id, username=actor.username, now=now):
            fact = AuditFact(
                event=AuditEvent.ALERT_ACKNOWLEDGED, actor=actor, at=now, detail={"alert": alert_id}
            )
            tx.audit.append(fact)
