"""Events of the listener on their way to the audit log: in order, none twice, none in the way of another."""

from __future__ import annotations

import pytest

from app.domain.audit import AuditEvent, AuditFilter
from app.domain.errors import DatabaseUnavailable
from app.store.engine import Store
from app.workers import listener_audit
from app.workers.listener_audit import ListenerAudit
from pacs_bridge.admission import UNKNOWN_CALLING_AE
from pacs_bridge.received import AssociationFacts


def reject(audit: ListenerAudit, *titles: str) -> None:
    for title in titles:
        facts = AssociationFacts(f"id-{title}", title, "JANUSMED", "192.0.2.7")
        audit.association_rejected(facts, UNKNOWN_CALLING_AE)


def rejected(store: Store) -> list[str]:
    with store.begin() as unit:
        entries = list(unit.audit.stream(AuditFilter()))
    return [e.detail["calling_ae"] for e in entries if e.event == AuditEvent.ASSOCIATION_REJECTED.value]


class AwayStore:
    def begin(self) -> None:
        raise DatabaseUnavailable("away")


@pytest.mark.covers("L4", "R2")
def test_events_wait_for_the_database_in_their_order(store: Store) -> None:
    audit = ListenerAudit()
    reject(audit, "A", "B")
    with pytest.raises(DatabaseUnavailable):
        audit.write(AwayStore())  # type: ignore[arg-type]
    reject(audit, "C")
    audit.write(store)
    audit.write(store)
    assert rejected(store) == ["A", "B", "C"]


def test_event_that_cannot_be_written_holds_up_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = listener_audit.record_rejected_association

    def refuse_b(*arguments: object, **values: object) -> None:
        if values["calling_ae"] == "B":
            raise ValueError("never")
        real(*arguments, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(listener_audit, "record_rejected_association", refuse_b)
    audit = ListenerAudit()
    reject(audit, "A", "B", "C")
    audit.write(store)
    assert rejected(store) == ["A", "C"]


def test_flood_is_bounded(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    monkeypatch.setattr(listener_audit, "CAPACITY", 2)
    audit = ListenerAudit()
    reject(audit, "A", "B", "C", "D")
    audit.write(store)
    assert rejected(store) == ["A", "B"]
