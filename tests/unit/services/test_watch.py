"""Silent sources, quarantine decisions, the lists of operations, and work that is counted once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from app.domain.errors import Conflict, NotAuthorised, Rejected
from app.domain.operations import QuarantineDecision
from app.domain.study import StudyState
from app.domain.watch import Expectation, is_too_silent
from app.services.alerts import open_alerts
from app.services.counting import Reporter
from app.services.intake import record_quarantine
from app.services.operations import acknowledge_alert, stuck_studies, system_state, waiting_deliveries
from app.services.quarantine import decide_quarantine, list_quarantine, open_releases, record_release
from app.services.watch import ProcessReport, check_sources, count_work, record_report
from tests.unit.services.amendments import add
from tests.unit.services.conftest import NOW, House, image, uid

MONDAY_NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
OFFICE = Expectation("CT1", hours=2, days=(0, 1, 2, 3, 4), begin=8, end=18)
ALWAYS = Expectation("CR1", hours=48)


@pytest.mark.covers("R1")
@pytest.mark.parametrize(
    ("expected", "last", "now", "silent"),
    [
        (OFFICE, timedelta(days=3), MONDAY_NINE, False),  # the week-end does not count: it opened an hour ago
        (OFFICE, timedelta(days=3), MONDAY_NINE + timedelta(hours=2), True),
        (OFFICE, timedelta(hours=1), MONDAY_NINE + timedelta(hours=2), False),
        (OFFICE, timedelta(days=3), MONDAY_NINE + timedelta(hours=12), False),  # closed
        (OFFICE, timedelta(days=3), MONDAY_NINE - timedelta(days=1), False),  # Sunday
        (ALWAYS, timedelta(hours=47), MONDAY_NINE, False),
        (ALWAYS, timedelta(hours=49), MONDAY_NINE, True),
    ],
)
def test_silence_counts_in_working_time_alone(
    expected: Expectation, last: timedelta, now: datetime, silent: bool
) -> None:
    assert is_too_silent(expected, now - last, now=now) is silent


@pytest.mark.covers("R1")
def test_silent_source_is_one_alert_and_its_return_clears_it(house: House) -> None:
    assert check_sources(house.store, [ALWAYS], now=NOW) == (), "it is watched from now on"
    later = NOW + timedelta(hours=49)
    for _ in range(2):
        assert check_sources(house.store, [ALWAYS], now=later) == ("CR1",)
    [alert] = open_alerts(house.store)
    assert (alert.subject, alert.kind.value) == ("CR1", "source is silent")
    report = ProcessReport("listener", "a:1", NOW, heard={"CR1": (later, None)})
    record_report(house.store, report, now=later)
    assert check_sources(house.store, [ALWAYS], now=later) == ()
    assert open_alerts(house.store) == ()


def test_acknowledged_alert_stays_open_and_names_who_has_seen_it(house: House) -> None:
    check_sources(house.store, [ALWAYS], now=NOW)
    check_sources(house.store, [ALWAYS], now=NOW + timedelta(hours=49))
    [alert] = open_alerts(house.store)
    with pytest.raises(NotAuthorised):
        acknowledge_alert(house.store, house["viewer"], alert.alert_id, now=NOW)
    acknowledge_alert(house.store, house["admin"], alert.alert_id, now=NOW)
    [seen] = system_state(house.store, house["admin"], now=NOW).alerts
    assert seen.seen_by == "admin"
    assert len(house.log("alert acknowledged")) == 1


def set_aside(house: House, number: int) -> None:
    record_quarantine(
        house.store,
        sop_uid=f"1.2.{number}",
        study_uid="1.2",
        sha256=f"{number:064x}",
        reason="unreadable",
        calling_ae="CT1",
        now=NOW,
    )


@pytest.mark.covers("R2")
def test_quarantine_is_decided_once_with_a_reason_and_on_record(house: House) -> None:
    set_aside(house, 1)
    admin = house["admin"]
    [entry] = list_quarantine(house.store, admin, now=NOW).lines
    number = entry.quarantine_id
    discard = QuarantineDecision.DISCARD
    with pytest.raises(NotAuthorised):
        decide_quarantine(house.store, house["attending"], number, discard, "test image", now=NOW)
    with pytest.raises(Rejected, match="say why"):
        decide_quarantine(house.store, admin, number, discard, "", now=NOW)
    decide_quarantine(house.store, admin, number, discard, "test image", now=NOW)
    with pytest.raises(Conflict):
        decide_quarantine(house.store, admin, number, QuarantineDecision.RELEASE, "mended", now=NOW)
    assert list_quarantine(house.store, admin, now=NOW).total == 0
    assert list_quarantine(house.store, admin, now=NOW, undecided_only=False).total == 1
    assert len(house.log("quarantine discarded")) == 1


@pytest.mark.covers("R2")
def test_release_that_is_refused_waits_for_a_new_decision(house: House) -> None:
    set_aside(house, 1)
    admin = house["admin"]
    [entry] = list_quarantine(house.store, admin, now=NOW).lines
    release = QuarantineDecision.RELEASE
    decide_quarantine(house.store, admin, entry.quarantine_id, release, "mended", now=NOW)
    assert [each.quarantine_id for each in open_releases(house.store)] == [entry.quarantine_id]
    record_release(house.store, entry.quarantine_id, "refused: still unreadable", now=NOW)
    assert open_releases(house.store) == ()
    assert list_quarantine(house.store, admin, now=NOW).total == 1
    decide_quarantine(house.store, admin, entry.quarantine_id, release, "mended again", now=NOW)
    record_release(house.store, entry.quarantine_id, "taken", now=NOW)
    assert list_quarantine(house.store, admin, now=NOW).total == 0


def test_lists_are_cut_on_the_server_and_know_their_length(house: House) -> None:
    for number in range(25):
        set_aside(house, number)
    page = list_quarantine(house.store, house["admin"], now=NOW, limit=10, offset=20)
    assert (len(page.lines), page.total) == (5, 25)


@pytest.mark.covers("P5")
def test_stuck_studies_and_waiting_deliveries_are_listed_with_reasons(house: House) -> None:
    admin = house["admin"]
    house.undrafted("leg", "not a frontal chest radiograph")
    house.signed("s1")
    house.receive(image("slow"))
    [leg] = stuck_studies(house.store, admin, StudyState.UNDRAFTED, now=NOW + timedelta(minutes=1)).lines
    assert (leg.study_uid, leg.reason) == (uid("leg"), "not a frontal chest radiograph")
    assert stuck_studies(house.store, admin, StudyState.RECEIVING, now=NOW).total == 0
    [slow] = stuck_studies(house.store, admin, StudyState.RECEIVING, now=NOW + timedelta(hours=1)).lines
    assert slow.study_uid == uid("slow")
    [delivery] = waiting_deliveries(house.store, admin, now=NOW).lines
    assert (delivery.state, delivery.attempts) == ("PENDING", 0)
    assert delivery.next_attempt_at is not None


@pytest.mark.covers("R1")
def test_each_draft_and_signature_is_counted_once(house: House) -> None:
    count_work(house.store, now=NOW - timedelta(hours=1))
    add(house, house.signed("s1"))
    for minutes in (5, 6):
        count_work(house.store, now=NOW + timedelta(minutes=minutes))
    with house.store.begin() as tx:
        values = {(name, labels.get("le")): value for name, labels, value in tx.figures.counters()}
    assert values["janus_med_sign_seconds_bucket", "+Inf"] == 1
    assert values["janus_med_draft_seconds_bucket", "+Inf"] == 1
    assert ("janus_med_outbox_seconds_bucket", "+Inf") not in values


@pytest.mark.covers("U1")
def test_lists_are_told_of_news_alone_and_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.counting.REPORT_SECONDS", 3600.0)
    news: list[object] = [None]
    reporter = Reporter("drafting", lambda: house.store, news=lambda: news[0])
    with psycopg.connect(house.store.conninfo, autocommit=True) as listener:
        listener.execute("LISTEN worklist")

        def words() -> int:
            return sum(1 for _ in listener.notifies(timeout=0.2))

        reporter.report(now=NOW)
        assert words() == 0
        news[0] = (1, 1)
        reporter.report(now=NOW)
        reporter.report(now=NOW)
        assert words() == 1
        with reporter:
            assert words() == 0
            news[0] = (2, 1)
            reporter.soon()
            assert [note.channel for note in listener.notifies(timeout=60, stop_after=1)] == ["worklist"]
