"""The worklist's filters, run without a browser: each field, saved filters, and what cannot be read any more.

Not covered: the keys and the table in the browser (`tests/e2e/test_worklist.py`), what each filter finds
(`tests/unit/services/test_worklist_filters.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.domain.delivery import DeliveryState
from app.domain.priority import STAT
from app.domain.report import ReportState
from app.domain.study import StudyState
from app.domain.worklist import SortKey, Span, WorklistQuery
from app.services import saved_filters
from app.services.preferences import read_preference, save_preference
from app.ui.components import library
from app.ui.session import Visit
from app.ui.views.frame import show_head
from tests.ui.conftest import Hospital
from tests.ui.test_views import Page, page_of

__all__ = ["page_of"]


class Clicks:
    """What is clicked in the table: the component itself lives in a browser."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._acts: Mapping[str, Callable[[Any], None]] = {}
        self._waiting: tuple[str, Any] | None = None

    def mount(self, name: str, data: Mapping[str, Any], **options: Any) -> Mapping[str, Any]:
        self._acts = options["on"]
        return library.mount(name, data, **options)

    def begin(self, visit: Visit, here: str) -> None:
        """Do what was clicked before the page is made, as Streamlit does."""
        if self._waiting is not None:
            event, value = self._waiting
            self._waiting = None
            self._acts[event](value)
        show_head(visit, here)

    def click(self, event: str, value: Any) -> dict[str, Any]:
        """Click, and return what the table is given then."""
        self._waiting = (event, value)
        self._page._app.run()
        assert not self._page._app.exception
        return table(self._page)


def table(page: Page) -> dict[str, Any]:
    shown = page.component("worklist")
    assert shown is not None
    return shown


@pytest.fixture
def clicks_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Page], Clicks]:
    """Lets a page be clicked in its table."""

    def make(page: Page) -> Clicks:
        clicks = Clicks(page)
        monkeypatch.setattr("app.ui.views.worklist.mount", clicks.mount)
        monkeypatch.setattr("app.ui.views.worklist.show_head", clicks.begin)
        return clicks

    return make


def kept_by(hospital: Hospital, username: str) -> list[tuple[str, WorklistQuery]]:
    found = saved_filters.saved_filters(hospital.store, hospital.log_in(username)[1], now=datetime.now(UTC))
    return [(one.name, one.query) for one in found]


@pytest.mark.covers("U1")
def test_every_field_asks_the_server_and_zero_shows_all(
    hospital: Hospital, page_of: Callable[[str], Page], clicks_of: Callable[[Page], Clicks]
) -> None:
    hospital.leg()
    hospital.chest(patient_name="Martin^Jeanne", requested_priority="STAT")
    page = page_of("ada")
    clicks = clicks_of(page)
    app: AppTest = page.open()._app
    assert (table(page)["total"], table(page)["filters"]) == (2, 0)

    def fill(kind: str, key: str, value: Any) -> Callable[[], object]:
        return lambda: getattr(app, kind)(key=f"worklist_{key}").set_value(value)

    day = date(2026, 11, 1)
    fields: list[tuple[Callable[[], object], dict[str, Any], int]] = [
        (fill("text_input", "text", " martin "), {"text": "martin"}, 1),
        (fill("text_input", "patient", "jeanne"), {"patient": "jeanne"}, 1),
        (fill("text_input", "patient_id", "nobody"), {"patient_id": "nobody"}, 0),
        (fill("text_input", "accession", "nothing"), {"accession": "nothing"}, 0),
        (fill("text_input", "description", "nothing"), {"description": "nothing"}, 0),
        (fill("text_input", "reader", "ada"), {"reader": "ada"}, 0),
        (fill("text_input", "modality", "mr"), {"modality": "MR"}, 0),
        (fill("multiselect", "draft", [StudyState.UNDRAFTED]), {"states": ["UNDRAFTED"]}, 1),
        (fill("multiselect", "report", [ReportState.SIGNED]), {"report_states": ["SIGNED"]}, 0),
        (fill("multiselect", "priorities", [STAT]), {"priorities": [STAT]}, 1),
        (fill("multiselect", "deliveries", [DeliveryState.DEAD]), {"delivery_states": ["DEAD"]}, 0),
        (fill("number_input", "fewest", 2), {"fewest_images": 2}, 0),
        (fill("number_input", "most", 1), {"most_images": 1}, 2),
        (fill("selectbox", "received", Span.TODAY), {"received": ["today", None, None]}, 2),
        (fill("selectbox", "studied", Span.WEEK), {"studied": ["7 days", None, None]}, 0),
    ]
    for act, asked, total in fields:
        act()
        app.run()
        assert not app.exception
        shown = table(page)
        assert shown["query"] == {"limit": 50, **asked}
        assert (shown["total"], shown["filters"]) == (total, 1), asked
        shown = clicks.click("saved", "")
        assert (shown["total"], shown["query"]) == (2, {"limit": 50})

    # a range of days has fields of its own
    app.selectbox(key="worklist_studied").set_value(Span.BETWEEN).run()
    app.date_input(key="worklist_studied_first").set_value(day).run()
    assert table(page)["query"]["studied"] == ["between", "2026-11-01", None]
    # another filter begins at the first page, a sort stays
    assert clicks.click("sort", {"sort": "patient", "descending": False})["sort"] == "patient"
    assert clicks.click("turn", 50)["offset"] == 50
    app.text_input(key="worklist_text").set_value("m").run()
    assert (table(page)["offset"], table(page)["sort"]) == (0, "patient")


def _manage() -> None:
    """Runs as a script of its own, as the dialog does."""
    from app.domain.delivery import DeliveryState
    from app.domain.worklist import SortKey, WorklistQuery
    from app.ui.views.saved_filters import manage_filters

    manage_filters(
        WorklistQuery(
            text="Secret^Name",
            modality="CT",
            delivery_states=(DeliveryState.DEAD,),
            sort=SortKey.RECEIVED,
        )
    )


@pytest.mark.covers("U1")
def test_filters_are_saved_renamed_deleted_and_applied_by_their_places(
    hospital: Hospital, page_of: Callable[[str], Page], clicks_of: Callable[[Page], Clicks]
) -> None:
    page = page_of("ada")
    dialog = AppTest.from_function(_manage, default_timeout=60).run()

    def press(label: str) -> None:
        next(button for button in dialog.button if button.label == label).click().run()
        assert not dialog.exception

    assert "may be a patient's name" in dialog.info[0].value
    dialog.text_input(key="filter_name").input("Failed CTs")
    press("Save what is shown")
    query = WorklistQuery(modality="CT", delivery_states=(DeliveryState.DEAD,), sort=SortKey.RECEIVED)
    assert kept_by(hospital, "ada") == [("Failed CTs", query)]
    dialog.text_input(key="filter_name").input(" ")
    press("Save what is shown")
    assert [error.value for error in dialog.error] != []
    dialog.text_input(key="filter_name").input("Second")
    press("Save what is shown")

    dialog.selectbox(key="filter_chosen").select("Failed CTs")
    dialog.text_input(key="filter_new_name").input("Second")
    press("Rename")
    assert "there is a filter Second already" in dialog.error[0].value
    dialog.text_input(key="filter_new_name").input("CTs")
    press("Rename")
    assert [name for name, _ in kept_by(hospital, "ada")] == ["CTs", "Second"]
    dialog.selectbox(key="filter_chosen").select("Second")
    press("Delete")
    dialog.selectbox(key="filter_default").select("CTs")
    press("Keep")
    assert kept_by(hospital, "ada") == [("CTs", query)]
    assert kept_by(hospital, "otto") == []

    # it stands there at the next log-in; a key of the table takes it away and puts it back
    hospital.leg()
    clicks = clicks_of(page)
    shown = table(page.open())
    assert (shown["saved"], shown["applied"], shown["total"]) == (
        [{"name": "CTs", "isDefault": True}], "CTs", 0
    )  # fmt: skip
    assert shown["query"] == {
        "limit": 50, "modality": "CT", "delivery_states": ["DEAD"], "sort": "received"
    }  # fmt: skip
    assert page._app.multiselect(key="worklist_deliveries").value == [DeliveryState.DEAD]
    assert (clicks.click("saved", "")["applied"], table(page)["total"]) == ("", 1)
    assert clicks.click("saved", shown["saved"][0]["name"])["query"] == shown["query"]
    # one that another window has deleted meanwhile is no crash
    assert clicks.click("saved", "Second")["applied"] == ""


@pytest.mark.covers("U1")
def test_filter_of_another_version_is_told_and_dropped(
    hospital: Hospital, page_of: Callable[[str], Page], clicks_of: Callable[[Page], Clicks]
) -> None:
    hospital.leg()
    now, actor = datetime.now(UTC), hospital.log_in("ada")[1]
    kept = [
        {"name": "*Older*", "query": {"urgency": "high"}, "default": True},
        {"query": {}},
        "no filter at all",
        {"name": "Strange values", "default": False, "query": {
            "states": ["QUARANTINED", "UNDRAFTED"], "priorities": [7], "fewest_images": -5,
            "most_images": 10**9, "studied": ["between", "0001-01-01", "9999-12-31"],
        }},
        {"name": "Good", "query": {"modality": "CT"}, "default": False},
    ]  # fmt: skip
    save_preference(hospital.store, actor, saved_filters.PREFERENCE, kept, now=now)
    page = page_of("ada")
    clicks = clicks_of(page)
    shown = table(page.open())
    assert [one["name"] for one in shown["saved"]] == ["Strange values", "Good"]
    [told] = page.notes
    assert told.endswith("removed: \\*Older\\*, no name, no name")
    assert [name for name, _ in kept_by(hospital, "ada")] == ["Strange values", "Good"]
    assert clicks.click("saved", "Strange values")["query"] == {
        "limit": 50, "states": ["UNDRAFTED"], "studied": ["between", None, None]
    }  # fmt: skip
    page.press("OK")
    assert page.notes == []
    assert page_of("ada").open().notes == [], "it is told once"

    save_preference(hospital.store, actor, saved_filters.PREFERENCE, {"version": 2}, now=now)
    assert len(page_of("ada").open().notes) == 1
    assert read_preference(hospital.store, actor, saved_filters.PREFERENCE, now=now) == []
