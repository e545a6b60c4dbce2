"""The drafting worker around the model: no study waits for a model that is not there.

Covered: missing and altered models, images that cannot be drafted, races, worker's end of the bargain.
Not covered: what the model says (`tests/model`), a worker that is killed (`tests/faults`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from app.domain.access import Actor, Role, service_actor
from app.domain.errors import Rejected
from app.domain.study import Study, StudyState
from app.domain.waiting_draft import DraftStep, WaitingDraft
from app.domain.work import draft_lock
from app.services import ai_models
from app.services.counting import Reporter
from app.services.work import dead_letters, retry_dead_letter
from app.settings import Settings
from app.store.draft_queue import DRAFTING
from app.store.engine import Store
from app.workers.announce_model import announce_model, read_card
from app.workers.draft import DraftStudy, ModelOnDemand
from app.workers.progress import Progress
from app.workers.runtime import Worker
from janus_med.checkpoint import DIGESTED, FORMAT, MANIFEST, bundled_folder
from janus_med.decoding import Decoder
from tests.conftest import need
from tests.workers.conftest import depth, run_worker, wait_until
from tests.workers.stories import now, receive

ACTOR = service_actor("drafting")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, retry_seconds=(0, 0), stalled_seconds=2)


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with Decoder() as sandbox:
        yield sandbox


@pytest.fixture
def bundled() -> ModelOnDemand:
    need((bundled_folder() / MANIFEST).is_file(), "the bundled model (janus-med model train --preset tiny)")
    return ModelOnDemand(None, "cpu")


def study_of(store: Store, study_uid: str) -> Study:
    with store.begin() as unit:
        return unit.studies.get(study_uid)


def drafting(store: Store, settings: Settings, model: ModelOnDemand, decoder: Decoder) -> DraftStudy:
    return DraftStudy(store, ACTOR, model, decoder, settings.spool_dir / "objects")


def altered_model(folder: Path) -> Path:
    """Write a folder whose manifest does not match one of its files."""
    folder.mkdir()
    files = {}
    for name in DIGESTED:
        (folder / name).write_bytes(b"{}")
        files[name] = {"sha256": hashlib.sha256(b"{}").hexdigest(), "bytes": 2}
    first = next(iter(DIGESTED))
    (folder / first).write_bytes(b"[]")
    manifest = {"format": FORMAT, "id": "altered", "preset": "nano", "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


@pytest.mark.covers("P5", "T23")
@pytest.mark.parametrize("kind", ["missing", "altered"])
def test_study_is_open_to_its_readers_when_the_model_cannot_be_loaded(
    kind: str, store: Store, settings: Settings, decoder: Decoder, tmp_path: Path, chest_radiograph: Path
) -> None:
    folder = tmp_path / "nowhere" if kind == "missing" else altered_model(tmp_path / "altered")
    study_uid = receive(store, settings, chest_radiograph)
    task = drafting(store, settings, ModelOnDemand(folder, "cpu"), decoder)
    with run_worker(Worker(store, settings, ACTOR, [task])):
        wait_until(lambda: depth(store) == (0, 0))
    study = study_of(store, study_uid)
    assert study.state is StudyState.UNDRAFTED
    assert study.reason.startswith("model unavailable: ")
    [letter] = dead_letters(store, ACTOR, now=now())
    assert (letter.study_uid, letter.reason) == (study_uid, study.reason)


@dataclass
class Watched(Progress):
    """Reports at every step, and keeps what a list shows of the study then."""

    reporter: Reporter | None = None
    lock: str = ""
    seen: list[WaitingDraft] = field(default_factory=list)

    def at(self, step: DraftStep) -> None:
        super().at(step)
        assert self.reporter is not None
        self.reporter.report(now=now())
        with self.reporter._connect().begin() as unit:
            self.seen.append(unit.draft_queue.waiting([self.lock], now=now())[self.lock])


@pytest.mark.slow
@pytest.mark.covers("P3", "P5", "U1")
def test_retry_drafts_the_study_when_the_model_is_back(
    store: Store, settings: Settings, decoder: Decoder, bundled: ModelOnDemand, chest_radiograph: Path
) -> None:
    study_uid = receive(store, settings, chest_radiograph)
    missing = drafting(store, settings, ModelOnDemand(settings.data_dir / "nowhere", "cpu"), decoder)
    with run_worker(Worker(store, settings, ACTOR, [missing])):
        wait_until(lambda: bool(dead_letters(store, ACTOR, now=now())))
    [letter] = dead_letters(store, ACTOR, now=now())
    retry_dead_letter(store, ACTOR, letter.dead_letter_id, now=now())
    progress = Watched(lock=draft_lock(study_uid, 1))
    progress.reporter = Reporter(DRAFTING, lambda: store, gauges=progress.gauges)
    present = replace(drafting(store, settings, bundled, decoder), progress=progress)
    patient = settings.model_copy(update={"stalled_seconds": 60})  # loading holds the interpreter
    progress.worker = Worker(store, patient, ACTOR, [present])
    with run_worker(progress.worker):
        wait_until(lambda: study_of(store, study_uid).state is StudyState.DRAFTED)
    assert [waiting.step for waiting in progress.seen] == [
        DraftStep.ORDER,
        DraftStep.MODEL,
        DraftStep.IMAGES,
        DraftStep.IMAGES,
        DraftStep.READING,
        DraftStep.STORING,
    ]
    assert all(waiting.works and waiting.since is not None for waiting in progress.seen)


@pytest.mark.slow
@pytest.mark.covers("P6")
def test_chest_radiograph_gets_a_draft_that_says_where_it_comes_from(
    store: Store, settings: Settings, decoder: Decoder, bundled: ModelOnDemand, chest_radiograph: Path
) -> None:
    study_uid = receive(store, settings, chest_radiograph)
    drafting(store, settings, bundled, decoder).run(study_uid=study_uid, revision=1)
    assert study_of(store, study_uid).state is StudyState.DRAFTED
    with store.begin() as unit:
        report = unit.reports.of_revision(study_uid, 1)
        assert report is not None
        draft = unit.reports.drafts.get(report.draft_id)
        [instance] = unit.studies.instances(study_uid, up_to_revision=1)
    assert draft is not None
    assert set(draft.content.model) >= {"id", "preset", "weights_sha256", "adapters_sha256"}
    assert draft.content.provenance["sop_instance_uids"] == [instance.sop_uid]
    assert set(draft.content.provenance) >= {"preprocessing_sha256", "seed"}
    assert report.sentences


@pytest.mark.slow
@pytest.mark.covers("P5")
def test_study_out_of_scope_is_no_failure(
    store: Store, settings: Settings, decoder: Decoder, bundled: ModelOnDemand, leg_radiograph: Path
) -> None:
    study_uid = receive(store, settings, leg_radiograph)
    with run_worker(Worker(store, settings, ACTOR, [drafting(store, settings, bundled, decoder)])):
        wait_until(lambda: study_of(store, study_uid).state is StudyState.UNDRAFTED)
        wait_until(lambda: depth(store) == (0, 0))
    assert "frontal chest radiograph" in study_of(store, study_uid).reason
    assert dead_letters(store, ACTOR, now=now()) == []


@pytest.mark.slow
@pytest.mark.covers("P3")
def test_second_of_two_racing_workers_changes_nothing(
    store: Store, settings: Settings, decoder: Decoder, bundled: ModelOnDemand, leg_radiograph: Path
) -> None:
    study_uid = receive(store, settings, leg_radiograph)
    task = drafting(store, settings, bundled, decoder)
    task.run(study_uid=study_uid, revision=1)
    with store.begin() as unit:
        before, head = unit.reports.of_revision(study_uid, 1), unit.audit.head()
    task.run(study_uid=study_uid, revision=1)
    with store.begin() as unit:
        assert (unit.reports.of_revision(study_uid, 1), unit.audit.head()) == (before, head)


@pytest.mark.slow
@pytest.mark.covers("T25", "P6")
def test_stopped_model_reads_no_image_and_drafts_again_when_it_may(
    store: Store,
    settings: Settings,
    decoder: Decoder,
    chest_radiograph: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = ModelOnDemand(None, "cpu", partial(announce_model, store, ACTOR))
    need(model.load() is not None, "the bundled model (janus-med model train --preset tiny)")
    with store.begin() as unit:
        [known] = unit.ai_models.every()
    assert known.card == read_card(bundled_folder())
    assert known.card.startswith(f"# {known.identity.model_id}")
    admin = Actor("admin", "Admin", Role.ADMIN, "test")
    ai_models.stop_model(store, admin, known.number, "invents nodules", now=now())
    study_uid = receive(store, settings, chest_radiograph)
    task = drafting(store, settings, model, decoder)
    with monkeypatch.context() as patch:
        patch.setattr("janus_med.drafting.draft_study", lambda *_, **__: pytest.fail("it was asked"))
        with run_worker(Worker(store, settings, ACTOR, [task])):
            wait_until(lambda: study_of(store, study_uid).state is StudyState.UNDRAFTED)
            wait_until(lambda: depth(store) == (0, 0))
    assert study_of(store, study_uid).reason == f"the AI model {known.identity.name} is stopped"
    assert dead_letters(store, ACTOR, now=now()) == []
    assert ai_models.resume_model(store, admin, known.number, now=now()) == 1
    with run_worker(Worker(store, settings, ACTOR, [task])):
        wait_until(lambda: study_of(store, study_uid).state is StudyState.DRAFTED)


def test_model_folder_without_a_card_is_no_failure(tmp_path: Path) -> None:
    assert read_card(tmp_path) == ""


def test_model_that_came_back_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import app.workers.models_on_demand as module

    model = ModelOnDemand(tmp_path / "nowhere", "cpu")
    assert model.load() is None
    first = model.problem
    altered_model(tmp_path / "nowhere")
    assert model.load() is None
    assert model.problem == first
    monkeypatch.setattr(module, "_ASK_AGAIN_SECONDS", -1.0)
    assert model.load() is None
    assert model.problem != first


@pytest.mark.covers("P5")
def test_given_up_job_opens_the_study_with_the_reason(
    store: Store, settings: Settings, decoder: Decoder, tmp_path: Path, leg_radiograph: Path
) -> None:
    study_uid = receive(store, settings, leg_radiograph)
    task = drafting(store, settings, ModelOnDemand(tmp_path / "nowhere", "cpu"), decoder)
    with pytest.raises(Rejected, match="model unavailable"):
        task.run(study_uid=study_uid, revision=1)
    assert study_of(store, study_uid).state is StudyState.COMPLETE
    task.give_up("model unavailable: gone", study_uid=study_uid, revision=1)
    assert study_of(store, study_uid).reason == "model unavailable: gone"
