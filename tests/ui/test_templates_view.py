"""The page of templates and macros, run without a browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from app.services import templates
from tests.ui.conftest import Hospital
from tests.ui.test_views import Page, page_of

__all__ = ["page_of"]


def test_administrator_sees_the_mistakes_and_keeps_a_new_version(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    templates.install_shipped(hospital.store, now=datetime.now(UTC))
    page = page_of("adam").open(view="templates")
    app = page._app
    app.selectbox(key="templates_chosen").select(2).run()
    findings = app.text_area(key="templates_findings_2_1")
    assert findings.value.startswith("The lungs are clear.")
    findings.input("Side [left|right").run()
    assert "findings, line 1: a bracket is not closed" in "\n".join(e.value for e in app.error).replace(
        "\\", ""
    )
    app.text_area(key="templates_findings_2_1").input("Side [left|right].").run()
    app.button(key="templates_save").click().run()
    with hospital.store.begin() as tx:
        kept = tx.templates.get(2)
    assert (kept.version, kept.username) == (2, "adam")
    assert list(kept.content.sections.values())[-2] == ("Side [left|right].",)

    app.button(key="templates_switch").click().run()
    with hospital.store.begin() as tx:
        assert not tx.templates.get(2).content.is_active


def test_macro_of_the_department_is_kept(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    app = page_of("adam").open(view="templates")._app
    app.text_input(key="templates_macro_name").input(".nl")
    app.text_area(key="templates_macro_text").input("No lesion.")
    next(button for button in app.button if button.label == "Keep the macro").click().run()
    with hospital.store.begin() as tx:
        assert [(m.name, m.text) for m in tx.templates.macros()] == [("nl", "No lesion.")]


@pytest.mark.parametrize("username", ["ada", "rana", "vera"])
def test_nobody_else_is_offered_the_page(
    hospital: Hospital, page_of: Callable[[str], Page], username: str
) -> None:
    assert "templates" not in page_of(username).open(view="templates").texts.lower()
