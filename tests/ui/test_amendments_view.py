"""Addendum and correction on the screen: who is offered them, what the dialogs ask, what the page then shows.

Covered: buttons by role and state, both dialogs up to the signature, refusals that keep what was typed, the
chain, the comparison of a correction, the worklist's state.
Not covered: what is sent (`tests/workers/test_amendments.py`), the browser (`tests/e2e`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from app.domain.amendment import Amendment
from app.domain.report import ReportState
from app.domain.wording import compare
from app.services import reading
from app.services.amending import add_addendum
from tests.ui import seed
from tests.ui.conftest import Hospital
from tests.ui.test_views import Page, page_of, sign_as

__all__ = ["page_of"]

BUTTONS = {"Addendum ...", "Correction ..."}


def open_addendum(study: str, report_id: int) -> None:
    """What Streamlit runs again while the dialog is open: its test harness runs whole pages only."""
    from app.ui.views.amend import addendum_dialog

    addendum_dialog(study, report_id)


def open_correction(study: str, report_id: int) -> None:
    """As `open_addendum`."""
    from app.ui.views.amend import correction_dialog

    correction_dialog(study, report_id)


def dialog(page: Page, hospital: Hospital, study: str, script: Callable[[str, int], None]) -> Page:
    """Open the study, and then nothing but a dialog about its report."""
    page.open(view="review", study=study)
    with hospital.store.begin() as tx:
        [report] = tx.reports.summaries(study)
    page._app = AppTest.from_function(script, args=(study, report.report_id), default_timeout=60).run()
    assert not page._app.exception
    return page


def fill(page: Page, **values: str) -> None:
    """Fill the fields of an open dialog, by the beginning of their labels."""
    app: Any = page._app
    for label, value in values.items():
        fields = [*app.text_area, *app.text_input]
        next(f for f in fields if f.label.split(",")[0].replace(" ", "_") == label).input(value)


def press(page: Page, label: str) -> None:
    page.press(label)
    assert not page._app.exception


def buttons(page: Page) -> set[str]:
    return {button.label for button in page._app.button} & BUTTONS


def amendments(hospital: Hospital, study: str) -> tuple[Amendment, ...]:
    with hospital.store.begin() as tx:
        [report] = tx.reports.summaries(study)
        return tx.reports.amendments.of_report(report.report_id)


def state_of(hospital: Hospital, study: str) -> ReportState:
    with hospital.store.begin() as tx:
        return tx.reports.summaries(study)[0].state


@pytest.mark.covers("S2", "S4")
def test_attending_alone_is_offered_both_on_a_signed_report(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    unsigned = hospital.leg().study_uid
    assert buttons(page_of("ada").open(view="review", study=unsigned)) == set()
    study = sign_as(hospital, "ada")
    page = page_of("ada").open(view="review", study=study)
    assert buttons(page) == BUTTONS
    press(page, "Addendum ...")
    assert "Sign the addendum" in [button.label for button in page._app.button]
    assert "Addendum" in [area.label for area in page._app.text_area]
    for reader in ("rana", "vera"):
        assert buttons(page_of(reader).open(view="review", study=study)) == set()


@pytest.mark.covers("S3", "S4")
def test_addendum_is_typed_signed_and_shown_with_its_number(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = sign_as(hospital, "ada")
    page = dialog(page_of("ada"), hospital, study, open_addendum)
    assert "Will be told: PACS" in "\n".join(text.value for text in page._app.text)
    assert any("addendum to a final report" in caption.value for caption in page._app.caption)
    fill(page, Addendum="Compared with <b>2020</b>: no change.", Your_password="wrong")
    press(page, "Sign the addendum")
    assert "Nothing was signed" in page.texts
    assert page._app.text_area[0].value == "Compared with <b>2020</b>: no change.", "what was typed stays"
    assert amendments(hospital, study) == ()
    fill(page, Your_password=seed.PASSWORD)
    press(page, "Sign the addendum")
    [addendum] = amendments(hospital, study)
    assert (addendum.title, addendum.content.text) == ("Addendum 1", "Compared with <b>2020</b>: no change.")
    page = page_of("otto").open(view="review", study=study)
    assert "Addendum 1" in [head.value for head in page._app.subheader]
    assert addendum.content.text in [text.value for text in page._app.text], "as text, never as markup"
    assert any("Dr\\. Ada Attending" in caption.value for caption in page._app.caption)
    editor = page.component("editor")
    assert editor is not None
    assert editor["state"] == "ADDENDED"
    rows = page_of("ada").open(view="worklist").component("worklist")
    assert rows is not None
    assert "ADDENDED" in str(rows)


@pytest.mark.covers("S3", "S4")
def test_correction_begins_with_the_text_in_force_and_shows_what_it_changed(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = sign_as(hospital, "ada")
    page = dialog(page_of("ada"), hospital, study, open_correction)
    before = {area.label: area.value for area in page._app.text_area}
    assert list(before) == ["Indication", "Comparison", "Technique", "Findings", "Impression"]
    assert before["Findings"]
    assert before["Impression"]
    fill(page, Reason="wrong side", Your_password=seed.PASSWORD)
    press(page, "Sign the correction")
    assert "same as before" in page.texts.replace("\\", "")
    assert state_of(hospital, study) is ReportState.SIGNED
    fill(page, Findings="Nodule on the other side.", Reason="wrong side", Your_password=seed.PASSWORD)
    press(page, "Sign the correction")
    [correction] = amendments(hospital, study)
    kept = {section.lower(): text for section, text in before.items() if text}
    assert correction.content.sections == kept | {"findings": "Nodule on the other side."}
    page = page_of("otto").open(view="review", study=study)
    assert any("Correction 1 replaces the text below" in note and "wrong side" in note for note in page.notes)
    assert "Nodule on the other side." in [text.value for text in page._app.text]
    assert ":red[~~" in page.texts
    assert ":green[**" in page.texts


@pytest.mark.covers("S4", "T39")
def test_addendum_of_somebody_else_in_between_is_told_and_nothing_is_signed(
    hospital: Hospital, page_of: Callable[[str], Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = sign_as(hospital, "ada")
    page = dialog(page_of("ada"), hospital, study, open_addendum)
    fill(page, Addendum="Mine.", Your_password=seed.PASSWORD)
    _, actor = hospital.log_in("ada")
    look_again, looks = reading.refresh, []

    def look_and_be_overtaken(*arguments: Any, **how: Any) -> Any:
        review = look_again(*arguments, **how)
        if not looks:
            _add(hospital, actor, review.report)
        looks.append(review)
        return review

    monkeypatch.setattr(reading, "refresh", look_and_be_overtaken)
    press(page, "Sign the addendum")
    assert looks
    assert [a.content.text for a in amendments(hospital, study)] == ["Theirs."]
    assert "read what was added" in page.texts
    assert page._app.text_area[0].value == "Mine."


def _add(hospital: Hospital, actor: Any, report: Any) -> None:
    add_addendum(
        hospital.store,
        actor,
        report.report_id,
        version=report.version,
        password=seed.PASSWORD,
        text="Theirs.",
        destinations=(),
        now=datetime.now(UTC),
    )


@pytest.mark.covers("S4")
@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_comparison_holds_both_texts_whole(old: list[str], new: list[str]) -> None:
    pieces = compare(" ".join(old), " ".join(new))
    assert " ".join(p.old for p in pieces if p.old).split() == old
    assert " ".join(p.new for p in pieces if p.new).split() == new
    if old == new:
        assert all(p.old == p.new for p in pieces)
