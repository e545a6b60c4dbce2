"""Emergency access: a reason, a time, a begin and an end on record, an alert; and nothing after it.

Covered: the services, the chore, the constraints of the table. Not covered: who may what meanwhile
(`test_study_access.py`), the screen and the routes (`tests/ui/test_restricted.py`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from app.domain.access import Role, service_actor
from app.domain.alert import AlertKind
from app.domain.audit import AuditEvent
from app.domain.emergency import EmergencyAccess, EmergencyState
from app.domain.errors import (
    Conflict,
    InvalidTransition,
    JanusMedError,
    NotAuthorised,
    NotFound,
    Rejected,
    StudyRestricted,
)
from app.services import reading, study_groups
from app.services.alerts import open_alerts, tell_alerts
from app.services.emergency import (
    end_emergency,
    end_expired,
    list_emergencies,
    revoke_emergency,
    start_emergency,
)
from app.services.reading import accept_sentence, edit_sentence, may_see_pixels, open_study, refresh
from app.services.signing import sign
from app.settings import Settings
from app.workers.keep import chores
from tests.reliability import record
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, House, uid
from tests.unit.services.test_study_access import READERS, guard

AT = NOW + QUIET
HOUR = timedelta(hours=1)
KEEPER = service_actor("housekeeping")
REASON = "Polytrauma of Jane^Secret in the shock room"


@pytest.fixture
def guarded(house: House) -> House:
    """A drafted study that only the colleague may open."""
    house.drafted()
    guard(house, "s1", "colleague")
    return house


def start(house: House, username: str = "attending", *, reason: str = REASON, now=AT):
    return start_emergency(house.store, house[username], uid("s1"), reason, now=now)


@pytest.mark.covers("T37")
def test_emergency_access_from_refusal_to_its_end(guarded: House) -> None:
    house, reader = guarded, guarded["attending"]
    with pytest.raises(StudyRestricted):
        open_study(house.store, reader, uid("s1"), now=AT)
    assert house.log("access denied")[-1].study_uid == uid("s1")
    begun = start(house)
    review = open_study(house.store, reader, uid("s1"), now=AT)
    assert review.emergency == begun
    assert review.report is not None
    assert may_see_pixels(house.store, reader, uid("s1", "image", 1), now=AT).until == AT + HOUR
    accept_sentence(house.store, reader, review.report.report_id, "ai-1", now=AT)
    [opened] = house.log("study opened")
    assert opened.detail["emergency_id"] == begun.emergency_id
    assert end_expired(house.store, KEEPER, now=AT + HOUR) == 1
    assert end_expired(house.store, KEEPER, now=AT + HOUR) == 0
    [started], [stopped] = house.log("emergency access started"), house.log("emergency access stopped")
    assert (started.username, stopped.username) == ("attending", KEEPER.username)
    assert stopped.detail == {
        "emergency_id": begun.emergency_id,
        "username": "attending",
        "how": "EXPIRED",
    }
    assert started.study_uid == stopped.study_uid == uid("s1")
    assert started.patient_ref == stopped.patient_ref != ""


@pytest.mark.covers("T37")
def test_each_act_is_refused_once_the_time_has_passed_also_before_the_end_is_on_record(
    guarded: House,
) -> None:
    """The race of a page that is open: what was allowed a moment ago is refused, and nothing is saved."""
    house, reader = guarded, guarded["attending"]
    start(house)
    review = open_study(house.store, reader, uid("s1"), now=AT, lease=2 * HOUR)
    assert review.report is not None
    number = review.report.report_id
    last = AT + HOUR - timedelta(microseconds=1)
    for key in ("ai-1", "ai-2"):
        report = accept_sentence(house.store, reader, number, key, now=last)
    after = AT + HOUR
    for act in (
        lambda: edit_sentence(house.store, reader, number, "ai-1", "late", now=after),
        lambda: refresh(house.store, reader, uid("s1"), now=after),
        lambda: may_see_pixels(house.store, reader, uid("s1", "image", 1), now=after),
        lambda: open_study(house.store, reader, uid("s1"), now=after),
        lambda: reading.renew_lock(house.store, reader, number, now=after),
        lambda: sign(
            house.store,
            reader,
            number,
            version=report.version,
            password=PASSWORD,
            destinations=[PACS],
            now=after,
        ),
    ):
        with pytest.raises(StudyRestricted):
            act()
    assert house.report(number) == report
    assert house.count("attestations") == 0
    assert house.log("emergency access stopped") == []


@pytest.mark.covers("T37")
@pytest.mark.parametrize("how", ["end", "revoke"])
def test_access_that_ends_while_the_page_is_open_saves_nothing_more_and_frees_the_report(
    guarded: House, how: str
) -> None:
    house, reader = guarded, guarded["resident"]
    begun = start(house, "resident")
    review = open_study(house.store, reader, uid("s1"), now=AT)
    assert review.report is not None
    assert review.may_edit
    number = review.report.report_id
    edit_sentence(house.store, reader, number, "ai-1", "Saved.", now=AT)
    if how == "end":
        ended = end_emergency(house.store, reader, begun.emergency_id, now=AT)
    else:
        ended = revoke_emergency(house.store, house["admin"], begun.emergency_id, now=AT)
    assert ended.state is (EmergencyState.ENDED if how == "end" else EmergencyState.REVOKED)
    with pytest.raises(StudyRestricted):
        edit_sentence(house.store, reader, number, "ai-1", "Not saved.", now=AT)
    assert house.report(number).sentence("ai-1").text == "Saved."
    assert open_study(house.store, house["colleague"], uid("s1"), now=AT).may_edit
    with pytest.raises(InvalidTransition):
        revoke_emergency(house.store, house["admin"], begun.emergency_id, now=AT)
    assert len(house.log("emergency access stopped")) == 1
    assert end_expired(house.store, KEEPER, now=AT + 2 * HOUR) == 0


@pytest.mark.covers("T37")
def test_nothing_is_opened_without_a_reason_and_alerts_are_as_many_as_openings(guarded: House) -> None:
    house = guarded
    without = 0
    for username in READERS:
        for reason in ("", "   ", "\n", "x" * 501, "a\x00b", "\ud800"):
            with pytest.raises(Rejected):
                start(house, username, reason=reason)
            with pytest.raises(StudyRestricted):
                open_study(house.store, house[username], uid("s1"), now=AT)
        without += len([e for e in house.log("study opened") if e.username == username])
    assert without == 0, "opened without a reason"
    for number in range(3):
        for username in READERS:
            start(house, username, now=AT + number * HOUR)
            open_study(house.store, house[username], uid("s1"), now=AT + number * HOUR)
    end_expired(house.store, KEEPER, now=AT + 3 * HOUR)
    openings, stops = house.log("emergency access started"), house.log("emergency access stopped")
    kind = AlertKind.EMERGENCY_ACCESS.value
    alerts = house.count("alerts", f"kind = '{kind}'")
    record(
        "emergency_access",
        "restricted studies asked for without and with a reason, by every reader",
        f"opened without a reason {without}; openings {len(openings)}, ends {len(stops)}, alerts {alerts}",
        figures={"without": without, "openings": len(openings), "ends": len(stops), "alerts": alerts},
    )
    assert len(openings) == len(stops) == alerts == 9
    assert house.count("emergency_accesses") == 9
    assert open_alerts(house.store) == ()


@pytest.mark.covers("T37", "C3")
def test_alert_names_the_reader_and_nothing_of_the_patient_and_neither_does_the_log(guarded: House) -> None:
    start(guarded)
    told: list[str] = []

    def tell(alerts) -> bool:
        told.extend(f"{alert.kind} {alert.subject} {alert.reason}" for alert in alerts)
        return True

    assert tell_alerts(guarded.store, tell, now=AT) == 1
    assert "by attending (attending) until 2026-11-22 09:00 UTC" in told[0]
    for secret in ("Secret", "shock room", "Name", "id-of-s1", "acc-s1", uid("s1")):
        assert secret not in told[0]
    assert "Secret" not in str(guarded.log())
    [seen] = list_emergencies(guarded.store, guarded["auditor"], now=AT)
    assert seen.reason == REASON


@pytest.mark.covers("T37")
def test_it_is_for_one_reader_and_one_study(guarded: House) -> None:
    house = guarded
    house.drafted("s2")
    guard(house, "s2")
    start(house)
    with pytest.raises(StudyRestricted):
        open_study(house.store, house["attending"], uid("s2"), now=AT)
    with pytest.raises(StudyRestricted):
        open_study(house.store, house["viewer"], uid("s1"), now=AT)
    assert reading.worklist(house.store, house["attending"], reading.WorklistQuery(), now=AT).total == 1
    with pytest.raises(Conflict, match="runs until 09:00 UTC"):
        start(house)
    [running] = list_emergencies(house.store, house["admin"], now=AT)
    with pytest.raises(NotAuthorised, match="another reader's"):
        end_emergency(house.store, house["viewer"], running.emergency_id, now=AT)


@pytest.mark.covers("T37")
def test_who_needs_none_gets_none(guarded: House) -> None:
    with pytest.raises(Rejected, match="open to you"):
        start(guarded, "colleague")
    for username in ("admin", "auditor"):
        with pytest.raises(NotAuthorised, match="may not start emergency access"):
            start(guarded, username)
    machine = service_actor("viewer")
    for role in (Role.SERVICE, Role.VIEWER):
        actor = type(machine)(machine.username, "", role, "here")
        with pytest.raises(NotAuthorised):
            start_emergency(guarded.store, actor, uid("s1"), REASON, now=AT)
    with pytest.raises(NotFound):
        start_emergency(guarded.store, guarded["viewer"], "1.2.3", REASON, now=AT)
    for username in READERS:
        with pytest.raises(NotAuthorised):
            list_emergencies(guarded.store, guarded[username], now=AT)
        with pytest.raises(NotAuthorised):
            revoke_emergency(guarded.store, guarded[username], 1, now=AT)
    assert guarded.count("alerts") == 0


@pytest.mark.covers("T37")
def test_one_of_many_clicks_at_once_starts_it(guarded: House) -> None:
    def click(_: int) -> bool:
        try:
            start(guarded)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(click, range(8))) == 1
    assert guarded.count("alerts") == guarded.count("emergency_accesses") == 1
    assert len(guarded.log("emergency access started")) == 1


def test_housekeeping_puts_the_end_on_record(guarded: House) -> None:
    start(guarded, now=datetime.now(UTC) - HOUR)
    [chore] = [c for c in chores(guarded.store, Settings()) if c.name == "end emergency accesses"]
    assert chore.act() == 1
    assert len(guarded.log("emergency access stopped")) == 1


def test_group_that_takes_the_reader_in_makes_it_needless_and_it_still_ends_on_record(guarded: House) -> None:
    start(guarded, "viewer")
    study_groups.change_member(
        guarded.store, guarded["admin"], "staff health", "viewer", is_member=True, now=AT
    )
    assert open_study(guarded.store, guarded["viewer"], uid("s1"), now=AT).emergency is None
    assert "emergency_id" not in guarded.log("study opened")[-1].detail
    assert end_expired(guarded.store, KEEPER, now=AT + HOUR) == 1


@pytest.mark.covers("T37", "A1")
def test_database_itself_holds_no_opening_without_reason_or_end_and_forgets_none(guarded: House) -> None:
    start(guarded)
    for change in (
        "INSERT INTO emergency_accesses (study_uid, user_id, reason, state, started_at, ends_at, ended_by)"
        " SELECT '1.2', user_id, '', 'RUNNING', started_at, ends_at, '' FROM emergency_accesses",
        "INSERT INTO emergency_accesses (study_uid, user_id, reason, state, started_at, ends_at, ended_by)"
        " SELECT '1.2', user_id, 'x', 'RUNNING', started_at, started_at, '' FROM emergency_accesses",
        "UPDATE emergency_accesses SET ends_at = ends_at + interval '1 day'",
        "DELETE FROM emergency_accesses",
    ):
        with pytest.raises((IntegrityError, ProgrammingError, JanusMedError)), guarded.store.begin() as tx:
            tx.session.execute(text(change))
    assert guarded.count("emergency_accesses") == 1
    assert AuditEvent.EMERGENCY_STARTED in {entry.event for entry in guarded.log()}


@pytest.mark.covers("T37")
@pytest.mark.parametrize("state", EmergencyState)
def test_it_opens_while_it_runs_and_not_a_moment_longer(state: EmergencyState) -> None:
    access = EmergencyAccess(1, "1.2", 1, "ada", "shock room", state, AT, AT + HOUR, None, "")
    runs = state is EmergencyState.RUNNING
    assert access.opens(now=AT) is runs
    assert access.opens(now=AT + HOUR - timedelta(seconds=1)) is runs
    assert not access.opens(now=AT + HOUR)
