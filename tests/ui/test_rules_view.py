"""The routing rules in the reading room: shown, checked, saved, tried; a broken file is seen.

Covered: the view by AppTest, the tester for studies and for the head of a file, warnings, exclusion.
Not covered: the file picker's own script in a browser.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.errors import Rejected
from app.domain.rules import HeaderValues, StudyFacts
from app.domain.rules_toml import read_rules
from app.services.assembly import complete_due_studies
from app.services.routing import rule_on
from app.ui.session import Visit
from app.ui.views import rules_tester
from tests.ui.conftest import Hospital
from tests.ui.test_views import Page

RULES = """[[rules]]
name = "chest first"
when = 'Modality == "CR" and "CHEST" in BodyPartExamined.upper()'
priority = "stat"
"""
NO_CR = """[[rules]]
name = "no CR"
when = 'Modality == "CR"'
exclude = "read elsewhere"
"""


@pytest.fixture
def page_of(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Page]:
    def make(username: str) -> Page:
        return Page(monkeypatch, hospital, hospital.log_in(username)[0])

    return make


@pytest.fixture
def file(hospital: Hospital) -> Path:
    return hospital.room.settings.rules_path


def edit(page: Page, text: str) -> Page:
    page._app.text_area(key="rules_text").input(text).run()
    assert not page._app.exception
    return page


def codes(page: Page) -> str:
    return "\n".join(element.value for element in page._app.code)


@pytest.mark.covers("A1")
def test_edit_is_shown_as_a_difference_and_saved(
    hospital: Hospital, page_of: Callable[[str], Page], file: Path
) -> None:
    page = edit(page_of("adam").open(view="rules"), RULES)
    assert '+name = "chest first"' in codes(page)
    page.press("Save")
    assert file.read_text() == RULES
    assert ("rules changed", "success", "adam") in hospital.events()
    assert "+name" not in codes(page)


def test_mistake_is_told_and_cannot_be_saved(page_of: Callable[[str], Page], file: Path) -> None:
    page = edit(page_of("adam").open(view="rules"), RULES.replace("Modality", "Modalty"))
    assert "column 1 of when: unknown name Modalty" in page.texts.replace("\\", "")
    assert next(button for button in page._app.button if button.label == "Save").disabled
    assert not file.exists()


def test_file_changed_by_hand_is_not_overwritten(page_of: Callable[[str], Page], file: Path) -> None:
    page = edit(page_of("adam").open(view="rules"), RULES)
    file.write_text(NO_CR)
    page.press("Save")
    assert "changed since you opened it" in page.texts.replace("\\", "")
    assert file.read_text() == NO_CR


@pytest.mark.parametrize("view", ["rules", "operations"])
def test_broken_file_is_a_visible_warning(page_of: Callable[[str], Page], file: Path, view: str) -> None:
    file.write_text("[[rules")
    shown = page_of("adam").open(view=view).texts
    assert "last good rules stay in force" in shown


def test_tester_shows_which_rule_fires_for_a_study_and_why(
    hospital: Hospital, page_of: Callable[[str], Page], file: Path
) -> None:
    file.write_text(RULES)
    hospital.receive("chest")
    page = page_of("adam").open(view="rules").press("Try on this study")
    assert not page._app.exception
    shown = "\n".join(element.value for element in page._app.text)
    assert "BodyPartExamined = 'CHEST'" in shown
    assert "priority stat: rule: chest first" in shown
    assert "rules tested" in [event for event, _, _ in hospital.events()]


def test_tester_takes_the_head_of_a_file_and_keeps_nothing(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, actor = hospital.log_in("adam")
    visit = Visit(hospital.room, actor, datetime.now(UTC), "")
    head = hospital.files["chest"].read_bytes()[: rules_tester.HEAD_BYTES]
    sent = base64.b64encode(head).decode()
    ruling = rules_tester.try_head(visit, read_rules(RULES.encode()), sent, StudyFacts())
    assert ruling.routing.fired == ("chest first",)
    assert list(hospital.room.settings.spool_dir.rglob("*")) == []
    for wrong in ("not base64!", base64.b64encode(b"no DICOM").decode(), sent * 2):
        with pytest.raises(Rejected):
            rules_tester.try_head(visit, read_rules(RULES.encode()), wrong, StudyFacts())


def test_excluded_study_is_shown_when_asked_for_and_can_be_taken_in(
    hospital: Hospital, page_of: Callable[[str], Page], file: Path
) -> None:
    file.write_text(NO_CR)
    received = exclude_chest(hospital)
    ada = page_of("ada").open(view="worklist")
    shown = ada.component("worklist")
    assert shown is not None
    assert shown["rows"] == []
    ada._app.multiselect(key="worklist_draft").set_value(["excluded"]).run()
    shown = ada.component("worklist")
    assert shown is not None
    assert [(row["study"], row["reason"]) for row in shown["rows"]] == [(received, "read elsewhere")]
    opened = page_of("ada").open(view="review", study=received)
    assert "read elsewhere" in opened.texts
    page_of("adam").open(view="rules").press("Take it into the worklist")
    with hospital.store.begin() as tx:
        assert tx.studies.get(received).state == "COMPLETE"


def exclude_chest(hospital: Hospital) -> str:
    from datetime import timedelta

    from tests.ui import seed

    found, at = read_rules(NO_CR.encode()), datetime.now(UTC)
    received = seed.receive(hospital.store, hospital.room.settings.spool_dir, hospital.files["chest"], now=at)
    complete_due_studies(
        hospital.store,
        open_studies=frozenset(),
        quiet=timedelta(0),
        now=at,
        route=lambda study, own: (
            rule_on(found, study, own, lambda *_: HeaderValues({"Modality": "CR"})).routing
        ),
    )
    return received.study_uid
