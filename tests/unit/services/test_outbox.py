"""The order of the outbox, withdrawal, backoff and alerts, on the database.

Covered: what a later message cancels, what waits for what, preliminary reports, who may withdraw and what
that leaves, alerts with dead letters. Not covered: the wire (`tests/workers`, `tests/bridge`).
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from app.domain.access import service_actor
from app.domain.alert import TELL_WAITS, AlertKind
from app.domain.attestation import Meaning
from app.domain.delivery import Delivery, DeliveryState, wait_before_resend
from app.domain.errors import (
    AuthenticationFailed,
    InvalidTransition,
    NotAuthorised,
    PeerUnavailable,
    Rejected,
    StaleVersion,
)
from app.domain.report import Report, ReportState
from app.domain.work import DELIVER_REPORT, Job
from app.services.alerts import open_alerts, tell_alerts
from app.services.delivery import load_order, record_failed, record_sent
from app.services.signing import sign
from app.services.withdrawal import withdraw
from app.services.work import bury, retry_dead_letter
from tests.unit.services.conftest import NOW, PASSWORD, QUIET, House, uid

AT = NOW + QUIET
DELIVERER = service_actor("deliver")
EVERYWHERE = [("PACS", "report_sr"), ("RIS", "hl7_oru"), ("EHR", "fhir_report")]


def signed(house: House, *, preliminary: bool = False, study: str = "s1") -> Report:
    """Sign as the attending, before that perhaps as the resident, both times to every destination."""
    house.drafted(study)
    people = ["resident", "attending"] if preliminary else ["attending"]
    for person in people:
        report = house.accepted(uid(study), person)
        sign(
            house.store,
            house[person],
            report.report_id,
            version=report.version,
            password=PASSWORD,
            destinations=EVERYWHERE,
            send_preliminary=True,
            now=AT,
        )
    return house.report(report.report_id)


def take_back(house: House, report: Report, username: str = "attending", **changes: object) -> None:
    arguments: dict[str, object] = {
        "version": report.version,
        "password": PASSWORD,
        "reason": "Images of another patient.",
        "now": AT,
    }
    withdraw(house.store, house[username], report.report_id, **(arguments | changes))  # type: ignore[arg-type]


def outbox(house: House) -> list[Delivery]:
    with house.store.begin() as tx:
        return list(tx.deliveries.of_report(tx.reports.summaries(uid("s1"))[0].report_id))


def states(house: House) -> list[tuple[str, str]]:
    return [(delivery.destination, delivery.state.value) for delivery in outbox(house)]


def order_of(house: House, delivery: Delivery) -> object:
    return load_order(house.store, DELIVERER, delivery.delivery_id, now=AT)


@pytest.mark.covers("O6", "S2")
def test_preliminary_report_stays_inside_unless_the_site_wants_it(house: House) -> None:
    house.drafted()
    report = house.accepted(uid("s1"), "resident")
    resident = house["resident"]
    arguments = {"password": PASSWORD, "destinations": EVERYWHERE, "now": AT}
    sign(house.store, resident, report.report_id, version=report.version, **arguments)  # type: ignore[arg-type]
    assert outbox(house) == []


@pytest.mark.covers("S5", "O6")
def test_final_report_takes_the_place_of_a_preliminary_one_that_was_not_sent(house: House) -> None:
    signed(house, preliminary=True)
    assert [state for _, state in states(house)] == ["CANCELLED"] * 3 + ["PENDING"] * 3
    first, *_, last = outbox(house)
    assert order_of(house, first) is None
    order = order_of(house, last)
    assert order is not None
    assert order.state is ReportState.SIGNED  # type: ignore[attr-defined]


@pytest.mark.covers("S5", "L12")
def test_preliminary_report_that_a_late_image_overtook_is_not_sent(house: House) -> None:
    from tests.unit.services.conftest import image

    house.drafted()
    report = house.accepted(uid("s1"), "resident")
    sign(
        house.store,
        house["resident"],
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=EVERYWHERE,
        send_preliminary=True,
        now=AT,
    )
    assert all(order_of(house, delivery) is not None for delivery in outbox(house))
    house.receive(image(number=2), now=AT)
    assert all(order_of(house, delivery) is None for delivery in outbox(house))
    assert {state for _, state in states(house)} == {"CANCELLED"}


@pytest.mark.covers("O6", "S4")
def test_withdrawal_goes_to_everyone_who_got_the_report_and_cancels_what_waits(house: House) -> None:
    report = signed(house)
    sent, _, dead = outbox(house)
    record_sent(house.store, DELIVERER, sent.delivery_id, now=AT)
    record_failed(house.store, DELIVERER, dead.delivery_id, "AE", final=True, now=AT)
    take_back(house, report)
    assert states(house) == [
        *[("PACS", "SENT"), ("RIS", "CANCELLED"), ("EHR", "CANCELLED")],
        *[("PACS", "PENDING"), ("RIS", "PENDING"), ("EHR", "PENDING")],
    ]
    assert house.report(report.report_id).state is ReportState.WITHDRAWN
    order = order_of(house, outbox(house)[3])
    assert order is not None
    assert order.state is ReportState.WITHDRAWN  # type: ignore[attr-defined]
    assert order.withdrawal_reason == "Images of another patient."  # type: ignore[attr-defined]
    assert [d.sop_uid for d in order.earlier] == [sent.sop_uid]  # type: ignore[attr-defined]
    assert order.sections["findings"] == "Nodule in the left lung."  # type: ignore[attr-defined]
    (entry,) = house.log("report withdrawn")
    assert entry.detail["deliveries"] == 3
    with house.store.begin() as tx:
        last = tx.reports.attestations.of_report(report.report_id)[-1]
    assert last.meaning is Meaning.WITHDRAWN
    assert last.verifies()
    assert json.loads(last.text)["withdraws_sha256"] == order.signed.sha256  # type: ignore[attr-defined]


@pytest.mark.covers("S2", "S3", "T34")
def test_withdrawal_needs_an_attending_a_password_a_reason_and_the_version_seen(house: House) -> None:
    report = signed(house)
    with pytest.raises(NotAuthorised):
        take_back(house, report, "resident")
    with pytest.raises(NotAuthorised, match="open the study"):
        take_back(house, report, "colleague")
    with pytest.raises(AuthenticationFailed):
        take_back(house, report, password="wrong")
    with pytest.raises(Rejected, match="reason"):
        take_back(house, report, reason="  ")
    with pytest.raises(StaleVersion):
        take_back(house, report, version=report.version - 1)
    assert house.report(report.report_id).state is ReportState.SIGNED
    take_back(house, report)
    with pytest.raises(InvalidTransition):
        take_back(house, house.report(report.report_id))
    assert len(house.log("report withdrawn")) == 1


@pytest.mark.covers("S6", "T03")
def test_withdrawal_waits_for_an_attempt_that_is_on_its_way(house: House) -> None:
    """The cancelled original may arrive at this moment: its rejection must come after it."""
    from sqlalchemy import text

    report = signed(house)
    first = outbox(house)[0]
    with house.store.begin() as tx:
        doing = text("UPDATE procrastinate_jobs SET status = 'doing' WHERE (args->>'delivery_id')::int = :id")
        tx.session.execute(doing, {"id": first.delivery_id})
    take_back(house, report)
    with pytest.raises(PeerUnavailable, match="on its way"):
        order_of(house, outbox(house)[3])
    record_sent(house.store, DELIVERER, first.delivery_id, now=AT)
    assert outbox(house)[0].state is DeliveryState.SENT
    assert order_of(house, outbox(house)[3]) is not None


@pytest.mark.covers("S6")
def test_a_failed_attempt_and_the_next_job_are_one_transaction(house: House) -> None:
    signed(house)
    delivery = outbox(house)[0]
    with house.store.begin() as tx:
        from sqlalchemy import text

        tx.session.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    later = AT + timedelta(minutes=1)
    record_failed(house.store, DELIVERER, delivery.delivery_id, "away", final=False, retry_at=later, now=AT)
    assert house.count("procrastinate_jobs", f"status = 'todo' AND scheduled_at = '{later.isoformat()}'") == 1
    assert outbox(house)[0].state is DeliveryState.FAILED


@pytest.mark.covers("T08")
def test_waits_grow_vary_and_end() -> None:
    waits = (10, 60, 300)
    for number in range(1, 30):
        got = [wait_before_resend(number, attempts, waits) for attempts in (1, 2, 3, 4)]
        assert got == [wait_before_resend(number, attempts, waits) for attempts in (1, 2, 3, 4)]
        for wait, base in zip(got[:3], waits, strict=True):
            assert wait is not None
            assert 0.75 * base <= wait.total_seconds() <= 1.25 * base
        assert got[3] is None
    assert len({wait_before_resend(number, 1, waits) for number in range(30)}) == 30


def letter(house: House) -> int:
    """Give the first delivery up, as its worker does; return the number of the dead letter."""
    from sqlalchemy import text

    delivery = outbox(house)[0]
    record_failed(house.store, DELIVERER, delivery.delivery_id, "AE", final=True, now=AT)
    with house.store.begin() as tx:
        job_id = tx.session.scalar(
            text(
                "UPDATE procrastinate_jobs SET status = 'doing'"
                " WHERE id = (SELECT min(id) FROM procrastinate_jobs"
                " WHERE task_name = 'deliver_report') RETURNING id"
            )
        )
    job = Job(job_id, "deliver", DELIVER_REPORT, {"delivery_id": delivery.delivery_id}, 0, None)
    buried = bury(house.store, DELIVERER, job, "RIS refused the message with AE", now=AT)
    assert buried is not None
    return buried.dead_letter_id


@pytest.mark.covers("S6", "T08")
def test_dead_letter_raises_an_alert_and_a_retry_clears_it(house: House) -> None:
    signed(house)
    number = letter(house)
    [alert] = open_alerts(house.store)
    assert (alert.kind, alert.subject) == (AlertKind.DELIVERY_GIVEN_UP, "delivery 1 (report_sr) to PACS")
    assert "AE" in alert.reason
    assert not {"Name", "S1", "id-of-s1"} & set(f"{alert.subject} {alert.reason}".split())
    retry_dead_letter(house.store, house["admin"], number, now=AT)
    assert open_alerts(house.store) == ()


@pytest.mark.covers("T08")
def test_destination_that_stays_silent_alerts_once_and_is_cleared_by_an_acknowledgement(house: House) -> None:
    signed(house)
    delivery = outbox(house)[0]
    for _ in range(5):
        record_failed(house.store, DELIVERER, delivery.delivery_id, "PACS away", final=False, now=AT)
    [alert] = open_alerts(house.store)
    assert (alert.kind, alert.subject) == (AlertKind.DESTINATION_SILENT, "PACS")
    record_sent(house.store, DELIVERER, delivery.delivery_id, now=AT)
    assert open_alerts(house.store) == ()


@pytest.mark.covers("S6")
def test_alert_that_nobody_takes_is_told_again_a_bounded_number_of_times(house: House) -> None:
    signed(house)
    letter(house)
    told, now = [], AT
    for _ in range(50):
        tell_alerts(house.store, lambda alerts: bool(told.append(alerts)), now=now)
        now += timedelta(minutes=30)
    assert len(told) <= len(TELL_WAITS) + 1
    assert len(told) >= 2
    [alert] = open_alerts(house.store)
    assert alert.told_at is None


@pytest.mark.covers("S6")
def test_alert_is_told_once(house: House) -> None:
    signed(house)
    letter(house)
    told: list[object] = []
    for _ in range(3):
        tell_alerts(house.store, lambda alerts: told.append(alerts) or True, now=AT + timedelta(hours=1))
    assert len(told) == 1
    [alert] = open_alerts(house.store)
    assert alert.told_at is not None
