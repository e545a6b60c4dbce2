"""Critical results: opened by readers and signatures, closed with everything on record, escalated in time.

Covered: every field that may be missing, the database's own refusal, escalation and its alert, loops of a
signature. Not covered: the channels of an alert (`tests/faults/test_alert_is_told.py`).
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.domain.access import service_actor
from app.domain.alert import AlertKind
from app.domain.critical import Category, Communication, CriticalState, Means
from app.domain.errors import InvalidTransition, NotFound, Rejected
from app.services import critical
from app.services.alerts import open_alerts
from app.services.reading import edit_sentence, open_study, reject_sentence, release_lock
from app.services.signing import sign
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, draft_of, image, uid

AT = NOW + QUIET
CLOCK = service_actor("housekeeping")
TOLD = Communication("Dr. Ada Attending", "Dr. Ward", AT + timedelta(minutes=4), Means.TELEPHONE)
SOON = AT + timedelta(minutes=5)


def _open(house: House, category: Category = Category.MINUTES) -> int:
    opened = critical.open_loop(
        house.store, house["attending"], uid("s1"), "Tension pneumothorax", category, now=AT
    )
    return opened.critical_id


@pytest.mark.covers("S7")
def test_a_loop_is_closed_with_finding_time_teller_receiver_moment_and_means(house: House) -> None:
    house.drafted()
    number = _open(house)
    closed = critical.close_loop(house.store, house["resident"], number, TOLD, now=SOON)
    assert (closed.state, closed.communication, closed.ended_by) == (CriticalState.CLOSED, TOLD, "resident")
    assert critical.list_open_loops(house.store, house["attending"], now=SOON) == ()
    (entry,) = house.log("critical result communicated")
    assert entry.detail["seconds_to_communication"] == 240
    assert "pneumothorax" not in str(house.log()).lower()
    assert "Ward" not in str(house.log())


@pytest.mark.covers("S7")
@pytest.mark.parametrize(
    ("told", "missing"),
    [
        (Communication("", "Dr. Ward", AT, Means.TELEPHONE), "who told"),
        (Communication("Ada", "  ", AT, Means.TELEPHONE), "who was told"),
        (Communication("", "", AT, Means.TELEPHONE), "who told, who was told"),
        (Communication("Ada", "Dr. Ward", SOON + timedelta(hours=1), Means.VIDEO), "a time that has come"),
        (Communication("Ada", "W" * 121, AT, Means.IN_PERSON), "120 characters"),
    ],
)
def test_a_loop_is_not_closed_while_anything_is_missing(
    house: House, told: Communication, missing: str
) -> None:
    house.drafted()
    number = _open(house)
    with pytest.raises(Rejected, match=missing):
        critical.close_loop(house.store, house["attending"], number, told, now=SOON)
    (loop,) = critical.list_open_loops(house.store, house["attending"], now=SOON)
    assert loop.result.is_unfinished


@pytest.mark.covers("S7")
@pytest.mark.parametrize("column", ["teller", "receiver", "means", "told_at"])
def test_the_database_keeps_no_closed_loop_with_a_gap(house: House, column: str) -> None:
    house.drafted()
    number = _open(house)
    values = {"teller": "'a'", "receiver": "'b'", "means": "'c'", "told_at": "now()", "ended_by": "'d'"}
    values[column] = "NULL" if column == "told_at" else "''"
    assigned = ", ".join(f"{name} = {value}" for name, value in values.items())
    statement = (
        f"UPDATE critical_results SET state = 'CLOSED', ended_at = now(), {assigned} WHERE id = {number}"
    )
    with pytest.raises(IntegrityError, match="critical_closed_is_complete"), house.store.begin() as tx:
        tx.session.execute(text(statement))


@pytest.mark.covers("S7")
def test_a_loop_escalates_when_its_time_has_passed_and_again_until_it_is_closed(house: House) -> None:
    house.drafted()
    number = _open(house)
    before, after = AT + timedelta(minutes=9, seconds=59), AT + timedelta(minutes=10)
    assert critical.escalate_overdue(house.store, CLOCK, now=before) == 0
    assert critical.escalate_overdue(house.store, CLOCK, now=after) == 1
    assert critical.escalate_overdue(house.store, CLOCK, now=after) == 0
    (alert,) = open_alerts(house.store)
    assert (alert.kind, alert.subject) == (AlertKind.CRITICAL_OVERDUE, f"critical result {number}")
    assert "open for 10 minutes, escalation 1" in alert.reason
    assert critical.escalate_overdue(house.store, CLOCK, now=AT + timedelta(minutes=20)) == 1
    (again,) = open_alerts(house.store)
    assert again.alert_id != alert.alert_id
    assert "escalation 2" in again.reason
    (loop,) = critical.list_open_loops(house.store, house["attending"], now=after)
    assert (loop.result.state, loop.result.escalations) == (CriticalState.ESCALATED, 2)
    critical.close_loop(house.store, house["attending"], number, TOLD, now=AT + timedelta(minutes=21))
    assert open_alerts(house.store) == ()
    assert len(house.log("critical result escalated")) == 2


@pytest.mark.parametrize(
    ("category", "wait"),
    [
        (Category.MINUTES, timedelta(minutes=10)),
        (Category.HOURS, timedelta(hours=1)),
        (Category.DAYS, timedelta(days=3)),
    ],
)
def test_each_category_has_its_time(house: House, category: Category, wait: timedelta) -> None:
    house.drafted()
    _open(house, category)
    assert critical.escalate_overdue(house.store, CLOCK, now=AT + wait - timedelta(seconds=1)) == 0
    assert critical.escalate_overdue(house.store, CLOCK, now=AT + wait) == 1


def test_a_loop_opened_in_error_stays_on_record_with_the_reason(house: House) -> None:
    house.drafted()
    number = _open(house)
    with pytest.raises(Rejected, match="reason"):
        critical.cancel_loop(house.store, house["attending"], number, " ", now=SOON)
    critical.cancel_loop(house.store, house["attending"], number, "a skin fold", now=SOON)
    (loop,) = critical.loops_of_study(house.store, house["attending"], uid("s1"), now=SOON)
    assert (loop.state, loop.reason) == (CriticalState.CANCELLED, "a skin fold")
    with pytest.raises(InvalidTransition):
        critical.close_loop(house.store, house["attending"], number, TOLD, now=SOON)


@pytest.mark.covers("A1")
def test_a_look_at_the_board_is_on_record_and_a_refresh_is_not(house: House) -> None:
    house.drafted()
    _open(house)
    critical.list_open_loops(house.store, house["resident"], now=SOON)
    critical.list_open_loops(house.store, house["resident"], is_new=False, now=SOON)
    (entry,) = house.log("list studies")
    assert (entry.username, entry.detail) == ("resident", {"list": "critical results"})


def test_what_is_not_there_or_has_no_name_is_refused(house: House) -> None:
    house.drafted()
    with pytest.raises(NotFound):
        critical.close_loop(house.store, house["attending"], 99, TOLD, now=SOON)
    with pytest.raises(NotFound):
        critical.open_loop(house.store, house["attending"], "1.2.3", "x", Category.DAYS, now=AT)
    with pytest.raises(Rejected, match="names its finding"):
        critical.open_loop(house.store, house["attending"], uid("s1"), " ", Category.DAYS, now=AT)


def _sign(house: House, username: str = "attending") -> None:
    review = open_study(house.store, house[username], uid("s1"), now=AT)
    assert review.report is not None
    sign(
        house.store,
        house[username],
        review.report.report_id,
        version=review.report.version,
        password=PASSWORD,
        destinations=[PACS],
        confirmation=house.confirm(username, review.report, now=AT),
        now=AT,
    )


@pytest.fixture
def pneumothorax(house: House) -> House:
    """A draft that calls a pneumothorax present, every sentence accepted by the attending."""
    house.receive(image())
    house.complete()
    assert house.draft(content=draft_of(findings=("Pneumothorax",), text="Left pneumothorax."))
    house.accepted(uid("s1"), "attending")
    return house


@pytest.mark.covers("S7")
def test_a_signature_opens_the_loop_of_a_critical_finding_that_stays_in_the_report(
    pneumothorax: House,
) -> None:
    _sign(pneumothorax)
    (loop,) = critical.list_open_loops(pneumothorax.store, pneumothorax["resident"], now=AT)
    assert (loop.result.finding, loop.result.category) == ("Pneumothorax", Category.MINUTES)
    assert loop.study.study_uid == uid("s1")
    assert loop.result.due_at == AT + timedelta(minutes=10)
    (entry,) = pneumothorax.log("critical result opened")
    assert entry.detail["report_id"] == loop.result.report_id


def test_a_rewritten_sentence_opens_it_too_and_a_refused_one_does_not(pneumothorax: House) -> None:
    report = pneumothorax.accepted(uid("s1"), "attending")
    store, reader = pneumothorax.store, pneumothorax["attending"]
    for key in ("ai-1", "ai-2"):
        reject_sentence(store, reader, report.report_id, key, now=AT)
    edit_sentence(store, reader, report.report_id, "ai-1", "No skin fold: a pneumothorax.", now=AT)
    edit_sentence(store, reader, report.report_id, "ai-2", "Pneumothorax.", now=AT)
    _sign(pneumothorax)
    assert len(critical.list_open_loops(store, reader, now=AT)) == 1


def test_a_second_signature_opens_no_second_loop(pneumothorax: House) -> None:
    report = pneumothorax.accepted(uid("s1"), "attending")
    release_lock(pneumothorax.store, pneumothorax["attending"], report.report_id, now=AT)
    pneumothorax.accepted(uid("s1"), "resident", now=AT)
    _sign(pneumothorax, "resident")
    _sign(pneumothorax)
    assert len(critical.list_open_loops(pneumothorax.store, pneumothorax["attending"], now=AT)) == 1


def test_a_report_without_a_critical_finding_opens_none(house: House) -> None:
    house.signed()
    assert critical.list_open_loops(house.store, house["attending"], now=AT) == ()
