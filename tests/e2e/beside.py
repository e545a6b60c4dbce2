"""What stands beside a study: an earlier one with its report, a worker that answers, signed studies alike."""

from __future__ import annotations

import array
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.domain.access import service_actor
from app.domain.embedding import StudyEmbedding
from app.domain.prior import FoundStudy
from app.services.editing import accept_sentence
from app.services.priors import record_attached, record_found
from app.services.reading import open_study
from app.services.signing import sign
from app.workers.answer import AnswerQuestion
from app.workers.models_on_demand import ModelOnDemand
from app.workers.runtime import Worker
from janus_med.decoding import Decoder
from tests.e2e.reading_room import House
from tests.ui import seed
from tests.workers.conftest import run_worker

FETCHING = service_actor("housekeeping")
EARLIER = (
    "FINDINGS\nNo pulmonary nodule. Small left pleural effusion. The heart is not enlarged. "
    "No pneumothorax.\nIMPRESSION\nSmall left pleural effusion."
)


def put_prior(
    house: House, study_uid: str, name: str, *, date: str = "20250114", report: str = EARLIER
) -> str:
    """Bring in an earlier film of the patient beside a study; return its UID."""
    with house.store.begin() as tx:
        patient = tx.studies.get(study_uid).patient
    received = house.send(
        name, "RG1_UNCR.dcm", patient_id=patient.patient_id, patient_name=patient.name, study_date=date
    )
    attach_prior(house, study_uid, received.study_uid, date=date, report=report)
    return received.study_uid


def attach_prior(
    house: House, study_uid: str, prior_uid: str, *, date: str = "20250114", report: str = EARLIER
) -> None:
    """Make a study that is here an earlier one of a study."""
    found = FoundStudy(prior_uid, date, "", "Chest PA", ("CR",), 1)
    now = seed.now_utc()
    for prior in record_found(house.store, FETCHING, study_uid, [found], source="PACS", now=now):
        if prior.prior_uid == prior_uid:
            record_attached(house.store, FETCHING, prior, report_text=report, now=now)


def embed(house: House, study_uid: str, degrees: float) -> None:
    """Keep an embedding of a drafted study, so many degrees from all others."""
    angle = math.radians(degrees)
    vector = StudyEmbedding("space", array.array("f", (math.cos(angle), math.sin(angle))).tobytes())
    with house.store.begin() as tx:
        [draft] = tx.reports.drafts.of_revision(study_uid, 1)
        tx.embeddings.put(draft.draft_id, study_uid, vector, now=seed.now_utc())


def sign_as_otto(house: House, study_uid: str) -> None:
    """Accept every sentence of a draft and sign it."""
    now = seed.now_utc()
    with house.store.begin() as tx:
        user = tx.users.by_username("otto")
    assert user is not None
    otto = user.act(source="127.0.0.1", session_id=None)
    report = open_study(house.store, otto, study_uid, now=now).report
    assert report is not None
    for sentence in report.sentences:
        report = accept_sentence(house.store, otto, report.report_id, sentence.key, now=now)
    sign(
        house.store,
        otto,
        report.report_id,
        version=report.version,
        password=seed.PASSWORD,
        destinations=[("PACS", "report_sr")],
        now=now,
    )


@contextmanager
def answering_worker(house: House) -> Iterator[None]:
    """Run what answers questions, with the bundled model, until the block ends."""
    settings, worker = house.room.settings, service_actor("drafting")
    with Decoder() as decoder:
        model = ModelOnDemand(None, "cpu")
        objects = Path(settings.spool_dir) / "objects"
        task = AnswerQuestion(house.store, worker, model, decoder, objects)
        with run_worker(Worker(house.store, settings, worker, [task])):
            yield
