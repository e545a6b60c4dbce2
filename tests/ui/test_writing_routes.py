"""The routes beside the sentences: templates, macros and times, to whom they answer and what they refuse.

Not here: what a template puts into a report (`tests/unit/services/test_templates.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import Response

from app.domain.reading_time import SectionEffort
from app.domain.report import Origin, Report, Section
from app.domain.template import ReportTemplate, TemplateContent
from app.services import reading, templates
from app.ui.csrf import CSRF_HEADER
from tests.ui.conftest import Browser, Hospital

CONTENT = TemplateContent("Any film", "en", "", "", {Section.TECHNIQUE: ("Radiograph.",)})
TIMES = {"findings": {"seconds": 12.5, "edits": 2}}
ROUTES = ("template", "times", "macros")


class Desk:
    """Somebody who has the drafted chest open, and a template that they may put into it."""

    def __init__(self, hospital: Hospital, study_uid: str, username: str, template: ReportTemplate) -> None:
        token, actor = hospital.log_in(username)
        report = reading.open_study(hospital.store, actor, study_uid, now=datetime.now(UTC)).report
        assert report is not None
        self._hospital, self._report_id, self._template = hospital, report.report_id, template
        self.browser = Browser(hospital, token)

    @property
    def report(self) -> Report:
        return self._hospital.report(self._report_id)

    def use(self, template: Any, report_id: int | None = None) -> Response:
        path = f"/api/reports/{report_id or self._report_id}/template"
        return self.browser.post(path, json={"template": template})

    def spend(self, times: Any, report_id: int | None = None) -> Response:
        return self.browser.post(f"/api/reports/{report_id or self._report_id}/times", json=times)

    def keep(self, name: Any, text: Any) -> Response:
        return self.browser.post("/api/macros", json={"name": name, "text": text})

    def ask(self, route: str) -> Response:
        """Ask for something that a reader may have."""
        if route == "template":
            return self.use(self._template.template_id)
        return self.spend(TIMES) if route == "times" else self.keep("nl", "No lesion.")

    def spent(self) -> tuple[SectionEffort, ...]:
        now = datetime.now(UTC)
        with self._hospital.store.begin() as tx:
            return tx.reading_times.by_section(now - timedelta(hours=1), now + timedelta(minutes=1))


@pytest.fixture
def template(hospital: Hospital) -> ReportTemplate:
    _, admin = hospital.log_in("adam")
    return templates.add_template(hospital.store, admin, CONTENT, now=datetime.now(UTC))


@pytest.fixture
def desk_of(hospital: Hospital, template: ReportTemplate) -> Callable[[str], Desk]:
    study_uid = hospital.chest().study_uid
    return lambda username: Desk(hospital, study_uid, username, template)


@pytest.mark.covers("U5")
def test_reader_uses_a_template_tells_times_and_keeps_a_macro(
    desk_of: Callable[[str], Desk], template: ReportTemplate
) -> None:
    desk = desk_of("ada")
    answer = desk.use(template.template_id)
    assert answer.status_code == 200
    assert answer.json()["report"]["version"] == desk.report.version
    assert [s.text for s in desk.report.sentences if s.origin is Origin.TEMPLATE and s.text] == [
        "Radiograph."
    ]

    assert desk.spend(TIMES).status_code == desk.spend(TIMES).status_code == 200
    [effort] = desk.spent()
    assert (effort.section, effort.seconds, effort.edits) == (Section.FINDINGS, 25.0, 4)
    assert len(effort.readers) == 1

    kept = desk.keep(".NL", "No lesion.").json()["macros"]
    assert [(macro["name"], macro["text"]) for macro in kept] == [("nl", "No lesion.")]
    assert desk_of("rana").keep("other", "Another.").json()["macros"][0]["name"] == "other", "of their own"
    assert desk.keep("nl", " ").json()["macros"] == []


@pytest.mark.covers("C2")
@pytest.mark.parametrize("route", ROUTES)
def test_who_may_not_write_is_refused(desk_of: Callable[[str], Desk], route: str) -> None:
    desk = desk_of("vera")
    answer = desk.ask(route)
    assert answer.status_code == 403
    assert desk.spent() == ()
    assert not any(s.origin is Origin.TEMPLATE and s.text == "Radiograph." for s in desk.report.sentences)


@pytest.mark.parametrize("route", ROUTES)
def test_change_needs_a_session_its_token_and_a_page_of_ours(
    desk_of: Callable[[str], Desk], hospital: Hospital, route: str
) -> None:
    desk = desk_of("ada")
    own, desk.browser = desk.browser, Browser(hospital)
    assert desk.ask(route).status_code == 401
    desk.browser = own
    own.headers["Sec-Fetch-Site"] = "cross-site"
    assert desk.ask(route).status_code == 403
    del own.headers["Sec-Fetch-Site"]
    token = own.headers.pop(CSRF_HEADER)
    assert desk.ask(route).status_code == 403
    own.headers[CSRF_HEADER] = token
    assert desk.ask(route).status_code == 200


@pytest.mark.parametrize("number", [None, "1", 1.5, True, 0, -1, 2**31])
def test_template_is_named_by_its_number(desk_of: Callable[[str], Desk], number: object) -> None:
    assert desk_of("ada").use(number).status_code == 422


def test_template_that_is_unknown_out_of_use_or_for_somebody_elses_report_is_refused(
    desk_of: Callable[[str], Desk], template: ReportTemplate, hospital: Hospital
) -> None:
    ada = desk_of("ada")
    assert ada.use(2**31 - 1).status_code == 404
    assert ada.use(template.template_id, report_id=999_999).status_code == 404
    other = desk_of("otto").use(template.template_id)
    assert other.status_code == 409
    assert "Dr. Ada Attending" in other.json()["message"]
    _, admin = hospital.log_in("adam")
    templates.edit_template(
        hospital.store,
        admin,
        template.template_id,
        replace(CONTENT, is_active=False),
        version=1,
        now=datetime.now(UTC),
    )
    assert ada.use(template.template_id).status_code == 422


@pytest.mark.parametrize(
    "times",
    [
        {"colour": {"seconds": 1, "edits": 0}},
        {"findings": 1},
        {"findings": {"seconds": 600.5, "edits": 0}},
        {"findings": {"seconds": -1, "edits": 0}},
        {"findings": {"seconds": True, "edits": 0}},
        {"findings": {"seconds": "1", "edits": 0}},
        {"findings": {"seconds": 1, "edits": 1001}},
        {"findings": {"seconds": 1, "edits": 0.5}},
        {"impression": {"seconds": 1, "edits": 1}, "findings": {"seconds": 1}},
    ],
    ids=range(9),
)
def test_times_that_nobody_can_have_spent_are_refused_whole(
    desk_of: Callable[[str], Desk], times: object
) -> None:
    desk = desk_of("ada")
    assert desk.spend(times).status_code == 422
    assert desk.spent() == ()


def test_times_at_a_report_that_was_not_opened_are_not_kept(
    desk_of: Callable[[str], Desk], browser_of: Callable[[str], Browser]
) -> None:
    desk = desk_of("ada")
    desk.browser = browser_of("rana")
    desk.spend(TIMES)
    assert desk.spent() == ()
    assert desk.spend(TIMES, report_id=999_999).status_code == 404


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("two words", "x"),
        ("", "x"),
        ("a" * 31, "x"),
        ("nl", "x" * 10_000),
        ("nl", "bell \x07"),
        (1, "x"),
        ("nl", None),
    ],
    ids=range(7),
)
def test_macro_that_is_none_is_refused(desk_of: Callable[[str], Desk], name: object, text: object) -> None:
    desk = desk_of("ada")
    assert desk.keep(name, text).status_code == 422
    assert desk.keep("nothing", "").json()["macros"] == []
