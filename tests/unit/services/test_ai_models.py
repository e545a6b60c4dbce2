"""The switch of a model: what it stops, what it leaves alone, and what comes back with it.

Covered: stopping before and during a draft, other versions, warnings on open drafts, resuming, races of two.
Not covered: loading a model (`tests/workers/test_draft.py`), the page (`tests/ui/test_models_view.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.ai_model import ModelIdentity, identify, tidy_card
from app.domain.errors import Conflict, NotFound, Rejected
from app.domain.study import StudyState
from app.services import ai_models
from app.services.drafting import take_order
from app.services.reading import open_study
from tests.unit.services.conftest import NOW, QUIET, WORKER, House, draft_of, image, uid

AT = NOW + QUIET
TINY = identify(draft_of().model)
REASON = "invents nodules"


@pytest.fixture
def loaded(house: House) -> House:
    ai_models.note_loaded(house.store, WORKER, TINY, preset="tiny", card="# Tiny", now=NOW)
    return house


def stop(house: House, number: int = 1) -> None:
    ai_models.stop_model(house.store, house["attending"], number, REASON, now=AT)


def waiting(house: House, study: str = "s1") -> str:
    """Take a study up to the point where it waits for its draft."""
    house.receive(image(study))
    house.complete()
    return uid(study)


@pytest.mark.covers("T25")
def test_draft_that_was_under_way_when_its_model_was_stopped_is_not_shown(loaded: House) -> None:
    waiting(loaded)
    assert take_order(loaded.store, uid("s1"), 1) is not None
    stop(loaded)
    assert loaded.draft(), "the study is open to its readers at once"
    study = loaded.study()
    assert (study.state, study.reason) == (StudyState.UNDRAFTED, f"the AI model {TINY.name} is stopped")
    review = open_study(loaded.store, loaded["attending"], uid("s1"), now=AT)
    assert review.report is not None
    assert review.report.sentences == ()


@pytest.mark.covers("T25")
def test_only_the_version_that_was_stopped_is_stopped(loaded: House) -> None:
    stop(loaded)
    assert ai_models.why_stopped(loaded.store, TINY) == f"the AI model {TINY.name} is stopped"
    for other in (
        replace(TINY, model_id="janus-other"),
        replace(TINY, weights_sha256="00" * 32),
        replace(TINY, adapters_sha256="00" * 32),
    ):
        assert ai_models.why_stopped(loaded.store, other) == ""
    content = draft_of()
    waiting(loaded)
    assert loaded.draft(content=replace(content, model={**content.model, "adapters_sha256": "00" * 32}))
    assert loaded.study().state is StudyState.DRAFTED


@pytest.mark.covers("T25", "P6")
def test_reader_of_an_open_draft_is_warned(loaded: House) -> None:
    loaded.drafted()
    assert open_study(loaded.store, loaded["attending"], uid("s1"), now=AT).stopped == ""
    stop(loaded)
    assert open_study(loaded.store, loaded["attending"], uid("s1"), now=AT).stopped == f"attending: {REASON}"


def test_studies_that_went_without_a_draft_are_drafted_when_the_model_comes_back(loaded: House) -> None:
    stop(loaded)
    for name in ("s1", "s2"):
        waiting(loaded, name)
        assert loaded.draft(name)
    loaded.undrafted("s3", "not a frontal chest radiograph")
    open_study(loaded.store, loaded["attending"], uid("s2"), now=AT)
    _empty_the_queue(loaded)
    assert ai_models.resume_model(loaded.store, loaded["admin"], 1, now=AT) == 2
    again = [job["study_uid"] for job in loaded.jobs("draft_study")]
    assert sorted(again) == sorted([uid("s1"), uid("s2")])
    assert take_order(loaded.store, uid("s2"), 1) is None, "a reader has begun to write it"
    assert loaded.draft("s1")
    assert loaded.study("s1").state is StudyState.DRAFTED
    assert loaded.study("s3").state is StudyState.UNDRAFTED


def _empty_the_queue(house: House) -> None:
    """Take away the jobs that a worker has done by now: the lock of one that waits keeps a second one out."""
    with house.store.begin() as tx:
        tx.session.execute(text("DELETE FROM procrastinate_jobs"))


def test_who_stopped_it_and_why_stays_after_it_came_back(loaded: House) -> None:
    stop(loaded)
    ai_models.resume_model(loaded.store, loaded["admin"], 1, now=AT)
    [model] = ai_models.list_models(loaded.store, loaded["auditor"], now=AT)
    assert (model.is_stopped, model.stopped_by, model.stop_reason) == (False, "attending", REASON)


def test_stop_outlives_another_loading(loaded: House) -> None:
    stop(loaded)
    later = AT + timedelta(hours=1)
    ai_models.note_loaded(loaded.store, WORKER, TINY, preset="tiny", card="# Tiny, revised", now=later)
    [model] = ai_models.list_models(loaded.store, loaded["viewer"], now=later)
    assert (model.is_stopped, model.card, model.first_loaded_at) == (True, "# Tiny, revised", NOW)
    assert model.last_loaded_at == later


def test_what_cannot_be_switched_says_why(loaded: House) -> None:
    with pytest.raises(Conflict, match="is not stopped"):
        ai_models.resume_model(loaded.store, loaded["admin"], 1, now=AT)
    with pytest.raises(NotFound, match="no AI model 7"):
        stop(loaded, 7)
    with pytest.raises(Rejected, match="needs a reason"):
        ai_models.stop_model(loaded.store, loaded["admin"], 1, "  ", now=AT)
    stop(loaded)
    with pytest.raises(Conflict, match="stopped already by attending"):
        stop(loaded)


def test_list_counts_the_reports_that_began_with_a_model(loaded: House) -> None:
    loaded.drafted("s1")
    loaded.drafted("s2")
    loaded.undrafted("s3")
    ai_models.note_loaded(
        loaded.store, WORKER, ModelIdentity("other", "0f" * 32, ""), preset="", card="", now=AT
    )
    models = ai_models.list_models(loaded.store, loaded["viewer"], now=AT)
    assert [(model.identity.model_id, model.reports) for model in models] == [("other", 0), ("janus-tiny", 2)]


def test_card_holds_nothing_that_a_page_would_fetch_or_a_database_refuse() -> None:
    assert tidy_card("a\x00b ![x](http://elsewhere/x.png)") == "ab [x](http://elsewhere/x.png)"
