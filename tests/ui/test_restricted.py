"""Restricted studies in the reading room: masked rows, emergency access, refusals, the administrator's page.

Covered: pages without a browser, and the routes that the page's scripts call. Not covered: the rule itself
(`tests/unit/services/test_study_access.py`), the countdown on the screen.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.services import reading, study_groups
from app.services.emergency import end_emergency, revoke_emergency, start_emergency
from tests.ui.conftest import Browser, Hospital
from tests.ui.test_views import Page, page_of

__all__ = ["page_of"]

GROUP = "staff health"


@pytest.fixture
def study(hospital: Hospital) -> str:
    """A drafted chest radiograph that Otto may open."""
    received, now = hospital.chest(accession_number="A-1"), datetime.now(UTC)
    _, admin = hospital.log_in("adam")
    study_groups.add_group(hospital.store, admin, GROUP, now=now)
    study_groups.change_member(hospital.store, admin, GROUP, "otto", is_member=True, now=now)
    study_groups.restrict_study(hospital.store, admin, received.study_uid, [GROUP], "an employee", now=now)
    return received.study_uid


def stop_times(hospital: Hospital) -> int:
    return sum(event == "emergency access stopped" for event, *_ in hospital.events())


@pytest.mark.covers("T37")
def test_reader_finds_it_masked_gives_a_reason_reads_and_ends_it(
    hospital: Hospital, study: str, page_of: Callable[[str], Page]
) -> None:
    page = page_of("ada").open(view="worklist")
    assert (page.component("worklist") or {})["rows"] == []
    page.type_into("worklist_text", "A-1")
    name = hospital.received["chest"].patient_name
    assert "Restricted study" in page.texts
    assert name not in page.texts
    page.press("Emergency access ...")
    assert page.component("viewer") is page.component("editor") is None
    assert "restricted to a group" in page.texts
    page.press("Open in an emergency")
    assert "needs a reason" in page.texts
    assert page.component("viewer") is None
    page._app.text_input(key="emergency_reason").input("Trauma in the shock room")
    page.press("Open in an emergency")
    assert page.component("viewer") is not None
    assert "60 minutes left" in page.texts
    assert stop_times(hospital) == 0
    page.press("End emergency access")
    assert stop_times(hospital) == 1
    page.open(view="review", study=study)
    assert page.component("viewer") is page.component("editor") is None


@pytest.mark.covers("T37")
def test_page_that_is_open_shows_nothing_more_once_it_was_revoked(
    hospital: Hospital, study: str, page_of: Callable[[str], Page]
) -> None:
    _, ada = hospital.log_in("ada")
    begun = start_emergency(hospital.store, ada, study, "shock room", now=datetime.now(UTC))
    page = page_of("ada").open(view="review", study=study)
    assert page.component("editor") is not None
    _, admin = hospital.log_in("adam")
    revoke_emergency(hospital.store, admin, begun.emergency_id, now=datetime.now(UTC))
    page.open()
    assert page.component("viewer") is page.component("editor") is None
    assert "restricted to a group" in page.texts


@pytest.mark.covers("T37")
def test_administrator_revokes_it(hospital: Hospital, study: str, page_of: Callable[[str], Page]) -> None:
    _, ada = hospital.log_in("ada")
    start_emergency(hospital.store, ada, study, "shock room", now=datetime.now(UTC))
    page_of("adam").open(view="access").press("Revoke")
    assert stop_times(hospital) == 1


@pytest.mark.covers("T37", "C2")
def test_routes_refuse_text_and_pixels_from_the_moment_it_ends(hospital: Hospital, study: str) -> None:
    token, ada = hospital.log_in("ada")
    browser, sop = Browser(hospital, token), hospital.received["chest"].sop_uid
    now = datetime.now(UTC)
    assert browser.get(f"/pixels/{sop}").status_code == 403
    assert browser.get(f"/api/studies/{study}/report").status_code == 403
    begun = start_emergency(hospital.store, ada, study, "why", lasting=timedelta(minutes=5), now=now)
    review = reading.open_study(hospital.store, ada, study, now=now)
    assert review.report is not None
    sentence = f"/api/reports/{review.report.report_id}/sentences/ai-1"
    assert browser.put(sentence, json={"text": "Saved."}).status_code == 200
    picture = browser.get(f"/pixels/{sop}")
    assert picture.status_code == 200
    kept = int(picture.headers["cache-control"].partition("max-age=")[2])
    assert kept <= 300, "the browser keeps no picture for longer than the access lasts"
    end_emergency(hospital.store, ada, begun.emergency_id, now=datetime.now(UTC))
    refused = browser.put(sentence, json={"text": "Not saved."})
    assert (refused.status_code, refused.json()["error"]) == (403, "StudyRestricted")
    assert browser.post(f"{sentence}/accept").status_code == 403
    assert browser.get(f"/api/studies/{study}/report").status_code == 403
    assert browser.get(f"/pixels/{sop}").status_code == 403
    assert hospital.report(review.report.report_id).sentence("ai-1").text == "Saved."


@pytest.mark.covers("C2")
def test_administrator_makes_groups_and_restricts_a_study(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    hospital.chest(accession_number="A-1")
    page = page_of("adam").open(view="access")
    page._app.text_input(key="access_group_name").input("Vip")
    page.press("Add group")
    page._app.selectbox(key="access_member_group").set_value("vip")
    page._app.selectbox(key="access_member_user").set_value("vera")
    page.press("Put in")
    page._app.text_input(key="access_study_name").input("A-1")
    page._app.multiselect(key="access_study_groups").set_value(["vip"])
    page.press("Restrict")
    assert "needs a reason" in page.texts
    page._app.text_input(key="access_study_reason").input("known to the press")
    page.press("Restrict")
    _, admin = hospital.log_in("adam")
    [group] = study_groups.list_groups(hospital.store, admin, now=datetime.now(UTC))
    assert (group.name, group.members, group.studies) == ("vip", ("vera",), 1)
    page._app.text_input(key="access_study_name").input("nothing")
    page.press("Restrict")
    assert "no study" in page.texts


def test_auditor_reads_the_reasons(hospital: Hospital, study: str, page_of: Callable[[str], Page]) -> None:
    _, ada = hospital.log_in("ada")
    start_emergency(hospital.store, ada, study, "shock room", now=datetime.now(UTC))
    page = page_of("aud").open(view="audit")
    tables = [table.value.to_string() for table in page._app.dataframe]
    assert any("shock room" in table for table in tables)
