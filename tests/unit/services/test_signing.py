"""The signature: who may, over which text, with what following from it, and all of it or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.access import Role, service_actor
from app.domain.attestation import Attestation, Meaning, digest_of
from app.domain.errors import (
    AuthenticationFailed,
    InvalidTransition,
    LockedByOther,
    NotAuthorised,
    ReportIncomplete,
    StaleVersion,
)
from app.domain.report import Report, ReportState, Section
from app.services.reading import add_sentence, edit_sentence, open_study, reject_sentence, take_over
from app.services.signing import sign
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, image, uid

AT = NOW + QUIET
RIS = ("RIS", "report_sr")


def _sign(house: House, username: str, report: Report, **changes: Any) -> Attestation:
    arguments: dict[str, Any] = {"version": report.version, "password": PASSWORD, "destinations": [PACS]}
    arguments |= {"now": AT} | changes
    return sign(house.store, house[username], report.report_id, **arguments)


def _assert_unsigned(house: House, report: Report) -> None:
    assert house.report(report.report_id) == report
    assert house.count("attestations") == house.count("deliveries") == 0
    assert house.jobs("deliver_report") == house.log("report signed") == []


@pytest.mark.covers("S1", "S2", "O6")
def test_an_attendings_signature_is_final_and_orders_each_delivery_once(house: House) -> None:
    report = house.accepted(house.drafted(requested_priority="STAT"), "attending")
    attestation = _sign(house, "attending", report, destinations=[PACS, RIS, PACS])
    assert house.report(report.report_id).state is ReportState.SIGNED
    assert (attestation.meaning, attestation.report_version) == (Meaning.FINAL, report.version)
    with house.store.begin() as tx:
        assert tx.reports.attestations.of_report(report.report_id) == (attestation,)
        deliveries = tx.deliveries.of_report(report.report_id)
    assert [d.destination for d in deliveries] == ["PACS", "RIS"]
    assert len({d.sop_uid for d in deliveries}) == 2
    assert house.jobs("deliver_report") == [{"delivery_id": d.delivery_id} for d in deliveries]
    assert house.count("procrastinate_jobs", "task_name = 'deliver_report' AND priority = 100") == 2
    (entry,) = house.log("report signed")
    assert (entry.detail["sha256"], entry.detail["deliveries"]) == (attestation.sha256, 2)


@pytest.mark.covers("S2", "O6")
def test_a_residents_signature_is_preliminary_and_sends_nothing(house: House) -> None:
    report = house.accepted(house.drafted(), "resident")
    assert _sign(house, "resident", report).meaning is Meaning.PRELIMINARY
    assert house.report(report.report_id).state is ReportState.PRELIMINARY
    assert house.count("deliveries") == 0
    assert house.jobs("deliver_report") == []


@pytest.mark.covers("S2")
def test_an_attending_makes_a_preliminary_report_final(house: House) -> None:
    report = house.accepted(house.drafted(), "resident")
    _sign(house, "resident", report)
    review = open_study(house.store, house["attending"], uid("s1"), now=AT)
    assert (review.may_edit, review.attestations[0].username) == (True, "resident")
    assert review.report is not None
    corrected = edit_sentence(
        house.store, house["attending"], report.report_id, "ai-1", "Nodule, 9 mm.", now=AT
    )
    attestation = _sign(house, "attending", corrected)
    assert house.report(report.report_id).state is ReportState.SIGNED
    assert "9 mm" in attestation.text
    assert house.count("attestations") == 2
    assert house.count("deliveries") == 1


@pytest.mark.covers("S3", "T35")
def test_the_signature_binds_exactly_the_text_shown(house: House) -> None:
    report = house.accepted(house.drafted(), "attending")
    attestation = _sign(house, "attending", report)
    signed = json.loads(attestation.text)
    assert signed["sections"] == {"findings": "Nodule in the left lung.", "impression": "Possible lesion."}
    assert (signed["printed_name"], signed["version"], signed["signed_at"]) == (
        "Dr Attending",
        report.version,
        "2026-11-22T08:00:10+00:00",
    )
    assert attestation.sha256 == digest_of(attestation.text)


@pytest.mark.covers("S3", "T35")
def test_one_byte_changed_later_breaks_the_signature(house: House) -> None:
    report = house.accepted(house.drafted(), "attending")
    attestation = _sign(house, "attending", report)
    assert attestation.verifies()
    raw = attestation.text.encode()
    for position in range(len(raw)):
        altered = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        assert not replace(attestation, text=altered.decode("latin-1")).verifies()


@pytest.mark.covers("S3", "T34")
def test_a_wrong_password_signs_nothing_and_is_on_record(house: House) -> None:
    report = house.accepted(house.drafted(), "attending")
    with pytest.raises(AuthenticationFailed):
        _sign(house, "attending", report, password="guess")
    _assert_unsigned(house, report)
    assert [e.username for e in house.log("login failed")] == ["attending"]
    for _ in range(4):
        with pytest.raises(AuthenticationFailed):
            _sign(house, "attending", report, password="guess")
    with pytest.raises(AuthenticationFailed):
        _sign(house, "attending", report)
    _assert_unsigned(house, report)


@pytest.mark.covers("S2", "T34")
@pytest.mark.parametrize("username", ["viewer", "admin", "auditor"])
def test_roles_that_do_not_report_cannot_sign(house: House, username: str) -> None:
    report = house.accepted(house.drafted(), "attending")
    with pytest.raises(NotAuthorised):
        _sign(house, username, report)
    _assert_unsigned(house, report)
    assert house.log("access denied")[-1].username == username


@pytest.mark.covers("S2")
def test_a_service_can_never_sign(house: House) -> None:
    report = house.accepted(house.drafted(), "attending")
    borrowed = replace(service_actor("draft"), user_id=house["attending"].user_id)
    for actor in (service_actor("draft"), borrowed, replace(borrowed, username="attending")):
        with pytest.raises(NotAuthorised):
            sign(
                house.store,
                actor,
                report.report_id,
                version=report.version,
                password=PASSWORD,
                destinations=[],
                now=AT,
            )
    _assert_unsigned(house, report)


@pytest.mark.covers("S2")
def test_a_role_that_is_only_claimed_does_not_sign_final(house: House) -> None:
    """The page says attending, the account says resident: the account decides."""
    report = house.accepted(house.drafted(), "resident")
    forged = replace(house["resident"], role=Role.ATTENDING)
    with pytest.raises(NotAuthorised, match="log in again"):
        sign(
            house.store,
            forged,
            report.report_id,
            version=report.version,
            password=PASSWORD,
            destinations=[PACS],
            now=AT,
        )
    _assert_unsigned(house, report)


@pytest.mark.covers("T39", "S3")
def test_a_text_that_changed_since_it_was_read_is_not_signed(house: House) -> None:
    report = house.accepted(house.drafted(), "attending")
    after = edit_sentence(house.store, house["attending"], report.report_id, "ai-1", "Other.", now=AT)
    with pytest.raises(StaleVersion):
        _sign(house, "attending", report)
    _assert_unsigned(house, after)


@pytest.mark.covers("T39", "L12")
def test_a_superseded_report_cannot_be_signed(house: House) -> None:
    report = house.accepted(house.drafted(), "attending")
    house.receive(image("s1", 2), now=AT)
    superseded = house.report(report.report_id)
    for version in (report.version, superseded.version):
        with pytest.raises(InvalidTransition):
            _sign(house, "attending", report, version=version)
    _assert_unsigned(house, superseded)


@pytest.mark.covers("S1", "S4")
def test_a_signed_report_is_neither_signed_again_nor_changed(house: House) -> None:
    signed = house.signed()
    review = open_study(house.store, house["colleague"], uid("s1"), now=AT)
    assert (review.may_edit, review.lock) == (False, None)
    acts: list[Callable[[], object]] = [
        lambda: _sign(house, "attending", signed),
        lambda: edit_sentence(house.store, house["attending"], signed.report_id, "ai-1", "Other.", now=AT),
        lambda: add_sentence(
            house.store, house["attending"], signed.report_id, Section.FINDINGS, "More.", now=AT
        ),
        lambda: take_over(house.store, house["colleague"], signed.report_id, from_user="", now=AT),
    ]
    for act in acts:
        with pytest.raises(InvalidTransition):
            act()
    assert house.report(signed.report_id) == signed


@pytest.mark.covers("U3", "T39")
def test_only_the_reader_who_holds_the_report_signs_it(house: House) -> None:
    report = house.accepted(house.drafted(), "attending")
    open_study(house.store, house["colleague"], uid("s1"), now=AT)
    with pytest.raises(LockedByOther):
        _sign(house, "colleague", report)
    with pytest.raises(LockedByOther):
        _sign(house, "attending", report, now=AT + timedelta(minutes=20))
    _assert_unsigned(house, report)


@pytest.mark.covers("S2")
def test_nobody_signs_images_that_they_have_not_opened(house: House) -> None:
    """The pen alone is not enough: it can be taken over without having looked."""
    report = house.accepted(house.drafted(), "attending")
    take_over(house.store, house["colleague"], report.report_id, from_user="attending", now=AT)
    with pytest.raises(NotAuthorised, match="look at its images"):
        _sign(house, "colleague", report)
    _assert_unsigned(house, report)
    open_study(house.store, house["colleague"], uid("s1"), now=AT)
    assert _sign(house, "colleague", report).username == "colleague"


@pytest.mark.covers("S2", "L12")
def test_having_opened_an_older_revision_does_not_count(house: House) -> None:
    house.accepted(house.drafted(), "attending")
    house.receive(image("s1", 2), now=AT)
    house.complete(now=AT + QUIET)
    house.draft(revision=2)
    report = house.accepted(uid("s1"), "colleague", now=AT)
    take_over(house.store, house["attending"], report.report_id, from_user="colleague", now=AT)
    with pytest.raises(NotAuthorised, match="look at its images"):
        _sign(house, "attending", report)


@pytest.mark.covers("U8", "T38")
def test_what_is_missing_is_a_hard_stop(house: House) -> None:
    actor = house["attending"]
    report = open_study(house.store, actor, house.drafted(), now=AT).report
    assert report is not None
    with pytest.raises(ReportIncomplete, match="every sentence of the AI"):
        _sign(house, "attending", report)
    edit_sentence(house.store, actor, report.report_id, "ai-1", "Nodule of [size] mm.", now=AT)
    report = reject_sentence(house.store, actor, report.report_id, "ai-2", now=AT)
    with pytest.raises(ReportIncomplete, match="impression is empty"):
        _sign(house, "attending", report)
    report = add_sentence(house.store, actor, report.report_id, Section.IMPRESSION, "Nodule.", now=AT)
    with pytest.raises(ReportIncomplete, match="not filled in"):
        _sign(house, "attending", report)
    report = edit_sentence(house.store, actor, report.report_id, "ai-1", "Nodule of ___ mm.", now=AT)
    with pytest.raises(ReportIncomplete, match="not filled in"):
        _sign(house, "attending", report)
    _assert_unsigned(house, report)
    report = edit_sentence(house.store, actor, report.report_id, "ai-1", "Nodule of 9 mm.", now=AT)
    _sign(house, "attending", report)
