"""Earlier studies beside a current one, below the screen and without an archive.

Covered: what is recorded and audited, what arrives as a prior and is not read as a new study, our own signed
text. Not covered: the archive (`tests/e2e/test_priors.py`), relevance (`tests/unit/test_priors.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.access import service_actor
from app.domain.audit import AuditEvent, AuditFilter
from app.domain.prior import FoundStudy, PriorState
from app.domain.study import StudyState
from app.services.assembly import complete_due_studies
from app.services.intake import index_instances
from app.services.priors import load_priors_order, record_attached, record_found, record_unavailable
from app.store.engine import Store
from tests.unit.services.conftest import NOW, House, image, uid

ACTOR = service_actor("housekeeping")
LATER = NOW + timedelta(hours=1)


def found(name: str) -> FoundStudy:
    return FoundStudy(uid(name), "20250101", "", "CHEST", ("CR",), 1)


def events(store: Store) -> list[str]:
    with store.begin() as tx:
        return [entry.event for entry in tx.audit.select(AuditFilter(), limit=100)]


def test_completion_orders_the_search_only_where_there_is_an_archive(store: Store):
    index_instances(store, [image("a"), image("b")], now=NOW)
    complete_due_studies(store, open_studies=frozenset(), quiet=timedelta(0), now=LATER)
    with store.begin() as tx:
        assert [queue.queue for queue in tx.work.queue_depths() if queue.waiting] == ["draft"]
    index_instances(store, [image("c")], now=NOW)
    complete_due_studies(store, open_studies=frozenset(), quiet=timedelta(0), now=LATER, with_priors=True)
    with store.begin() as tx:
        waiting = {queue.queue: queue.waiting for queue in tx.work.queue_depths()}
    assert waiting == {"draft": 3, "housekeeping": 1}


def test_search_knows_the_patients_studies_and_nobody_elses(store: Store):
    mine = {"patient_id": "P7", "issuer": "HOSPITAL"}
    received = [
        replace(image("now"), **mine),
        replace(image("before"), **mine),
        replace(image("without issuer"), patient_id="P7", issuer=""),
        replace(image("other issuer"), patient_id="P7", issuer="ELSEWHERE"),
        image("stranger"),
    ]
    index_instances(store, received, now=NOW)
    order = load_priors_order(store, uid("now"))
    assert {study.study_uid for study in order.known} == {
        uid("now"),
        uid("before"),
        uid("without issuer"),
    }
    assert all(study.instances == 1 for study in order.known)


def test_wanted_prior_is_kept_and_never_drafted_or_completed(store: Store):
    index_instances(store, [image("now")], now=NOW)
    record_found(store, ACTOR, uid("now"), [found("before")], source="PACS", now=NOW)
    index_instances(store, [image("before"), image("before", 2)], now=NOW)
    complete_due_studies(store, open_studies=frozenset(), quiet=timedelta(0), now=LATER)
    with store.begin() as tx:
        prior = tx.studies.get(uid("before"))
        instances = tx.studies.instances(uid("before"), up_to_revision=prior.revision)
        drafts = sum(queue.waiting for queue in tx.work.queue_depths())
    assert (prior.state, prior.reason) == (
        StudyState.EXCLUDED,
        "fetched as an earlier study of a patient",
    )
    assert len(instances) == 2
    assert drafts == 1


def test_each_step_is_on_record_and_nothing_attached_is_lost(store: Store):
    index_instances(store, [image("now")], now=NOW)
    first, second = record_found(store, ACTOR, uid("now"), [found("p1"), found("p2")], source="PACS", now=NOW)
    record_attached(store, ACTOR, first, report_text="No effusion.\x00", now=NOW)
    record_unavailable(store, ACTOR, uid("now"), "PACS cannot be reached", now=NOW)
    again = record_found(store, ACTOR, uid("now"), [found("p2"), found("p1")], source="PACS", now=LATER)
    assert [(p.prior_uid, p.state) for p in again] == [
        (second.prior_uid, PriorState.WANTED),
        (first.prior_uid, PriorState.ATTACHED),
    ]
    assert again[1].report_text == "No effusion."
    assert again[0].reason == "PACS cannot be reached"
    assert events(store)[:4] == [
        AuditEvent.PRIORS_FOUND,
        AuditEvent.PRIORS_FAILED,
        AuditEvent.PRIOR_ATTACHED,
        AuditEvent.PRIORS_FOUND,
    ]


def test_text_that_was_signed_here_counts_before_the_archives(house: House):
    house.signed("before")
    index_instances(house.store, [image("now")], now=NOW)
    [prior] = record_found(house.store, ACTOR, uid("now"), [found("before")], source="PACS", now=NOW)
    record_attached(house.store, ACTOR, prior, report_text="another text", now=NOW)
    with house.store.begin() as tx:
        [kept] = tx.priors.of_study(uid("now"))
    assert kept.report_text.startswith("FINDINGS\n")
    assert "another text" not in kept.report_text


@pytest.mark.covers("U6")
def test_without_an_archive_the_studies_that_are_here_stand_beside_the_new_one(store: Store):
    person = {"patient_id": "P9", "issuer": "HOSPITAL"}
    films = [
        replace(image("oldest"), study_date="20200101", **person),
        replace(image("latest"), study_date="20250101", **person),
        replace(image("future"), study_date="20990101", **person),
        replace(image("stranger"), study_date="20250101"),
        replace(image("now"), study_date="20260101", **person),
    ]
    index_instances(store, films, now=NOW)
    complete_due_studies(store, open_studies=frozenset(), quiet=timedelta(0), now=LATER)
    with store.begin() as tx:
        priors = tx.priors.of_study(uid("now"))
        [entry] = [
            e for e in tx.audit.stream(AuditFilter(study_uid=uid("now"))) if e.event == "priors looked for"
        ]
    assert [(prior.prior_uid, prior.state) for prior in priors] == [
        (uid("latest"), PriorState.ATTACHED),
        (uid("oldest"), PriorState.ATTACHED),
    ]
    assert entry.detail == {"source": "here", "chosen": [uid("latest"), uid("oldest")]}
