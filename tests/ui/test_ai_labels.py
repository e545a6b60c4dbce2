"""Every page that shows AI text says that it is AI text, and of which model (T38)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from app.domain.access import may
from app.services import reading
from app.ui.views.frame import places
from tests.reliability import record
from tests.ui import seed
from tests.ui.conftest import Hospital
from tests.ui.seed import PEOPLE
from tests.ui.test_views import Page, page_of, sign_as

__all__ = ["page_of"]

# words of the seeds' draft that no page has of itself, and a probability as a page would show it
AI_WORDS = ("nodules project over", "Hazy opacity in the right", "pulmonary nodules, suspicious")
NAME = "janus-tiny"


def everything(page: Page) -> str:
    """All that the page was given: Streamlit's elements and what its components get."""
    app = page._app
    kinds = (
        app.error, app.warning, app.success, app.info, app.markdown, app.caption, app.text, app.code,
        app.subheader, app.title, app.header,
    )  # fmt: skip
    shown = [str(element.value) for kind in kinds for element in kind]
    shown += [str(table.value.to_dict()) for table in app.dataframe]
    shown += [element.proto.json for element in app.get("bidi_component")]
    return "\n".join(shown)


@pytest.mark.covers("T38")
def test_no_page_shows_ai_text_without_its_label(hospital: Hospital, page_of: Callable[[str], Page]) -> None:
    study = hospital.chest().study_uid
    seen, unlabelled = [], []
    for username, (_, role) in PEOPLE.items():
        for name, place in places().items():
            if not may(role, place.action):
                continue
            page = page_of(username).open(view=name, study=study)
            shown = everything(page)
            if any(words in shown for words in AI_WORDS):
                seen.append(f"{username}/{name}")
                if NAME not in shown or "AI" not in shown:
                    unlabelled.append(f"{username}/{name}")
    record(
        "ai_labels",
        f"every page of every role with an AI draft at hand ({len(PEOPLE)} people)",
        f"{len(seen)} show AI text, unlabelled {len(unlabelled)}",
        figures={"seen": len(seen), "unlabelled": len(unlabelled)},
    )
    assert unlabelled == []
    assert {where.split("/")[1] for where in seen} == {"review"}
    assert len(seen) == 4


@pytest.mark.covers("T38", "U8")
def test_sentences_that_nobody_touched_are_marked_until_they_are(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = hospital.chest().study_uid
    page = page_of("ada").open(view="review", study=study)
    shown = page.component("editor")
    assert shown is not None
    assert {(s["origin"], s["decision"]) for s in shown["sentences"]} == {("AI", "UNTOUCHED")}
    assert (shown["draft"]["model"], shown["draft"]["status"]) == ("janus-tiny (3f3f3f3f3f3f)", "drafted")
    assert all(s["confidence"] is not None for s in shown["sentences"])
    first = shown["sentences"][0]
    _, actor = hospital.log_in("ada")
    reading.edit_sentence(
        hospital.store, actor, shown["reportId"], first["key"], "One nodule.", now=seed.now_utc()
    )
    after = page.open(view="review", study=study).component("editor")
    assert after is not None
    marks = {s["key"]: (s["origin"], s["decision"]) for s in after["sentences"]}
    assert marks.pop(first["key"]) == ("AI", "EDITED")
    assert set(marks.values()) == {("AI", "UNTOUCHED")}


@pytest.mark.covers("T38")
def test_signed_text_still_says_what_of_it_began_as_ai(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = sign_as(hospital, "ada")
    shown = page_of("otto").open(view="review", study=study).component("editor")
    assert shown is not None
    assert NAME in json.dumps(shown["draft"])
    assert {s["origin"] for s in shown["sentences"]} == {"AI"}
