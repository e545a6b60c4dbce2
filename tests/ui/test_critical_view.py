"""The board of critical results and the forms beside a report, run without a browser.

Covered: opening, what is missing, closing, cancelling, what the board says of a loop that is late. Not
covered: the clock that escalates (`tests/unit/services/test_critical.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.domain.access import service_actor
from app.domain.critical import Category, CriticalState, Means
from app.services import critical
from app.ui.views.critical import read_time
from tests.ui.conftest import Hospital
from tests.ui.test_views import Page, page_of

__all__ = ["page_of"]


def loop_of(hospital: Hospital, study_uid: str, *, minutes_ago: float = 0.0) -> int:
    _, ada = hospital.log_in("ada")
    now = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    opened = critical.open_loop(
        hospital.store, ada, study_uid, "Tension pneumothorax", Category.MINUTES, now=now
    )
    return opened.critical_id


def state_of(hospital: Hospital, study_uid: str) -> CriticalState:
    with hospital.store.begin() as tx:
        return tx.critical.of_study(study_uid)[-1].state


def fill(page: Page, **fields: str) -> Page:
    """Type into fields of a form, which sends nothing before its button is pressed."""
    for key, value in fields.items():
        page._app.text_input(key=f"critical_{key}").input(value)
    return page


@pytest.mark.covers("S7")
def test_reader_opens_a_loop_and_closes_it_only_with_a_receiver(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = hospital.receive("ct").study_uid  # no report yet: with one, the editor's own button asks
    page = page_of("ada").open(view="review", study=study)
    fill(page, finding="Tension pneumothorax").press("Open the loop")
    assert "Tension pneumothorax" in page.texts
    page.press("Close the loop")
    assert "how it was told" in page.texts
    page._app.radio(key="critical_means_1").set_value(Means.TELEPHONE)
    page.press("Close the loop")
    assert "who was told" in page.texts
    assert state_of(hospital, study) is CriticalState.OPEN
    fill(page, receiver_1="Dr. Ward").press("Close the loop")
    assert state_of(hospital, study) is CriticalState.CLOSED
    assert [event for event, *_ in hospital.events() if event.startswith("critical")] == [
        "critical result opened",
        "critical result communicated",
    ]


def test_a_time_that_is_none_closes_nothing(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    study = hospital.chest().study_uid
    number = loop_of(hospital, study)
    page = page_of("ada").open(view="review", study=study)
    fill(page, **{f"receiver_{number}": "Dr. Ward", f"told_at_{number}": "at noon"}).press("Close the loop")
    assert "the time reads like" in page.texts.replace("\\", "")
    assert state_of(hospital, study) is CriticalState.OPEN


@pytest.mark.parametrize(
    ("written", "now", "read"),
    [
        ("06:12", "2026-11-27T05:12", "2026-11-27T05:12"),
        ("23:50", "2026-11-26T23:40", "2026-11-26T22:50"),  # it is 00:40 in Berlin: 23:50 was yesterday
        ("2026-07-01 06:12", "2026-11-27T05:12", "2026-07-01T04:12"),
        ("  ", "2026-11-27T05:12", None),
    ],
)
def test_time_is_read_as_the_clock_on_the_readers_wall(written: str, now: str, read: str | None) -> None:
    moment = read_time(written, ZoneInfo("Europe/Berlin"), datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert (moment and moment.strftime("%Y-%m-%dT%H:%M")) == read


@pytest.mark.covers("S7")
def test_board_names_what_is_open_and_late(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    study = hospital.chest().study_uid
    number = loop_of(hospital, study, minutes_ago=12)
    critical.escalate_overdue(hospital.store, service_actor("housekeeping"), now=datetime.now(UTC))
    page = page_of("rana").open(view="critical")
    page.open(view="critical")
    looks = [event for event, _, user in hospital.events() if (event, user) == ("list studies", "rana")]
    assert len(looks) == 1
    assert "1 open, 1 past their time" in "\n".join(note.value for note in page._app.caption)
    assert "escalated once: nobody is on record as told" in page.texts
    fill(page, **{f"reason_{number}": "a skin fold"}).press("Cancel the loop")
    assert state_of(hospital, study) is CriticalState.CANCELLED
    assert "No critical result is open" in page_of("rana").open(view="critical").texts


def test_board_is_for_those_who_report(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    study = hospital.chest().study_uid
    loop_of(hospital, study)
    page = page_of("vera").open(view="critical")
    assert "pneumothorax" not in page.texts
    assert "pneumothorax" not in page.open(view="review", study=study).texts
