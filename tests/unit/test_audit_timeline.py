"""The audit log as a story: order, days, what lies between, and kinds of acts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.audit import AuditEvent
from app.domain.audit_timeline import KINDS, Kind, kind_of, tell_story
from tests.unit.audit_logs import NOW, make_log


def test_story_is_told_day_by_day_whatever_order_the_entries_come_in() -> None:
    log = make_log(4, every=0)
    times = (NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=20), NOW + timedelta(hours=20, seconds=5))
    entries = [replace(entry, at=at) for entry, at in zip(log, times, strict=True)]
    days = tell_story(list(reversed(entries)))
    assert [[step.entry.seq for step in day.steps] for day in days] == [[1, 2], [3, 4]]
    assert [step.after for day in days for step in day.steps] == [
        None,
        timedelta(hours=1),
        timedelta(hours=19),
        timedelta(seconds=5),
    ]
    assert tell_story([]) == ()


@pytest.mark.parametrize(
    ("event", "outcome", "kind"),
    [
        ("study opened", "success", Kind.LOOK),
        ("study opened", "failure", Kind.REFUSED),
        ("report signed", "success", Kind.SIGN),
        ("access denied", "failure", Kind.REFUSED),
        ("delivery sent", "success", Kind.SEND),
        ("login", "success", Kind.ACCESS),
        ("study received", "success", Kind.SYSTEM),
        ("an event of tomorrow", "success", Kind.SYSTEM),
    ],
)
def test_kind_of_an_act(event: str, outcome: str, kind: Kind) -> None:
    [entry] = make_log(1)
    assert kind_of(replace(entry, event=event, outcome=outcome)) is kind


def test_no_event_is_of_two_kinds() -> None:
    events = [event for kind in KINDS.values() for event in kind]
    assert len(events) == len(set(events))
    assert set(events) <= set(AuditEvent)
