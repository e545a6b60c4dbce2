"""Addenda and corrections on the database: who, when, in which state, numbered, sent to whom.

Covered: all pairs of state and act, roles, hard stops, races, recipients, order of the outbox, what a message
carries, withdrawal afterwards, priors, foreign reports. Not covered: the wire (`tests/workers`,
`tests/bridge`), the dialogs (`tests/ui`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text as sql

from app.domain.access import service_actor
from app.domain.attestation import Meaning
from app.domain.delivery import Delivery, DeliveryOrder
from app.domain.errors import (
    AuthenticationFailed,
    Conflict,
    InvalidTransition,
    NotAuthorised,
    Rejected,
    ReportIncomplete,
    StaleVersion,
)
from app.domain.prior import FoundStudy
from app.domain.report import AMENDABLE, Report, ReportState
from app.services.delivery import load_order, record_sent
from app.services.priors import record_attached, record_found
from app.services.reading import open_study, refresh
from app.services.withdrawal import withdraw
from tests.unit.services.amendments import AT, CORRECTED, add, correct, signed
from tests.unit.services.conftest import PASSWORD, QUIET, House, image, uid

DELIVERER = service_actor("deliver")


def outbox(house: House, report: Report) -> list[Delivery]:
    with house.store.begin() as tx:
        return list(tx.deliveries.of_report(report.report_id))


def states(house: House, report: Report) -> list[tuple[str, str, str]]:
    return [(d.destination, d.kind, d.state.value) for d in outbox(house, report)]


def order_of(house: House, delivery: Delivery) -> DeliveryOrder:
    order = load_order(house.store, DELIVERER, delivery.delivery_id, now=AT)
    assert order is not None
    return order


def send(house: House, report: Report) -> None:
    """Let every receiver acknowledge what waits for it."""
    for delivery in outbox(house, report):
        if delivery.state.value == "PENDING":
            record_sent(house.store, DELIVERER, delivery.delivery_id, now=AT)


def put_into(house: House, report: Report, state: ReportState) -> None:
    """Put a report that is in review into any state, past the services."""
    with house.store.begin() as tx:
        tx.session.execute(
            sql("UPDATE reports SET state = :state WHERE id = :id"),
            {"state": state.value, "id": report.report_id},
        )


@pytest.mark.covers("S1", "S4")
@pytest.mark.parametrize("state", ReportState)
@pytest.mark.parametrize("act", [add, correct])
def test_only_a_final_report_is_amended(
    house: House, state: ReportState, act: Callable[[House, Report], Any]
) -> None:
    if state in AMENDABLE:
        report = signed(house)
        before = {ReportState.ADDENDED: add, ReportState.CORRECTED: correct}.get(state)
        if before is not None:
            before(
                house,
                report,
                **({"sections": CORRECTED | {"findings": "Other."}} if before is correct else {}),
            )
        assert house.report(report.report_id).state is state
        act(house, report)
        after = house.report(report.report_id).state
        assert after is (ReportState.ADDENDED if act is add else ReportState.CORRECTED)
        return
    opened = open_study(house.store, house["attending"], house.drafted(), now=AT).report
    assert opened is not None
    put_into(house, opened, state)
    before_act = (house.report(opened.report_id), house.count("attestations"), house.count("deliveries"))
    with pytest.raises(InvalidTransition):
        act(house, opened)
    assert before_act == (
        house.report(opened.report_id),
        house.count("attestations"),
        house.count("deliveries"),
    )
    assert house.count("amendments") == 0


@pytest.mark.covers("S4", "S3")
def test_amendments_are_numbered_over_both_kinds_and_bind_what_they_follow(house: House) -> None:
    report = signed(house)
    one, two, three = add(house, report, "First."), correct(house, report), add(house, report, "Third.")
    assert [a.title for a in (one, two, three)] == ["Addendum 1", "Correction 2", "Addendum 3"]
    with house.store.begin() as tx:
        text = tx.reports.amendments.signed_text(report.report_id)
    assert text is not None
    text.require_intact()
    chain = [json.loads(signature.text) for signature in text.signatures]
    assert [signed_text.get("amends_sha256") for signed_text in chain[1:]] == [
        signature.sha256 for signature in text.signatures[:-1]
    ]
    assert [(s["number"], s["kind"]) for s in chain[1:]] == [
        (1, "addendum"),
        (2, "correction"),
        (3, "addendum"),
    ]
    assert chain[2]["reason"] == "Wrong side."
    assert {s["printed_name"] for s in chain} == {house["attending"].printed_name}
    assert [s["meaning"] for s in chain[1:3]] == [Meaning.ADDENDUM.value, Meaning.CORRECTION.value]
    assert text.sections == CORRECTED
    assert json.loads(text.original.text)["sections"]["findings"] == "Nodule in the left lung."
    assert house.report(report.report_id).sentences == report.sentences, "the original stands unchanged"
    assert [e.detail["number"] for e in house.log("report addended")] == [1, 3]
    (entry,) = house.log("report corrected")
    assert entry.detail["sha256"] == two.attestation.sha256


@pytest.mark.covers("S2", "S3", "T34")
@pytest.mark.parametrize("act", [add, correct])
def test_amendment_needs_an_attending_who_has_seen_it_and_the_password(
    house: House, act: Callable[..., Any]
) -> None:
    report = signed(house)
    for role in ("viewer", "resident", "admin", "auditor"):
        with pytest.raises(NotAuthorised, match="may not"):
            act(house, report, who=role)
    with pytest.raises(NotAuthorised, match="open the study"):
        act(house, report, who="colleague")
    with pytest.raises(AuthenticationFailed):
        act(house, report, password="wrong")
    with pytest.raises(StaleVersion):
        act(house, report, version=report.version - 1)
    assert house.report(report.report_id) == report
    assert (house.count("amendments"), len(outbox(house, report))) == (0, 4)


@pytest.mark.covers("S4")
@pytest.mark.parametrize("bad", ["", "  ", "Size [mm].", "Size ___ mm.", "bell \x07", "x" * 10_001])
def test_text_that_is_not_finished_is_not_signed(house: House, bad: str) -> None:
    report = signed(house)
    with pytest.raises(Rejected):
        add(house, report, bad)
    with pytest.raises(Rejected):
        correct(house, report, {"findings": bad, "impression": "Possible lesion."})
    assert house.report(report.report_id).state is ReportState.SIGNED


@pytest.mark.covers("S4")
def test_correction_changes_something_and_says_why(house: House) -> None:
    report = signed(house)
    with pytest.raises(ReportIncomplete, match="same as before"):
        correct(house, report, {"findings": "Nodule  in the left lung.", "impression": "Possible lesion."})
    with pytest.raises(Rejected, match="reason"):
        correct(house, report, reason=" ")
    with pytest.raises(Rejected, match="no section"):
        correct(house, report, CORRECTED | {"poem": "Roses."})
    correct(house, report)
    with pytest.raises(ReportIncomplete, match="same as before"):
        correct(house, report)


@pytest.mark.covers("S4", "T39")
def test_two_addenda_at_once_never_get_the_same_number(house: House) -> None:
    """Both have read the same version: one is signed, the other is told to read it first."""
    report = signed(house)
    open_study(house.store, house["colleague"], uid("s1"), now=AT)
    for round_number in range(1, 6):
        start, outcome = threading.Barrier(2), []
        version = house.report(report.report_id).version

        def race(
            who: str, version: int = version, start: threading.Barrier = start, outcome: list = outcome
        ) -> None:
            start.wait()
            try:
                outcome.append(add(house, report, f"By {who}.", who, version=version).number)
            except StaleVersion:
                outcome.append("told")

        racers = [threading.Thread(target=race, args=(who,)) for who in ("attending", "colleague")]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join(60)
        assert sorted(map(str, outcome)) == [str(round_number), "told"]
    assert house.count("amendments") == 5


@pytest.mark.covers("S4", "S6")
def test_addendum_goes_to_everyone_who_has_the_report_and_to_whom_it_would_go_now(house: House) -> None:
    report = signed(house)
    send(house, report)
    add(house, report, destinations=[("NEW", "report_sr"), ("NEW", "presentation_state"), ("RIS", "hl7_oru")])
    assert states(house, report)[4:] == [
        ("PACS", "report_sr", "PENDING"),
        ("RIS", "hl7_oru", "PENDING"),
        ("EHR", "fhir_report", "PENDING"),
        ("NEW", "report_sr", "PENDING"),
    ], "what shows regions alone is not sent again"
    deliveries = outbox(house, report)
    order = order_of(house, deliveries[4])
    assert order.state is ReportState.ADDENDED
    assert [d.delivery_id for d in order.earlier] == [deliveries[0].delivery_id]
    assert order.sections == {"findings": "Nodule in the left lung.", "impression": "Possible lesion."}
    assert [a.content.text for a in order.text.addenda] == ["No change."]
    assert order_of(house, deliveries[7]).earlier == ()
    assert len({d.sop_uid for d in deliveries}) == len(deliveries)


@pytest.mark.covers("S4", "S6")
def test_documents_go_in_order_and_messages_that_say_all_replace_those_that_wait(house: House) -> None:
    report = signed(house)
    add(house, report)
    assert states(house, report) == [
        ("PACS", "report_sr", "PENDING"),
        ("PACS", "presentation_state", "PENDING"),
        ("RIS", "hl7_oru", "CANCELLED"),
        ("EHR", "fhir_report", "CANCELLED"),
        ("PACS", "report_sr", "PENDING"),
        ("RIS", "hl7_oru", "PENDING"),
        ("EHR", "fhir_report", "PENDING"),
    ]
    original, addendum = (d for d in outbox(house, report) if d.kind == "report_sr")
    assert load_order(house.store, DELIVERER, addendum.delivery_id, now=AT) is None, "it waits"
    order = order_of(house, original)
    assert (order.state, order.text.amendments) == (ReportState.SIGNED, ()), "as it was signed then"
    record_sent(house.store, DELIVERER, original.delivery_id, now=AT)
    assert order_of(house, addendum).state is ReportState.ADDENDED


@pytest.mark.covers("S4", "O6")
def test_correction_keeps_findings_that_it_still_states_and_takes_back_what_shows_others(
    house: House,
) -> None:
    report = signed(house)
    send(house, report)
    correct(
        house, report, {"findings": "Nodule in the left lung. It is calcified.", "impression": "Granuloma."}
    )
    kinds = [d.kind for d in outbox(house, report)[4:]]
    assert "presentation_state" not in kinds, "the finding stands as it was accepted"
    send(house, report)
    correct(house, report)
    note = outbox(house, report)[-1]
    assert (note.kind, note.destination) == ("presentation_state", "PACS")
    order = order_of(house, note)
    assert [(finding.name, finding.regions) for finding in order.findings] == [("Lung Lesion", ())]
    assert [finding.name for finding in order.first_findings] == ["Lung Lesion"]
    assert [d.kind for d in order.earlier] == ["presentation_state"]


@pytest.mark.covers("S4", "O6")
def test_withdrawal_after_amendments_takes_all_of_it_back(house: House) -> None:
    report = signed(house)
    add(house, report)
    send(house, report)
    correct(house, report)
    send(house, report)
    current = house.report(report.report_id)
    withdraw(
        house.store,
        house["attending"],
        report.report_id,
        version=current.version,
        password=PASSWORD,
        reason="Images of another patient.",
        now=AT,
    )
    notes = [d for d in outbox(house, report) if d.state.value == "PENDING"]
    assert sorted(d.kind for d in notes) == ["fhir_report", "hl7_oru", "presentation_state", "report_sr"]
    by_kind = {d.kind: order_of(house, d) for d in notes}
    assert len(by_kind["report_sr"].earlier) == 3, "the original, the addendum, the correction"
    assert len(by_kind["presentation_state"].earlier) == 1, "the note of the correction is no document"
    assert by_kind["hl7_oru"].sections == CORRECTED
    for act in (add, correct):
        with pytest.raises(InvalidTransition):
            act(house, report)


@pytest.mark.covers("S4", "T35")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE amendments SET text = 'No  change.'",
        "UPDATE amendments SET number = 2",
        "UPDATE amendments SET kind = 'correction', text = '', reason = 'x',"
        ' sections = \'{"findings": "a", "impression": "b"}\'',
        "UPDATE amendments SET attestation_id = (SELECT max(id) FROM attestations"
        " WHERE report_id <> amendments.report_id), report_id = report_id",
        "UPDATE attestations SET text = replace(text, 'No change', 'Mo change')",
        "UPDATE attestations SET sha256 = repeat('0', 64)",
        "DELETE FROM amendments",
    ],
    ids=["text", "number", "kind", "other signature", "signed text", "digest", "deleted"],
)
def test_amendment_that_was_changed_past_the_application_is_not_sent(
    house: House, database: Any, change: str
) -> None:
    import psycopg

    report = signed(house)
    send(house, report)
    add(house, report)
    signed(house, "s2")
    delivery = next(d for d in outbox(house, report) if d.state.value == "PENDING")
    assert order_of(house, delivery).state is ReportState.ADDENDED
    with psycopg.connect(database.owner, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(change.encode())
    with pytest.raises(Conflict):
        order_of(house, delivery)
    with pytest.raises(Conflict):
        add(house, report)


@pytest.mark.covers("S4")
def test_foreign_report_overwrites_nothing(house: House) -> None:
    """A structured report of another system is an object of the study, and begins a revision of its own."""
    report = signed(house)
    add(house, report)
    with house.store.begin() as tx:
        before = (tx.reports.get(report.report_id), tx.reports.amendments.signed_text(report.report_id))
    foreign = image(
        number=7, sop_class_uid="1.2.840.10008.5.1.4.1.1.88.11", modality="SR", rows=None, columns=None
    )
    house.receive(replace(foreign, series_uid=uid("s1", "foreign")), now=AT)
    house.complete(now=AT + QUIET)
    with house.store.begin() as tx:
        after = (tx.reports.get(report.report_id), tx.reports.amendments.signed_text(report.report_id))
    assert after == before
    correct(house, report)


@pytest.mark.covers("S4")
def test_report_of_an_earlier_study_is_shown_as_it_stands_now(house: House) -> None:
    report = signed(house, "before")
    house.drafted()
    found = FoundStudy(uid("before"), "20261101", "0800", "chest", ("CR",), 1, "CHEST")
    [prior] = record_found(house.store, DELIVERER, uid("s1"), [found], source="ARCHIVE", now=AT)
    record_attached(house.store, DELIVERER, prior, report_text="", now=AT)
    open_study(house.store, house["attending"], uid("before"), now=AT)
    open_study(house.store, house["attending"], uid("s1"), now=AT)

    def shown() -> str:
        [beside] = refresh(house.store, house["attending"], uid("s1"), now=AT).priors
        return beside.report_text

    assert shown() == "FINDINGS\nNodule in the left lung.\nIMPRESSION\nPossible lesion."
    add(house, report, "Compared with 2020.")
    assert shown().endswith(f"ADDENDUM 1 ({house['attending'].printed_name})\nCompared with 2020.")
    correct(house, report)
    assert shown().startswith(
        "CORRECTION 2, replaces the earlier text: Wrong side.\nFINDINGS\nNodule in the right"
    )
    withdraw(
        house.store,
        house["attending"],
        report.report_id,
        version=house.report(report.report_id).version,
        password=PASSWORD,
        reason="Another patient.",
        now=AT,
    )
    assert shown().startswith("WITHDRAWN\n")
    assert "Nodule" not in shown()


@pytest.mark.covers("S4", "T39")
def test_addendum_and_withdrawal_at_once_leave_one_of_them_told(house: House) -> None:
    report = signed(house)
    start, outcome = threading.Barrier(2), []

    def race(act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
            outcome.append("done")
        except (StaleVersion, InvalidTransition):
            outcome.append("told")

    def take_back() -> object:
        return withdraw(
            house.store,
            house["attending"],
            report.report_id,
            version=report.version,
            password=PASSWORD,
            reason="Another patient.",
            now=AT,
        )

    acts = (take_back, lambda: add(house, report, version=report.version))
    racers = [threading.Thread(target=race, args=(act,)) for act in acts]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert sorted(outcome) == ["done", "told"]
    withdrawn = house.report(report.report_id).state is ReportState.WITHDRAWN
    assert house.count("amendments") == (0 if withdrawn else 1)
