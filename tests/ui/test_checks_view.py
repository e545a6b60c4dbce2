"""Checks and changes on the screen: the routes, the sign dialog, one word for all warnings, amendments.

Covered: what the routes answer and to whom, stops and warnings in the dialog, the word before a signature.
Not covered: the panel and the keys in a browser (`tests/e2e/test_checks.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.domain.audit import AuditFilter
from app.domain.check_texts import CheckText
from app.domain.report import ReportState, Section
from app.services import reading
from app.ui.words import LANGUAGES, catalogue
from tests.ui import seed
from tests.ui.conftest import Browser, Hospital
from tests.ui.test_amendments_view import dialog, fill, open_addendum, press
from tests.ui.test_views import Page, page_of, sign_as

__all__ = ["page_of"]

CONFIRM = "Confirm {count} warning(s) as intended"


def open_sign(study: str) -> None:
    """What Streamlit runs again while the dialog is open: its test harness runs whole pages only."""
    from app.ui.views.sign import sign_dialog

    sign_dialog(study)


def _accepted(hospital: Hospital, username: str, *texts: str) -> tuple[str, int]:
    """The chest with every sentence accepted and these findings added; its UID and the report's number."""
    study = hospital.chest().study_uid
    _, actor = hospital.log_in(username)
    report = reading.open_study(hospital.store, actor, study, now=datetime.now(UTC)).report
    assert report is not None
    for sentence in report.sentences:
        reading.accept_sentence(hospital.store, actor, report.report_id, sentence.key, now=datetime.now(UTC))
    for text in texts:
        reading.add_sentence(
            hospital.store, actor, report.report_id, Section.FINDINGS, text, now=datetime.now(UTC)
        )
    return study, report.report_id


def _dialog(page: Page, study: str) -> AppTest:
    page.open(view="review", study=study)
    page._app = AppTest.from_function(open_sign, args=(study,), default_timeout=60).run()
    assert not page._app.exception
    return page._app


def _labels(app: AppTest) -> set[str]:
    return {button.label for button in app.button}


@pytest.mark.covers("U8")
def test_the_editor_is_told_the_checks_of_this_version(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    study = hospital.chest().study_uid
    browser = browser_of("ada")
    review = reading.open_study(hospital.store, hospital.log_in("ada")[1], study, now=datetime.now(UTC))
    assert review.report is not None
    path = f"/api/reports/{review.report.report_id}/checks"
    answer = browser.get(path).json()
    assert answer["version"] == review.report.version
    (untouched,) = [check for check in answer["checks"] if check["stop"]]
    assert (untouched["code"], untouched["values"]) == ("untouched", {"count": "5"})
    assert untouched["template"] == CheckText.UNTOUCHED
    browser.put(f"/api/reports/{review.report.report_id}/sentences/ai-1", json={"text": "Nodule of [size]."})
    checks = browser.get(path).json()["checks"]
    assert [(c["code"], c["stop"]) for c in checks if c["key"] == "ai-1"] == [("placeholder", True)]


@pytest.mark.covers("U7", "U8")
def test_checks_and_changes_are_for_who_has_opened_the_study(
    hospital: Hospital, browser_of: Callable[[str], Browser], stranger: Browser
) -> None:
    _, report_id = _accepted(hospital, "ada")
    for what in ("checks", "difference"):
        path = f"/api/reports/{report_id}/{what}"
        assert stranger.get(path).status_code == 401
        assert browser_of("otto").get(path).status_code == 403
        assert browser_of("aud").get(path).status_code == 403
        assert browser_of("ada").get(path).status_code == 200
        assert browser_of("ada").get(f"/api/reports/999/{what}").status_code == 404
        assert "no-store" in browser_of("ada").get(path).headers["cache-control"]


@pytest.mark.covers("U7")
def test_changes_are_told_of_a_signed_report_too(
    hospital: Hospital, browser_of: Callable[[str], Browser]
) -> None:
    study = sign_as(hospital, "ada")
    with hospital.store.begin() as tx:
        [summary] = tx.reports.summaries(study)
    answer = browser_of("ada").get(f"/api/reports/{summary.report_id}/difference").json()
    assert {change["fate"] for change in answer["changes"]} == {"accepted"}
    assert [section["section"] for section in answer["sections"]] == [s.value for s in Section]
    assert all(old == new for change in answer["changes"] for old, new in change["pieces"])


@pytest.mark.covers("U8")
def test_a_stop_leaves_no_way_to_sign(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    study, report_id = _accepted(hospital, "ada", "Effusion of [size] ml.")
    page = page_of("ada")
    app = _dialog(page, study)
    errors = "\n".join(error.value for error in app.error)
    assert "Cannot be signed yet" in errors
    assert "not filled in" in errors
    assert not app.text_input
    assert _labels(app) == set()
    assert hospital.report(report_id).state is ReportState.IN_REVIEW


@pytest.mark.covers("U8")
def test_warnings_are_confirmed_by_one_word_and_only_then_signed(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    texts = ("The largest nodule measures 14.", "One of 30 cm, a nodule.")
    study, report_id = _accepted(hospital, "ada", *texts)
    app: Any = _dialog(page_of("ada"), study)
    warnings = [warning.value for warning in app.warning]
    assert any("14 has no unit" in text for text in warnings)
    assert any("30 cm is not plausible" in text for text in warnings)
    assert not app.text_input, "no password before the warnings are read"
    label = CONFIRM.format(count=len(warnings))
    assert _labels(app) == {label}
    [button] = app.button
    button.click()
    app.run()
    assert hospital.report(report_id).state is ReportState.IN_REVIEW
    app.text_input[0].input(seed.PASSWORD)
    next(b for b in app.button if b.label == "Sign").click()
    app.run()
    assert hospital.report(report_id).state is ReportState.SIGNED
    with hospital.store.begin() as tx:
        [entry] = [e for e in tx.audit.stream(AuditFilter(study_uid=study)) if e.event == "report signed"]
    assert sorted(code.split("@")[0] for code in entry.detail["confirmed"]) == ["length", "unit"]


@pytest.mark.covers("U8")
def test_what_was_confirmed_is_asked_again_when_the_text_changed(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study, report_id = _accepted(hospital, "ada", "The largest nodule measures 14.")
    app: Any = _dialog(page_of("ada"), study)
    app.button[0].click()
    app.run()
    assert app.text_input
    _, actor = hospital.log_in("ada")
    now = datetime.now(UTC)
    reading.add_sentence(hospital.store, actor, report_id, Section.FINDINGS, "Size 15.", now=now)
    app.run()
    assert not app.text_input
    assert _labels(app) == {CONFIRM.format(count=2)}


@pytest.mark.covers("U8", "S4")
def test_an_addendum_with_a_warning_is_signed_by_signing_again(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = sign_as(hospital, "ada")
    page = dialog(page_of("ada"), hospital, study, open_addendum)
    fill(page, Addendum="The nodule measures 14.", Your_password=seed.PASSWORD)
    press(page, "Sign the addendum")
    assert any("14 has no unit" in warning.value for warning in page._app.warning)
    with hospital.store.begin() as tx:
        [summary] = tx.reports.summaries(study)
        assert tx.reports.amendments.of_report(summary.report_id) == ()
    fill(page, Your_password=seed.PASSWORD)
    press(page, "Sign the addendum")
    with hospital.store.begin() as tx:
        [addendum] = tx.reports.amendments.of_report(summary.report_id)
    assert addendum.content.text == "The nodule measures 14."


def test_every_check_is_said_in_every_language() -> None:
    for language in LANGUAGES:
        missing = [text.value for text in CheckText if text.value not in catalogue(language)]
        assert language == "en" or missing == []
