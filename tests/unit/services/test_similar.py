"""Similar signed studies: which are found, what of them is shown, who may ask whose they are.

Covered: ranking, what is left out, what the text loses, erasure while a process remembers, the memory bound.
Not covered: the model's embedding (`tests/workers/test_answer.py`), how alike its neighbours are
(`janus_med.evaluation.retrieval`).
"""

from __future__ import annotations

import array
import math
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.embedding import StudyEmbedding
from app.domain.errors import NotAuthorised, NotFound
from app.domain.patient_data import PatientKey
from app.domain.similar import SimilarStudies
from app.services import erasure, study_groups
from app.services.drafting import record_draft
from app.services.reading import accept_sentence, open_study
from app.services.signing import sign
from app.services.similar import EmbeddingCache, find_similar, name_similar
from app.services.withdrawal import withdraw
from tests.unit.services.conftest import NOW, PACS, PASSWORD, QUIET, WORKER, House, draft_of, image, uid

AT = NOW + QUIET


def at_angle(degrees: float, space: str = "space") -> StudyEmbedding:
    values = (math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    return StudyEmbedding(space, array.array("f", values).tobytes())


def draft(
    house: House, name: str, degrees: float, *, space: str = "space", text: str = "", **changes: Any
) -> None:
    house.receive(image(name, **changes))
    house.complete()
    assert record_draft(
        house.store,
        WORKER,
        study_uid=uid(name),
        revision=1,
        content=draft_of(name, **({"text": text} if text else {})),
        embedding=at_angle(degrees, space),
        now=AT,
    )


def signed(house: House, name: str, degrees: float, **changes: Any) -> None:
    draft(house, name, degrees, **changes)
    report = open_study(house.store, house["colleague"], uid(name), now=AT).report
    assert report is not None
    for sentence in report.sentences:
        report = accept_sentence(house.store, house["colleague"], report.report_id, sentence.key, now=AT)
    sign(
        house.store,
        house["colleague"],
        report.report_id,
        version=report.version,
        password=PASSWORD,
        destinations=[PACS],
        now=AT,
    )


@pytest.fixture
def current(house: House) -> str:
    draft(house, "s1", 0.0)
    open_study(house.store, house["attending"], uid("s1"), now=AT)
    return uid("s1")


def search(house: House, cache: EmbeddingCache | None = None, role: str = "attending") -> SimilarStudies:
    return find_similar(house.store, house[role], uid("s1"), cache or EmbeddingCache(), now=AT)


@pytest.mark.covers("A1")
def test_signed_studies_come_by_similarity_and_without_whose_they_are(house: House, current: str) -> None:
    words = "Nodule of Mrs. Near, A-99, seen by Dr. House on 2025-01-02, ID id-of-near; number 123456."
    signed(house, "far", 60.0)
    signed(house, "near", 10.0, text=words, accession_number="A-99", patient_name="Near^Nora")
    found = search(house)
    assert [round(one.similarity, 3) for one in found.studies] == [0.985, 0.5]
    near = found.studies[0]
    assert near.sections["findings"] == (
        "Nodule of Mrs. [name], [number], seen by Dr. [name] on [date], ID [number]; number [number]."
    )
    assert (near.age, near.sex, near.modality) == ("70-79", "F", "CR")
    shown = str(found)
    for secret in ("Near", "A-99", "id-of-near", "19500101", "20261122", uid("near"), "House"):
        assert secret not in shown
    [entry] = house.log("similar studies searched")
    assert (entry.detail["shown"], entry.detail["searched"]) == ([one.number for one in found.studies], 3)


def test_unsigned_withdrawn_and_other_models_studies_are_left_out(house: House, current: str) -> None:
    draft(house, "unsigned", 1.0)
    signed(house, "other model", 2.0, space="another")
    signed(house, "taken back", 3.0)
    signed(house, "kept", 40.0)
    with house.store.begin() as tx:
        number = tx.reports.summaries(uid("taken back"))[-1].report_id
        report = tx.reports.get(number)
    withdraw(
        house.store,
        house["colleague"],
        number,
        version=report.version,
        password=PASSWORD,
        reason="wrong patient",
        now=AT,
    )
    assert [round(one.similarity, 2) for one in search(house).studies] == [0.77]


def test_own_patients_other_studies_are_priors_and_not_similar_ones(house: House, current: str) -> None:
    signed(house, "mine", 1.0, patient_id="id-of-s1")
    assert search(house).studies == ()
    assert search(house).reason == "none"


@pytest.mark.covers("C2")
def test_what_the_reader_may_not_open_is_not_found_and_not_named(house: House, current: str) -> None:
    signed(house, "near", 10.0)
    [found] = search(house).studies
    admin = house["admin"]
    study_groups.add_group(house.store, admin, "staff", now=AT)
    study_groups.restrict_study(house.store, admin, uid("near"), ["staff"], "private", now=AT)
    assert search(house).studies == ()
    with pytest.raises(NotFound):
        name_similar(house.store, house["attending"], current, found.number, now=AT)


@pytest.mark.covers("A1", "C2")
def test_whose_it_is_takes_another_act_on_record(house: House, current: str) -> None:
    signed(house, "near", 10.0)
    [found] = search(house).studies
    assert name_similar(house.store, house["attending"], current, found.number, now=AT) == uid("near")
    [entry] = house.log("similar study asked for", study="near")
    assert (entry.username, entry.detail["beside"]) == ("attending", current)
    with pytest.raises(NotAuthorised):
        name_similar(house.store, house["colleague"], current, found.number, now=AT)
    with pytest.raises(NotAuthorised, match="may not find similar studies"):
        name_similar(house.store, house["viewer"], current, found.number, now=AT)


def test_study_without_an_embedding_says_so(house: House) -> None:
    house.drafted()
    open_study(house.store, house["attending"], uid("s1"), now=AT)
    assert search(house).reason == "undrafted"


def test_what_a_process_remembers_follows_the_database(house: House, current: str) -> None:
    cache = EmbeddingCache()
    signed(house, "first", 10.0)
    assert len(search(house, cache).studies) == 1
    signed(house, "second", 20.0)
    assert len(search(house, cache).studies) == 2
    erase(house, "first")
    assert house.count("draft_embeddings") == 2
    assert search(house, cache).searched == 2
    assert len(cache._kept["space"].vectors) == 2, "the vector of an erased patient stays in no memory"
    # one goes and one comes between two looks
    erase(house, "second")
    signed(house, "third", 30.0)
    assert [round(one.similarity, 2) for one in search(house, cache).studies] == [0.87]
    assert len(cache._kept["space"].vectors) == 2


def erase(house: House, name: str) -> None:
    with house.store.begin() as tx:
        tx.session.execute(text("DELETE FROM procrastinate_jobs"))
        tx.session.execute(text("DELETE FROM report_locks"))
        tx.session.execute(text("UPDATE deliveries SET state = 'CANCELLED'"))
    patient = PatientKey(f"id-of-{name}", "HOSPITAL")
    erasure.erase_patient(house.store, house["admin"], patient, "asked for it", now=AT)


def test_memory_is_bounded_and_the_oldest_are_left_out_aloud(house: House, current: str) -> None:
    for number, degrees in enumerate((10.0, 20.0, 30.0)):
        signed(house, f"n{number}", degrees)
    found = search(house, EmbeddingCache(memory_bytes=2 * 8))
    assert (found.searched, found.left_out) == (2, 2)
    assert [round(one.similarity, 2) for one in found.studies] == [0.94, 0.87]


def test_vector_that_is_none_is_not_kept_and_the_draft_is(house: House) -> None:
    house.receive(image("s1"))
    house.complete()
    bad = StudyEmbedding("space", array.array("f", (1.0, 1.0)).tobytes())
    assert record_draft(
        house.store, WORKER, study_uid=uid("s1"), revision=1, content=draft_of("s1"), embedding=bad, now=AT
    )
    assert (house.count("draft_embeddings"), house.count("drafts")) == (0, 1)


def test_second_draft_of_a_revision_takes_the_place_of_the_first(house: House, current: str) -> None:
    cache = EmbeddingCache()
    signed(house, "near", 10.0)
    assert search(house, cache).searched == 2
    with house.store.begin() as tx:
        draft_id = tx.reports.drafts.of_revision(uid("near"), 1)[0].draft_id
        tx.embeddings.put(draft_id, uid("near"), at_angle(50.0), now=AT)
    assert [round(one.similarity, 2) for one in search(house, cache).studies] == [0.64]
