"""The outbox: only what was signed, only what the reader let stand, and sent only when acknowledged."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.access import service_actor
from app.domain.delivery import DeliveryOrder, DeliveryState
from app.domain.errors import InvalidTransition, NotAuthorised, NotFound
from app.domain.report import Section, accepted_findings
from app.services.delivery import load_order, record_failed, record_sent, retry_delivery
from app.services.reading import add_sentence, edit_sentence, open_study, reject_sentence
from app.services.signing import sign
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, draft_of, image, uid

AT = NOW + QUIET
DELIVERER = service_actor("deliver")


def _delivery_id(house: House) -> int:
    with house.store.begin() as tx:
        (delivery,) = tx.deliveries.of_report(1)
    return delivery.delivery_id


def _state(house: House, delivery_id: int) -> DeliveryState:
    with house.store.begin() as tx:
        return tx.deliveries.get(delivery_id).state


def _order(house: House, delivery_id: int) -> DeliveryOrder:
    order = load_order(house.store, DELIVERER, delivery_id, now=AT)
    assert order is not None
    return order


@pytest.mark.covers("O6")
def test_an_order_carries_what_was_signed_word_for_word(house: House) -> None:
    signed = house.signed()
    order = _order(house, _delivery_id(house))
    assert order.sections == json.loads(order.attestation.text)["sections"]
    assert order.sections == {"findings": "Nodule in the left lung.", "impression": "Possible lesion."}
    assert order.attestation.verifies()
    assert (order.report.report_id, order.report.state) == (signed.report_id, signed.state)
    assert (order.study.study_uid, order.patient.patient_id) == (uid("s1"), "id-of-s1")
    assert order.draft_model == draft_of().model
    assert accepted_findings(order.report.sentences) == ("Lung Lesion",)


@pytest.mark.covers("O6")
def test_what_the_reader_refused_or_rewrote_never_leaves(house: House) -> None:
    actor = house["attending"]
    house.receive(image())
    house.complete()
    house.draft(content=draft_of(findings=["Pneumothorax"], text="Large pneumothorax."))
    report = open_study(house.store, actor, uid("s1"), now=AT).report
    assert report is not None
    reject_sentence(house.store, actor, report.report_id, "ai-1", now=AT)
    edit_sentence(house.store, actor, report.report_id, "ai-2", "Normal chest.", now=AT)
    report = add_sentence(house.store, actor, report.report_id, Section.FINDINGS, "Lungs clear.", now=AT)
    sign(
        house.store,
        actor,
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=[PACS],
        confirmation=house.confirm("attending", report),
        now=AT,
    )
    order = _order(house, _delivery_id(house))
    assert order.sections == {"findings": "Lungs clear.", "impression": "Normal chest."}
    assert accepted_findings(order.report.sentences) == ()
    leaving = json.dumps(asdict(order), default=str).lower()
    assert "normal chest" in leaving
    assert "pneumothorax" not in leaving
    assert "possible lesion" not in leaving
    assert all(s.ai_text == "" and s.region is None for s in order.report.sentences)


@pytest.mark.covers("O6")
def test_a_report_written_by_hand_names_no_model(house: House) -> None:
    actor = house["attending"]
    report = open_study(house.store, actor, house.drafted(), now=AT).report
    assert report is not None
    for sentence in report.sentences:
        report = reject_sentence(house.store, actor, report.report_id, sentence.key, now=AT)
    for section in Section:
        report = add_sentence(house.store, actor, report.report_id, section, "Normal.", now=AT)
    sign(
        house.store,
        actor,
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=[PACS],
        confirmation=house.confirm("attending", report),
        now=AT,
    )
    assert _order(house, _delivery_id(house)).draft_model == {}


@pytest.mark.covers("T10", "L12")
def test_a_signed_report_is_still_delivered_after_a_late_image_and_refers_to_its_own_images(
    house: House,
) -> None:
    house.receive(image("s1", 1, modality="PR", rows=None, columns=None), image("s2", 1))
    house.receive(image("s1", 3), image("s1", 2))
    house.complete()
    house.draft()
    report = house.accepted(uid("s1"), "attending")
    sign(
        house.store,
        house["attending"],
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=[PACS],
        now=AT,
    )
    house.receive(image("s1", 4), now=AT)
    order = _order(house, _delivery_id(house))
    assert [i.sop_uid for i in order.instances] == [uid("s1", "image", 2), uid("s1", "image", 3)]
    assert order.source == order.instances[0]
    record_sent(house.store, DELIVERER, order.delivery.delivery_id, now=AT)
    assert _state(house, order.delivery.delivery_id) is DeliveryState.SENT


@pytest.mark.covers("S6", "T03")
def test_sent_is_recorded_once_however_often_the_receiver_acknowledges(house: House) -> None:
    house.signed()
    delivery_id = _delivery_id(house)
    assert _state(house, delivery_id) is DeliveryState.PENDING
    first = _order(house, delivery_id)
    assert _order(house, delivery_id).delivery.sop_uid == first.delivery.sop_uid
    for _ in range(3):
        record_sent(house.store, DELIVERER, delivery_id, now=AT)
    record_failed(house.store, DELIVERER, delivery_id, "late news", final=True, now=AT)
    assert _state(house, delivery_id) is DeliveryState.SENT
    assert load_order(house.store, DELIVERER, delivery_id, now=AT) is None
    assert len(house.log("delivery sent")) == 1
    assert house.log("delivery failed") == []


@pytest.mark.covers("S6")
def test_a_delivery_that_was_given_up_waits_for_a_person_and_goes_out_after_retry(house: House) -> None:
    house.signed()
    delivery_id = _delivery_id(house)
    record_failed(house.store, DELIVERER, delivery_id, "PACS away", final=False, now=AT)
    assert _state(house, delivery_id) is DeliveryState.FAILED
    assert _order(house, delivery_id).delivery.reason == "PACS away"
    for _ in range(2):
        record_failed(house.store, DELIVERER, delivery_id, "PACS away\x00", final=True, now=AT)
    assert _state(house, delivery_id) is DeliveryState.DEAD
    assert load_order(house.store, DELIVERER, delivery_id, now=AT) is None
    with pytest.raises(InvalidTransition):
        record_sent(house.store, DELIVERER, delivery_id, now=AT)
    with pytest.raises(NotAuthorised):
        retry_delivery(house.store, house["attending"], delivery_id, now=AT)
    retry_delivery(house.store, house["admin"], delivery_id, now=AT)
    assert _state(house, delivery_id) is DeliveryState.PENDING
    record_sent(house.store, DELIVERER, delivery_id, now=AT + timedelta(minutes=1))
    assert [entry.event for entry in house.log()][-5:] == [
        "delivery failed",
        "delivery failed",
        "access denied",
        "work retried",
        "delivery sent",
    ]


def test_a_retry_is_queued_even_when_the_first_job_has_gone(house: House) -> None:
    house.signed()
    delivery_id = _delivery_id(house)
    record_failed(house.store, DELIVERER, delivery_id, "PACS away", final=True, now=AT)
    with house.store.begin() as tx:
        tx.session.execute(text("UPDATE procrastinate_jobs SET status = 'failed'"))
    retry_delivery(house.store, house["admin"], delivery_id, now=AT)
    assert house.jobs("deliver_report") == [{"delivery_id": delivery_id}] * 2


def test_unknown_deliveries_are_named(house: House) -> None:
    with pytest.raises(NotFound, match="no delivery 77"):
        load_order(house.store, DELIVERER, 77, now=AT)
    with pytest.raises(NotFound, match="no delivery 77"):
        record_sent(house.store, DELIVERER, 77, now=AT)
