"""Orders meet studies by accession number and patient, whichever comes first.

Covered: order before and after its study, urgency in both orders of events, another patient's order,
cancelling, repeated messages, several procedures, worklist beside HL7, review.
Not covered here: how orders come in (`tests/workers/test_hl7_in.py`, `tests/workers/test_ask_worklist.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.access import service_actor
from app.domain.order import (
    CANCELLED,
    OTHER_PATIENT,
    ClinicalContext,
    OrderCommand,
    OrderContent,
    OrderUpdate,
)
from app.domain.priority import ROUTINE, STAT
from app.domain.study import Patient, Study
from app.services.drafting import take_order
from app.services.orders import Receipt, clinical_context, take_orders
from app.services.reading import open_study
from app.ui.present_order import context_data
from tests.unit.services.conftest import NOW, QUIET, House, draft_of, image, uid

RIS = service_actor("hl7")
OWNER = Patient("id-of-s1", "HOSPITAL", "Name^S1", "19500101", "F")


def content(**changes: Any) -> OrderContent:
    order = OrderContent(
        placer_number="PL1",
        filler_number="FI1",
        accession_number="acc-s1",
        patient=OWNER,
        procedure="Chest 2 views",
        indication="Cough, rule out pneumothorax",
        priority="ROUTINE",
        requesting_physician="Order^Olga",
    )
    return replace(order, **changes)


def send(
    house: House,
    command: OrderCommand = OrderCommand.PLACE,
    *,
    source: str = "HL7 RIS|H",
    receipt: Receipt | None = None,
    **changes: Any,
) -> bool:
    updates = [OrderUpdate(command, content(**changes))]
    return take_orders(house.store, RIS, updates, source=source, receipt=receipt, now=NOW)


def study_of(house: House, name: str = "s1") -> Study:
    with house.store.begin() as tx:
        return tx.studies.get(uid(name))


def context(house: House, name: str = "s1") -> ClinicalContext:
    with house.store.begin() as tx:
        return clinical_context(tx, tx.studies.get(uid(name)))


def count(house: House, statement: str) -> int:
    with house.store.begin() as tx:
        return int(tx.session.scalar(text(statement)) or 0)


def events(house: House) -> list[str]:
    with house.store.begin() as tx:
        return list(tx.session.scalars(text("SELECT event FROM audit_log ORDER BY seq")))


def test_an_order_waits_for_its_study(house: House) -> None:
    send(house, priority="STAT")
    house.receive(image())
    house.complete()

    order = take_order(house.store, uid("s1"), 1)

    assert order is not None
    assert order.context.source == "order"
    assert order.context.indication == "Cough, rule out pneumothorax"
    assert study_of(house).priority == STAT
    assert study_of(house).priority_reason == "ordered STAT"
    assert count(house, "SELECT priority FROM procrastinate_jobs WHERE task_name = 'draft_study'") == STAT
    assert events(house)[:1] == ["order received"]
    assert "order attached" in events(house)


def test_an_urgent_order_raises_a_study_that_is_there_and_the_draft_that_waits(house: House) -> None:
    house.receive(image())
    house.complete()
    assert study_of(house).priority == ROUTINE

    send(house, priority="STAT")

    assert study_of(house).priority == STAT
    assert count(house, "SELECT priority FROM procrastinate_jobs WHERE task_name = 'draft_study'") == STAT


def test_a_later_routine_order_does_not_lower_what_is_urgent(house: House) -> None:
    house.receive(image())
    send(house, priority="STAT")
    send(house, OrderCommand.CHANGE, priority="ROUTINE")

    assert study_of(house).priority == STAT


def test_the_order_of_another_patient_is_not_used_and_warned_of(house: House) -> None:
    house.receive(image())
    house.complete()
    send(house, patient=replace(OWNER, patient_id="SOMEBODY ELSE"), priority="STAT")

    assert context(house) == ClinicalContext(warning=OTHER_PATIENT)
    assert study_of(house).priority == ROUTINE
    assert "order of another patient" in events(house)
    assert "order attached" not in events(house)


def test_another_patients_order_beside_the_right_one_is_warned_of_and_not_mixed_in(house: House) -> None:
    house.receive(image())
    send(house)
    send(
        house,
        filler_number="FI2",
        placer_number="PL2",
        patient=replace(OWNER, patient_id="X"),
        indication="Y",
    )

    assert context(house).indication == "Cough, rule out pneumothorax"
    assert context(house).warning == OTHER_PATIENT


def test_a_cancelled_order_is_not_used_until_it_is_placed_again(house: House) -> None:
    send(house)
    send(house, OrderCommand.CANCEL, indication="", procedure="", priority="STAT")
    house.receive(image())
    house.complete()

    assert context(house) == ClinicalContext(warning=CANCELLED)
    assert study_of(house).priority == ROUTINE
    send(house)
    assert context(house).indication == "Cough, rule out pneumothorax"


def test_a_change_keeps_what_it_does_not_say(house: House) -> None:
    house.receive(image())
    send(house, filler_number="")
    send(house, OrderCommand.CHANGE, procedure="", indication="Fever")

    assert count(house, "SELECT count(*) FROM orders") == 1
    assert (context(house).procedure, context(house).indication) == ("Chest 2 views", "Fever")


def test_the_same_message_has_its_effect_once(house: House) -> None:
    house.receive(image())
    receipt = Receipt("RIS|H", "M1", "ab" * 32)

    assert send(house, receipt=receipt)
    before = events(house)
    assert not send(house, receipt=receipt)

    assert events(house) == before
    assert send(house, receipt=replace(receipt, sha256="cd" * 32), indication="Fever")
    assert context(house).indication == "Fever"


def test_several_procedures_of_one_accession_number_are_all_told(house: House) -> None:
    house.receive(image())
    send(house)
    send(house, filler_number="FI2", placer_number="PL2", procedure="Ribs left", indication="Fall")

    assert set(context(house).procedure.split("; ")) == {"Chest 2 views", "Ribs left"}
    assert count(house, "SELECT count(*) FROM orders") == 2


def test_the_worklist_adds_what_the_message_does_not_say(house: House) -> None:
    house.receive(image())
    send(house)
    send(
        house,
        source="worklist RIS",
        placer_number="",
        filler_number="RP1",
        procedure="XR chest",
        indication="other words",
        allergies="Latex",
        scheduled_step="Chest upright",
    )

    found = context(house)
    assert (found.source, found.procedure, found.indication) == (
        "order",
        "Chest 2 views",
        "Cough, rule out pneumothorax",
    )
    assert (found.allergies, found.scheduled_step) == ("Latex", "Chest upright")


@pytest.mark.parametrize("accession", ["", "other"])
def test_a_study_without_the_accession_number_gets_no_order(house: House, accession: str) -> None:
    house.receive(image(accession_number=accession))
    send(house, accession_number="")

    assert context(house) == ClinicalContext()


def test_hostile_texts_are_cut_and_cleaned(house: House) -> None:
    house.receive(image())
    send(house, indication="\x00\ud800x" + "y" * 10_000, procedure="z" * 10_000)

    assert len(context(house).indication) == 4000
    assert len(context(house).procedure) == 250


def test_the_worklist_is_asked_before_the_draft_and_the_draft_knows(house: House) -> None:
    from app.services.assembly import complete_due_studies

    house.receive(image())
    complete_due_studies(
        house.store, open_studies=frozenset(), quiet=QUIET, ask_worklist=True, now=NOW + QUIET
    )
    order = take_order(house.store, uid("s1"), 1)
    assert order is not None
    assert order.awaits_worklist

    with house.store.begin() as tx:
        tx.session.execute(
            text("UPDATE procrastinate_jobs SET attempts = 1 WHERE task_name = 'ask_worklist'")
        )
    order = take_order(house.store, uid("s1"), 1)
    assert order is not None
    assert not order.awaits_worklist


def test_a_reader_sees_the_order_beside_the_draft(house: House) -> None:
    house.drafted()
    send(house)

    review = open_study(house.store, house["attending"], uid("s1"), now=NOW + QUIET)

    assert review.context.indication == "Cough, rule out pneumothorax"


@pytest.mark.parametrize(
    ("told", "is_warned"), [("", True), ("Fever", True), ("Cough, rule out pneumothorax", False)]
)
def test_a_draft_that_was_made_without_the_indication_says_so(
    house: House, told: str, is_warned: bool
) -> None:
    known = ClinicalContext(source="order", indication=told).as_provenance()
    drafted = draft_of()
    house.receive(image())
    house.complete()
    house.draft(content=replace(drafted, provenance={**drafted.provenance, "clinical_context": known}))
    send(house)

    review = open_study(house.store, house["attending"], uid("s1"), now=NOW + QUIET)

    assert bool(context_data(review)["warnings"]) == is_warned
    assert ("Indication", "Cough, rule out pneumothorax") in context_data(review)["lines"]


def test_without_an_order_the_reader_sees_what_the_draft_was_told(house: House) -> None:
    known = ClinicalContext(source="images", indication="Fever").as_provenance()
    drafted = draft_of()
    house.receive(image())
    house.complete()
    house.draft(content=replace(drafted, provenance={**drafted.provenance, "clinical_context": known}))

    review = open_study(house.store, house["attending"], uid("s1"), now=NOW + QUIET)

    assert context_data(review) == {"lines": [("Indication", "Fever")], "warnings": []}
