"""The quality board, run without a browser."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.access import service_actor
from app.domain.identifiers import derived_uid
from app.domain.prior import FoundStudy
from app.services.priors import record_attached, record_found
from app.services.reading import open_study
from app.services.reading_time import add_times
from app.services.second_review import draw_second_reviews
from app.ui.components.library import mount
from app.ui.csrf import CSRF_HEADER
from tests.ui.conftest import Browser, Hospital
from tests.ui.test_views import Page, page_of, sign_as

__all__ = ["page_of"]
_UIDS = ("study_uid", "series_uid", "sop_uid")


@pytest.mark.covers("R3")
def test_board_shows_model_findings_and_days(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    sign_as(hospital, "ada")
    page = page_of("ada").open(view="quality")
    models, findings = (table.value for table in page._app.dataframe[:2])
    assert list(models["Reports"]) == [1]
    assert list(models["Accepted %"]) == [100.0]
    assert len(findings) > 0
    assert models["95 % interval"][0] == "0.0 - 43.4"
    charts = page._app.get("arrow_vega_lite_chart") or page._app.get("vega_lite_chart")
    assert len(charts) == 3, "by day, by finding, by month"
    for chart in charts:
        assert chart.proto.datasets or chart.proto.data.data, "the figures travel with the page"
        assert "http" not in chart.proto.spec


def test_empty_board_says_so(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    hospital.chest()
    assert "No report that began as an AI draft" in page_of("ada").open(view="quality").texts


def test_resident_has_no_board(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    assert "Quality" not in page_of("rana").open(view="quality").places


@pytest.mark.covers("R3")
def test_spans_and_own_figures(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    sign_as(hospital, "ada")
    page = page_of("adam").open(view="quality")
    assert not any("nobody else" in part.label for part in page._app.expander), "they sign nothing"
    page._app.segmented_control[0].set_value("all").run()
    assert list(page._app.dataframe[0].value["Reports"]) == [1]
    assert "You have signed no report" in page_of("otto").open(view="quality").texts
    own = page_of("ada").open(view="quality")._app.dataframe[-1].value
    assert list(own["Reports"]) == [1]


@pytest.mark.covers("R3")
def test_board_is_exported_by_who_may_see_it(
    hospital: Hospital, browser_of: Callable[[str], Browser], stranger: Browser
) -> None:
    sign_as(hospital, "ada")
    answer = browser_of("ada").get("/quality/board.csv?days=30")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["cache-control"] == "no-store"
    assert next(csv.DictReader(io.StringIO(answer.text)))["accepted"] == "5"
    assert ("quality board exported", "success", "ada") in hospital.events()
    assert browser_of("rana").get("/quality/board.csv").status_code == 403
    assert stranger.get("/quality/board.csv").status_code == 401
    for days in ("0", "-1", "x", "99999"):
        assert browser_of("ada").get(f"/quality/board.csv?days={days}").status_code == 422


@pytest.mark.covers("R3")
def test_board_shows_what_sections_take_without_readers(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    assert "No section was at work" in page_of("ada").open(view="quality").texts
    readers = [hospital.log_in(username)[1] for username in ("ada", "otto", "rana")]
    for number in range(6):
        uids = {part: derived_uid(f"timed {number}", part) for part in _UIDS}
        study, at, reader = hospital.chest(**uids).study_uid, datetime.now(UTC), readers[number % 3]
        report = open_study(hospital.store, reader, study, now=at).report
        assert report is not None
        told = {"impression": {"seconds": 10.5 * number, "edits": number}}
        told |= {"findings": {"seconds": 5, "edits": 0}} if number == 0 else {}
        add_times(hospital.store, reader, report.report_id, told, now=at)
    page = page_of("adam").open(view="quality")
    [table] = [t.value for t in page._app.dataframe if "Section" in t.value.columns]
    assert list(table.columns) == ["Model", "Section", "Reports", "Median s", "Edits, median"]
    [row] = table.to_dict("records")
    assert (row["Section"], row["Reports"]) == ("Impression", 6)
    assert (row["Median s"], row["Edits, median"]) == (26.2, 2.5)
    assert "Left out: 1 sections" in page.texts
    assert "Ada" not in table.to_string()


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a page as if its form had sent something: components do not run without a browser."""
    events: list[dict[str, object]] = []

    def mount_and_send(name: str, data: dict[str, object], **given: object) -> object:
        mount(name, data, **given)  # type: ignore[arg-type]
        return {"score": events.pop() if events and name == "second_review" else None, "back": None}

    monkeypatch.setattr("app.ui.views.second_review.mount", mount_and_send)

    def run(page: Page, **score: object) -> None:
        events.append(score)
        page.open()

    return run


def draw(hospital: Hospital) -> None:
    """Draw everything that was signed, as the housekeeping would a week later."""
    later = datetime.now(UTC) + timedelta(days=7)
    assert draw_second_reviews(hospital.store, service_actor("keep"), percent=100, seed=1, now=later) == 1


@pytest.mark.covers("R3")
def test_second_review_from_the_list_to_the_board_and_the_signer(
    hospital: Hospital, page_of: Callable[[str], Page], send: Callable[..., None]
) -> None:
    sign_as(hospital, "ada")
    draw(hospital)
    assert "Nothing waits for you" in page_of("ada").open(view="second_review").texts
    page = page_of("otto").open(view="second_review")
    page.press("Next second review")
    case = page.component("second_review")
    assert case is not None
    assert [section["name"] for section in case["sections"]] == ["Findings", "Impression"]
    viewer = page.component("viewer")
    assert viewer is not None
    assert (viewer["findings"], viewer["model"]) == ([], ""), "what the model saw stays hidden"
    assert page.component("editor") is None
    assert "Ada" not in json.dumps([case, viewer])
    send(page, review=case["review"], score="3a", comment="")
    assert "comment" in (page.component("second_review") or {})["problem"]
    send(page, review=case["review"], score="3a", comment="Old rib fracture.")
    assert "is scored" in page.texts
    assert "Ada" in page._app.table[0].value.to_string()
    told = page_of("ada").open(view="second_review").texts
    assert "Old rib fracture" in told
    assert "Otto" not in told
    board = page_of("adam").open(view="quality")
    table = next(t.value for t in board._app.dataframe if "3a" in t.value.columns)
    assert list(table["Reviews"]) == [1, 0]


@pytest.mark.covers("R3", "U6")
def test_prior_beside_a_second_review_and_the_question_before_its_study_is_opened(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    sign_as(hospital, "ada")
    study = hospital.received["chest"].study_uid
    uids = {part: derived_uid("before", part) for part in _UIDS}
    before = hospital.receive("leg", **uids, study_date="20250101")
    found = FoundStudy(before.study_uid, "20250101", "", "Chest PA", ("CR",), 1)
    now = datetime.now(UTC)
    [prior] = record_found(hospital.store, service_actor("fetch"), study, [found], source="PACS", now=now)
    text = "FINDINGS\nNo nodule.\nSigned by Dr. Ada Attending"
    record_attached(hospital.store, service_actor("fetch"), prior, report_text=text, now=now)
    draw(hospital)
    page = page_of("otto").open(view="second_review")
    page.press("Next second review")
    case, viewer = page.component("second_review"), page.component("viewer")
    assert case is not None
    assert viewer is not None
    at = f"/api/second-reviews/{case['review']}/prior/open"
    assert viewer["priors"] == [{"study": before.study_uid, "open": at}]
    assert (case["prior"]["open"], case["prior"]["date"], case["prior"]["report"]) == (at, "2025-01-01", [])
    otto = Browser(hospital, hospital.log_in("otto")[0])
    shown = otto.post(at)
    assert shown.status_code == 200
    assert shown.json()["sections"] == [{"title": "FINDINGS", "text": "No nodule."}]
    assert len(shown.json()["images"]) == 1
    assert Browser(hospital, hospital.log_in("ada")[0]).post(at).status_code == 403
    assert Browser(hospital, hospital.log_in("rana")[0]).post(at).status_code == 403
    otto.headers.pop(CSRF_HEADER)
    assert otto.post(at).status_code == 403
    page.open(view="review", study=study)
    assert "your review would count as not blind" in page.texts
    assert (page.component("editor"), page.component("viewer")) == (None, None)
    assert "Ada" not in page.texts
    page.press("Back to the second reviews")
    assert "Signed reports, drawn at random" in page._app.caption[0].value
    page.open(view="review", study=study)
    page.press("Open it: my review counts as not blind")
    assert page.component("editor") is not None
    assert page.open(view="review", study=study).component("editor") is not None, "asked once"


@pytest.mark.covers("C2")
def test_resident_has_no_second_reviews(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    assert "Second reviews" not in page_of("rana").open(view="second_review").places
