"""The page of the department's own words, run without a browser: tried, then kept as versions.

Not covered here: what is refused (`tests/unit/checks/test_department_words.py`), the page in a browser
(`tests/e2e/test_access_screens.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from app.domain.department_words import DepartmentWords, Wording
from app.services.words import save_words
from tests.ui.conftest import Hospital
from tests.ui.test_views import Page, page_of

__all__ = ["page_of"]


def _shown(app: AppTest) -> list[list[str]]:
    """Rows of the table of what was read in the sentence that is tried."""
    return [list(row) for table in app.table for row in table.value.itertuples(index=False)]


def _errors(app: AppTest) -> str:
    return "\n".join(error.value for error in app.error).replace("\\", "")


def _open(page_of: Callable[[str], Page]) -> AppTest:
    return page_of("adam").open(view="words")._app


@pytest.mark.covers("U8")
def test_a_sentence_is_tried_before_the_words_are_kept(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    app = _open(page_of)
    app.text_area(key="words_try").input("Small PTX on the left. Possible Spalt, no effusoin.").run()
    assert _shown(app) == []
    assert "effusoin looks misspelt: effusion?" in "\n".join(w.value for w in app.warning).replace("\\", "")
    app.text_area(key="words_wordings_0").input("pneumothorax: PTX, Spalt").run()
    assert _shown(app) == [
        ["PTX", "pneumothorax", "stated", "left"],
        ["Spalt", "pneumothorax", "in doubt", "none named"],
    ]
    with hospital.store.begin() as tx:
        assert tx.words.in_force() is None

    app.text_area(key="words_marks_0").input("@@").run()
    app.button(key="words_save").click().run()
    with hospital.store.begin() as tx:
        kept = tx.words.in_force()
    assert kept is not None
    assert (kept.version, kept.username) == (1, "adam")
    assert [wording.text for wording in kept.content.wordings] == ["PTX", "Spalt"]
    assert kept.content.marks == ("@@",)
    assert app.text_area(key="words_wordings_1").value == "pneumothorax: PTX, Spalt"


def test_mistakes_are_shown_and_nothing_is_kept_with_one(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    app = _open(page_of)
    app.text_area(key="words_wordings_0").input("effusion: pneumothorax\nnodule: no lump").run()
    assert "pneumothorax: it stands for pneumothorax and cannot stand for effusion too" in _errors(app)
    assert "no lump: by no a sentence denies" in _errors(app)
    assert app.button(key="words_save").disabled
    app.text_area(key="words_wordings_0").input("nodule").run()
    assert "line 1: write an abnormality, a colon, and its wordings" in _errors(app)
    with hospital.store.begin() as tx:
        assert tx.words.in_force() is None


def test_an_edit_of_an_older_version_is_refused_with_who_was_faster(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    app = _open(page_of)
    app.text_area(key="words_well_0").input("Port-a-Cath").run()
    _, actor = hospital.log_in("adam")
    words = DepartmentWords(wordings=(Wording("pneumothorax", "PTX"),))
    save_words(hospital.store, actor, words, version=0, now=datetime.now(UTC))
    app.button(key="words_save").click().run()
    assert "adam has edited the words meanwhile: open version 1" in _errors(app)
    assert app.text_area(key="words_well_0").value == "Port-a-Cath"
    app.button(key="words_latest").click().run()
    assert app.text_area(key="words_wordings_1").value == "pneumothorax: PTX"
    assert not app.warning
    with hospital.store.begin() as tx:
        kept = tx.words.in_force()
    assert kept is not None
    assert kept.version == 1


@pytest.mark.parametrize("username", ["ada", "rana", "vera", "aud"])
def test_nobody_else_is_offered_the_page(
    hospital: Hospital, page_of: Callable[[str], Page], username: str
) -> None:
    page = page_of(username).open(view="words")
    assert "Own words" not in page.places
    assert not [area for area in page._app.text_area if "words" in (area.key or "")]
