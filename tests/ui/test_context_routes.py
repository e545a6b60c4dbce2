"""What stands beside a report, over HTTP: priors, changes, questions, similar studies; the panel they fill.

Not covered: the rules behind it (`tests/unit/services`), what the panel does in a browser (`tests/e2e`).
"""

from __future__ import annotations

import array
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.access import service_actor
from app.domain.embedding import StudyEmbedding
from app.domain.identifiers import derived_uid
from app.domain.prior import FoundStudy
from app.domain.question import Answer, AnswerRegion
from app.services.asking import record_answer
from app.services.editing import accept_sentence
from app.services.priors import record_attached, record_found
from app.services.reading import open_study
from app.services.signing import sign
from app.ui.csrf import CSRF_HEADER
from tests.ui import seed
from tests.ui.conftest import Browser, Hospital
from tests.ui.test_views import Page, page_of

__all__ = ["page_of"]
FETCHING = service_actor("housekeeping")
NODULE = "No nodule. Small left effusion."


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def study(hospital: Hospital) -> str:
    """A drafted film with an earlier one beside it, and its report of the archive."""
    current = hospital.chest(study_date="20260301", description="Chest PA").study_uid
    before = hospital.receive(
        "leg", study_uid=derived_uid("before"), sop_uid=derived_uid("image"), study_date="20250101"
    )
    found = FoundStudy(before.study_uid, "20250101", "", "Chest PA", ("CR",), 1)
    [prior] = record_found(hospital.store, FETCHING, current, [found], source="PACS", now=now())
    record_attached(hospital.store, FETCHING, prior, report_text=f"FINDINGS\n{NODULE}", now=now())
    return current


def reader(hospital: Hospital, study: str, username: str = "ada") -> Browser:
    token, actor = hospital.log_in(username)
    open_study(hospital.store, actor, study, now=now())
    return Browser(hospital, token)


@pytest.mark.covers("U6")
def test_prior_is_opened_with_its_images_and_report_and_then_its_pixels(
    hospital: Hospital, study: str
) -> None:
    ada, before = reader(hospital, study), derived_uid("before")
    image = derived_uid("image")
    assert ada.get(f"/pixels/{image}").status_code == 403
    answer = ada.post(f"/api/studies/{study}/priors/{before}/open")
    assert answer.status_code == 200
    shown = answer.json()
    assert {name: shown[name] for name in ("study", "title", "date", "modality")} == {
        "study": before,
        "title": "Chest PA",
        "date": "2025-01-01",
        "modality": "CR",
    }
    [picture] = shown["images"]
    assert (picture["sop"], picture["modality"]) == (image, "CR")
    assert picture["series"], "a stack is a series"
    assert NODULE in shown["report"]
    assert ada.get(f"/pixels/{image}").status_code == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda browser: browser.headers.pop(CSRF_HEADER), 403),
        (lambda browser: browser.cookies.clear(), 401),
        (lambda browser: None, 200),
    ],
)
def test_opening_a_prior_takes_a_session_and_its_token(
    hospital: Hospital, study: str, change: Callable[[Browser], Any], status: int
) -> None:
    ada = reader(hospital, study)
    change(ada)
    assert ada.post(f"/api/studies/{study}/priors/{derived_uid('before')}/open").status_code == status


def test_study_that_is_no_prior_is_not_found(hospital: Hospital, study: str) -> None:
    ada = reader(hospital, study)
    assert ada.post(f"/api/studies/{study}/priors/{study}/open").status_code == 404
    assert ada.post(f"/api/studies/{study}/priors/..%2f/open").status_code == 404


@pytest.mark.covers("U6")
def test_changes_name_both_sentences_with_their_dates(hospital: Hospital, study: str) -> None:
    ada = reader(hospital, study)
    told = ada.get(f"/api/studies/{study}/priors/{derived_uid('before')}/changes").json()
    assert (told["source"], told["nowDate"], told["thenDate"]) == ("archive", "2026-03-01", "2025-01-01")
    [nodule] = [change for change in told["changes"] if change["finding"] == "Lung Lesion"]
    assert (nodule["kind"], nodule["then"]["text"]) == ("new", "No nodule.")
    assert (nodule["now"]["key"], nodule["now"]["ai"]) == ("ai-1", True)


def test_question_is_asked_and_its_answer_is_told_with_model_and_region(
    hospital: Hospital, study: str
) -> None:
    ada = reader(hospital, study)
    asked = ada.post(f"/api/studies/{study}/questions", json={"text": "Where is the nodule?"})
    assert (asked.status_code, asked.json()["state"]) == (200, "PENDING")
    region = AnswerRegion("Lung Lesion", (1, 2, 3, 4), 0.5)
    sop = hospital.received["chest"].sop_uid
    answer = Answer("In the left lung.", "", "Lung Lesion", "present", 0.8, sop, (region,))
    record_answer(hospital.store, FETCHING, asked.json()["id"], answer, seed.MODEL, now=now())
    [told] = ada.get(f"/api/studies/{study}/questions").json()["questions"]
    assert (told["state"], told["by"], told["model"]) == (
        "ANSWERED",
        "Dr. Ada Attending",
        "janus-tiny (3f3f3f3f3f3f)",
    )
    assert told["answer"]["regions"] == [{"finding": "Lung Lesion", "box": [1, 2, 3, 4], "score": 0.5}]
    assert told["answer"]["sop"] == sop


@pytest.mark.parametrize(("text", "status"), [("", 422), ("x" * 201, 422), (7, 422), ("Normal?", 200)])
def test_question_is_bounded(hospital: Hospital, study: str, text: object, status: int) -> None:
    answer = reader(hospital, study).post(f"/api/studies/{study}/questions", json={"text": text})
    assert answer.status_code == status


def test_fourth_waiting_question_is_answered_with_when_to_come_back(hospital: Hospital, study: str) -> None:
    ada = reader(hospital, study)
    statuses = [
        ada.post(f"/api/studies/{study}/questions", json={"text": "Normal?"}).status_code for _ in range(4)
    ]
    assert statuses == [200, 200, 200, 429]


def test_viewer_neither_asks_nor_searches(hospital: Hospital, study: str) -> None:
    vera = reader(hospital, study, "vera")
    assert vera.post(f"/api/studies/{study}/questions", json={"text": "Normal?"}).status_code == 403
    assert vera.post(f"/api/studies/{study}/similar", json={}).status_code == 403
    assert vera.post(f"/api/studies/{study}/similar/1/open", json={}).status_code == 403


def test_similar_study_is_told_without_whose_it_is_and_named_when_asked(
    hospital: Hospital, study: str
) -> None:
    vector = StudyEmbedding("space", array.array("f", (0.6, 0.8)).tobytes())
    other = hospital.receive(
        "chest",
        study_uid=derived_uid("other"),
        sop_uid=derived_uid("o"),
        patient_id="P-2",
        patient_name="Near^N",
    )
    seed.record(hospital.store, other, seed.chest_draft(other), now=now())
    _, otto = hospital.log_in("otto")
    report = open_study(hospital.store, otto, other.study_uid, now=now()).report
    assert report is not None
    for sentence in report.sentences:
        report = accept_sentence(hospital.store, otto, report.report_id, sentence.key, now=now())
    sign(
        hospital.store,
        otto,
        report.report_id,
        version=report.version,
        password=seed.PASSWORD,
        destinations=[("PACS", "report_sr")],
        now=now(),
    )
    with hospital.store.begin() as tx:
        for uid in (study, other.study_uid):
            [draft] = tx.reports.drafts.of_revision(uid, 1)
            tx.embeddings.put(draft.draft_id, uid, vector, now=now())
    ada = reader(hospital, study)
    answer = ada.post(f"/api/studies/{study}/similar", json={})
    [found] = answer.json()["studies"]
    assert found["similarity"] == pytest.approx(1.0)
    assert "nodules" in found["findings"]
    assert not any(secret in answer.text for secret in ("P-2", "Near", other.study_uid))
    opened = ada.post(f"/api/studies/{study}/similar/{found['number']}/open", json={}).json()
    assert opened == {"study": other.study_uid}


@pytest.mark.covers("U6")
def test_panel_is_given_the_prior_with_its_report_and_why_it_is_relevant(
    hospital: Hospital, study: str, page_of: Callable[[str], Page]
) -> None:
    shown = page_of("ada").open(view="review", study=study).component("context")
    assert shown is not None
    [prior] = shown["priors"]
    assert (prior["date"], prior["modality"], prior["state"]) == ("2025-01-01", "CR", "ATTACHED")
    assert prior["report"] == [{"title": "FINDINGS", "text": NODULE}]
    assert {reason["why"] for reason in prior["because"]} == {"region", "kind", "first"}
    assert (shown["mayAsk"], shown["maySearch"], shown["comparisons"]) == (True, True, [])


def test_panel_of_a_viewer_offers_no_ai(
    hospital: Hospital, study: str, page_of: Callable[[str], Page]
) -> None:
    shown = page_of("vera").open(view="review", study=study).component("context")
    assert shown is not None
    assert (shown["mayAsk"], shown["maySearch"], len(shown["priors"])) == (False, False, 1)


@pytest.mark.covers("U6")
def test_draft_that_compares_without_a_prior_is_flagged_before_anybody_reads_it(
    hospital: Hospital, page_of: Callable[[str], Page]
) -> None:
    study = hospital.chest(lesion_text="The nodule is unchanged since the prior film.").study_uid
    shown = page_of("ada").open(view="review", study=study).component("context")
    assert shown is not None
    assert shown["comparisons"] == [
        {"key": "ai-1", "text": "The nodule is unchanged since the prior film.", "word": "unchanged"}
    ]
