"""The editor's routes: every stroke reaches the database, and every refusal is told in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from httpx2 import Response

from app.domain.access import Actor
from app.domain.report import Decision, Report
from app.domain.review import Review
from app.services import reading
from app.ui.csrf import CSRF_HEADER
from tests.ui.conftest import Browser, Hospital


@dataclass
class Desk:
    """A person with a study open in the browser."""

    hospital: Hospital
    browser: Browser
    actor: Actor
    review: Review

    @property
    def path(self) -> str:
        assert self.review.report is not None
        return f"/api/reports/{self.review.report.report_id}/sentences"

    @property
    def report(self) -> Report:
        """The report as the database has it."""
        assert self.review.report is not None
        return self.hospital.report(self.review.report.report_id)

    def edit(self, text: str, key: str = "ai-1") -> Response:
        return self.browser.put(f"{self.path}/{key}", json={"text": text})


@pytest.fixture
def desk_of(hospital: Hospital) -> Callable[[str], Desk]:
    """Opens the drafted chest as this person."""
    study_uid = hospital.chest().study_uid

    def sit_down(username: str) -> Desk:
        token, actor = hospital.log_in(username)
        review = reading.open_study(hospital.store, actor, study_uid, now=datetime.now(UTC))
        return Desk(hospital, Browser(hospital, token), actor, review)

    return sit_down


@pytest.mark.covers("U4")
def test_what_is_typed_is_in_the_database_when_the_server_says_so(desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("ada")
    answer = desk.edit("Two nodules on the left.")
    assert answer.status_code == 200
    sentence = desk.report.sentence("ai-1")
    assert (sentence.text, sentence.decision) == ("Two nodules on the left.", Decision.EDITED)
    assert answer.json()["report"]["version"] == desk.report.version
    assert datetime.fromisoformat(answer.json()["savedAt"]).tzinfo is not None


@pytest.mark.covers("U7")
def test_each_sentence_is_accepted_and_rejected_on_its_own(desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("rana")
    assert desk.browser.post(f"{desk.path}/ai-1/accept", json={}).status_code == 200
    assert desk.browser.post(f"{desk.path}/ai-2/reject", json={}).status_code == 200
    decisions = [desk.report.sentence(f"ai-{n}").decision for n in (1, 2, 3)]
    assert decisions == [Decision.ACCEPTED, Decision.REJECTED, Decision.UNTOUCHED]


def test_added_sentence_is_named_in_the_answer(desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("ada")
    answer = desk.browser.post(desk.path, json={"section": "findings", "text": "Old rib fracture."})
    assert desk.report.sentence(answer.json()["key"]).text == "Old rib fracture."


@pytest.mark.covers("U3")
def test_second_reader_is_told_who_has_the_report(desk_of: Callable[[str], Desk]) -> None:
    first, second = desk_of("ada"), desk_of("otto")
    answer = second.edit("mine")
    assert answer.status_code == 409
    assert "Dr. Ada Attending" in answer.json()["message"]
    shown = second.browser.get(f"/api/studies/{first.review.study.study_uid}/report").json()
    assert (shown["mayEdit"], shown["lock"]["owner"]) == (False, "Dr. Ada Attending")


def test_viewer_may_not_write(desk_of: Callable[[str], Desk]) -> None:
    assert desk_of("vera").edit("mine").status_code == 403


def test_change_without_session_is_refused(hospital: Hospital, desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("ada")
    assert Browser(hospital).put(f"{desk.path}/ai-1", json={"text": "x"}).status_code == 401


def test_change_of_an_ended_session_is_refused(desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("ada")
    desk.browser.post("/logout")
    assert desk.edit("too late").status_code == 401


def test_change_without_the_token_of_the_session_is_refused(desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("ada")
    desk.browser.headers.pop(CSRF_HEADER)
    assert desk.edit("x").status_code == 403


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_change_from_another_site_is_refused(desk_of: Callable[[str], Desk], headers: dict[str, str]) -> None:
    desk = desk_of("ada")
    desk.browser.headers.update(headers)
    assert desk.edit("x").status_code == 403


@pytest.mark.parametrize("body", [b"", b"[]", b'{"text": 1}', b"\xff"])
def test_body_that_is_no_text_is_refused(desk_of: Callable[[str], Desk], body: bytes) -> None:
    desk = desk_of("ada")
    assert desk.browser.put(f"{desk.path}/ai-1", content=body).status_code == 422


def test_unknown_sentence_report_and_decision_are_not_found(desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("ada")
    assert desk.edit("x", key="ai-99").status_code == 404
    assert desk.browser.put("/api/reports/999999/sentences/ai-1", json={"text": "x"}).status_code == 404
    assert desk.browser.post(f"{desk.path}/ai-1/delete", json={}).status_code == 404


@pytest.mark.covers("T27")
def test_markup_is_kept_as_text_and_control_characters_are_refused(desk_of: Callable[[str], Desk]) -> None:
    desk = desk_of("ada")
    script = "<script>alert(1)</script> & <b>bold</b>"
    answer = desk.edit(script)
    assert answer.headers["content-type"] == "application/json"
    assert desk.report.sentence("ai-1").text == script
    assert desk.edit("bell \x07").status_code == 422


def test_report_of_a_study_that_was_not_opened_is_not_shown(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    received = hospital.chest()
    assert browser_of("ada").get(f"/api/studies/{received.study_uid}/report").status_code == 403
    assert browser_of("ada").get("/api/studies/1.2.3.4/report").status_code == 404
    assert browser_of("ada").get("/api/studies/..%2fx/report").status_code in {404, 422}
