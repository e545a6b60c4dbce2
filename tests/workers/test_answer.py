"""The drafting worker answers questions to images, and keeps the embedding of what it drafts.

Covered: real answers of the bundled model on RG1, refusals, what there is no answer to and why.
Not covered: which words are understood (`tests/model/engine/test_questions.py`), the panel (`tests/e2e`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from app.domain.access import Actor, Role, service_actor
from app.domain.question import Question, QuestionState
from app.services import ai_models
from app.services.asking import ask, questions_of
from app.services.reading import open_study
from app.services.work import dead_letters
from app.settings import Settings
from app.store.engine import Store
from app.workers.announce_model import announce_model
from app.workers.answer import AnswerQuestion
from app.workers.draft import DraftStudy
from app.workers.fill_embeddings import fill_embeddings
from app.workers.models_on_demand import ModelOnDemand
from app.workers.runtime import Worker
from janus_med.checkpoint import MANIFEST, bundled_folder
from janus_med.decoding import Decoder
from tests.conftest import need
from tests.ui.seed import add_people
from tests.workers.conftest import depth, run_worker, wait_until
from tests.workers.stories import now, receive

WORKER = service_actor("drafting")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, retry_seconds=(0, 0), stalled_seconds=2)


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with Decoder() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def bundled() -> ModelOnDemand:
    need((bundled_folder() / MANIFEST).is_file(), "the bundled model (janus-med model train --preset tiny)")
    return ModelOnDemand(None, "cpu")


@pytest.fixture
def ada(store: Store) -> Actor:
    add_people(store, now=now())
    with store.begin() as tx:
        user = tx.users.by_username("ada")
    assert user is not None
    return user.act(source="127.0.0.1", session_id=None)


def answering(store: Store, settings: Settings, model: ModelOnDemand, decoder: Decoder) -> AnswerQuestion:
    return AnswerQuestion(store, WORKER, model, decoder, settings.spool_dir / "objects")


def put(store: Store, ada: Actor, study_uid: str, question: str) -> int:
    open_study(store, ada, study_uid, now=now())
    return ask(store, ada, study_uid, question, now=now()).question_id


def ended(store: Store, ada: Actor, study_uid: str) -> list[Question]:
    return list(questions_of(store, ada, study_uid, now=now()))


@pytest.mark.slow
@pytest.mark.covers("O1")
def test_bundled_model_answers_about_the_film_with_a_region_in_its_pixels(
    store: Store,
    settings: Settings,
    decoder: Decoder,
    bundled: ModelOnDemand,
    ada: Actor,
    chest_radiograph: Path,
) -> None:
    study_uid = receive(store, settings, chest_radiograph)
    drafting = DraftStudy(store, WORKER, bundled, decoder, settings.spool_dir / "objects")
    drafting.run(study_uid=study_uid, revision=1)
    asked = ("Is there a pneumothorax?", "Where is the opacity?", "How old is the patient?")
    for question in asked:
        put(store, ada, study_uid, question)
    tasks = [answering(store, settings, bundled, decoder), drafting]
    with run_worker(Worker(store, settings, WORKER, tasks)):
        wait_until(lambda: depth(store) == (0, 0))
    pneumothorax, opacity, age = ended(store, ada, study_uid)
    with store.begin() as tx:
        [instance] = tx.studies.instances(study_uid, up_to_revision=1)
        report = tx.reports.of_revision(study_uid, 1)
        embedding = tx.embeddings.of_study(study_uid)
    assert report is not None
    assert pneumothorax.answer is not None
    assert (pneumothorax.state, pneumothorax.answer.finding) == (QuestionState.ANSWERED, "Pneumothorax")
    assert pneumothorax.answer.probability is not None
    assert pneumothorax.answer.sop_uid == instance.sop_uid
    assert pneumothorax.model_name == report.ai_model
    assert opacity.answer is not None
    assert opacity.answer.decision == "present"
    assert {region.finding for region in opacity.answer.regions} == {"Lung Opacity"}
    for region in opacity.answer.regions:
        x0, y0, x1, y1 = region.box
        assert 0 <= x0 < x1 <= (instance.columns or 0)
        assert 0 <= y0 < y1 <= (instance.rows or 0)
    assert age.answer is not None
    assert (age.state, age.answer.refused, age.answer.sop_uid) == (QuestionState.REFUSED, "person", "")
    # what was drafted can be compared with other studies
    assert embedding is not None
    vector = np.frombuffer(embedding.vector, dtype="<f4")
    assert vector.shape == (128,)
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.slow
def test_study_that_the_model_does_not_read_has_no_answer_and_says_why(
    store: Store,
    settings: Settings,
    decoder: Decoder,
    bundled: ModelOnDemand,
    ada: Actor,
    leg_radiograph: Path,
) -> None:
    study_uid = receive(store, settings, leg_radiograph)
    number = put(store, ada, study_uid, "Is there a nodule?")
    answering(store, settings, bundled, decoder).run(question_id=number, study_uid=study_uid)
    [question] = ended(store, ada, study_uid)
    assert question.state is QuestionState.FAILED
    assert "not a frontal chest radiograph" in question.reason


@pytest.mark.covers("P5")
def test_worker_without_a_model_says_so_at_once_and_alarms_nobody(
    store: Store, settings: Settings, decoder: Decoder, ada: Actor, chest_radiograph: Path
) -> None:
    study_uid = receive(store, settings, chest_radiograph)
    put(store, ada, study_uid, "Normal?")
    task = answering(store, settings, ModelOnDemand(settings.data_dir / "nowhere", "cpu"), decoder)
    with run_worker(Worker(store, settings, WORKER, [task])):
        wait_until(lambda: ended(store, ada, study_uid)[0].state is not QuestionState.PENDING)
    [question] = ended(store, ada, study_uid)
    assert question.state is QuestionState.FAILED
    assert question.reason.startswith("no AI model: ")
    admin = Actor("adam", "Adam", Role.ADMIN, "127.0.0.1")
    assert dead_letters(store, admin, now=now()) == []


@pytest.mark.slow
@pytest.mark.covers("T25")
def test_stopped_model_is_not_even_asked(
    store: Store, settings: Settings, decoder: Decoder, ada: Actor, chest_radiograph: Path
) -> None:
    model = ModelOnDemand(None, "cpu", partial(announce_model, store, WORKER))
    need(model.load() is not None, "the bundled model (janus-med model train --preset tiny)")
    ai_models.stop_model(store, ada, 1, "wrong answers", now=now())
    study_uid = receive(store, settings, chest_radiograph)
    number = put(store, ada, study_uid, "Normal?")
    shutil.rmtree(settings.spool_dir / "objects")  # an image that is opened would be another reason
    answering(store, settings, model, decoder).run(question_id=number, study_uid=study_uid)
    [question] = ended(store, ada, study_uid)
    assert question.reason.endswith("is stopped")


@pytest.mark.slow
def test_image_that_is_gone_is_a_reason_and_no_failure_of_the_worker(
    store: Store,
    settings: Settings,
    decoder: Decoder,
    bundled: ModelOnDemand,
    ada: Actor,
    chest_radiograph: Path,
) -> None:
    study_uid = receive(store, settings, chest_radiograph)
    number = put(store, ada, study_uid, "Is there a nodule?")
    shutil.rmtree(settings.spool_dir / "objects")
    answering(store, settings, bundled, decoder).run(question_id=number, study_uid=study_uid)
    [question] = ended(store, ada, study_uid)
    assert question.state is QuestionState.FAILED
    assert question.reason


@pytest.mark.slow
def test_older_draft_gets_the_embedding_that_its_drafting_would_have_given(
    store: Store, settings: Settings, decoder: Decoder, bundled: ModelOnDemand, chest_radiograph: Path
) -> None:
    study_uid = receive(store, settings, chest_radiograph)
    drafting = DraftStudy(store, WORKER, bundled, decoder, settings.spool_dir / "objects")
    drafting.run(study_uid=study_uid, revision=1)
    with store.begin() as tx:
        made = tx.embeddings.of_study(study_uid)
        tx.session.execute(text("DELETE FROM draft_embeddings"))
    assert made is not None
    assert list(fill_embeddings(settings, store)) == [(study_uid, True)]
    with store.begin() as tx:
        filled = tx.embeddings.of_study(study_uid)
    assert filled is not None
    assert filled.space == made.space
    vectors = [np.frombuffer(one.vector, dtype="<f4") for one in (made, filled)]
    assert vectors[0] @ vectors[1] == pytest.approx(1.0, abs=1e-4)
    assert list(fill_embeddings(settings, store)) == []
