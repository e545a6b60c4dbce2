"""Completion: once, not before the quiet time, never while a sender is at it, in any order of images."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.study import StudyState
from app.services.assembly import complete_due_studies
from app.services.drafting import record_draft, take_order
from app.services.reading import open_study
from tests.unit.services.conftest import NOW, QUIET, WORKER, House, draft_of, image, uid


@pytest.mark.covers("L11")
def test_a_study_is_completed_once_when_it_has_been_quiet(house: House) -> None:
    house.receive(image())
    assert house.complete(now=NOW + QUIET - timedelta(milliseconds=1)) == ()
    assert house.complete(now=NOW + QUIET) == (uid("s1"),)
    assert house.complete(now=NOW + 2 * QUIET) == ()
    assert house.jobs("draft_study") == [{"study_uid": uid("s1"), "revision": 1}]
    assert len(house.log("study completed")) == 1


@pytest.mark.covers("L11")
@pytest.mark.parametrize(("modality", "seconds"), [("CR", 10), ("DX", 10), ("CT", 60), ("US", 60)])
def test_each_modality_has_its_quiet_time(house: House, modality: str, seconds: int) -> None:
    house.receive(image(modality=modality))

    def complete_after(waited: float) -> tuple[str, ...]:
        at = NOW + timedelta(seconds=waited)
        return complete_due_studies(house.store, open_studies=frozenset(), quiet=None, now=at)

    assert complete_after(seconds - 0.001) == ()
    assert complete_after(seconds) == (uid("s1"),)


@pytest.mark.covers("L11")
def test_a_study_is_never_completed_while_an_association_carries_it(house: House) -> None:
    house.receive(image("s1"), image("s2"))
    late = NOW + timedelta(hours=3)
    for _ in range(3):
        done = complete_due_studies(house.store, open_studies=frozenset({uid("s1")}), quiet=QUIET, now=late)
        assert uid("s1") not in done
    assert house.study("s2").state is StudyState.COMPLETE
    assert house.complete(now=late) == (uid("s1"),)


@pytest.mark.covers("L11")
def test_a_study_is_complete_at_once_when_all_announced_instances_are_here(house: House) -> None:
    house.receive(image(number=1, expected_count=2))
    assert house.complete(now=NOW) == ()
    house.receive(image(number=1, expected_count=2))
    assert house.complete(now=NOW) == ()
    house.receive(image(number=2))
    carried = frozenset({uid("s1")})
    assert complete_due_studies(house.store, open_studies=carried, quiet=QUIET, now=NOW) == ()
    assert house.complete(now=NOW) == (uid("s1"),)
    assert house.complete(now=NOW + QUIET) == ()
    assert len(house.log("study completed")) == 1


@pytest.mark.covers("L11", "L12")
def test_an_announced_number_that_was_too_small_completes_nothing_more(house: House) -> None:
    house.receive(image(number=1, expected_count=1))
    assert house.complete(now=NOW) == (uid("s1"),)
    house.receive(image(number=2, expected_count=1))
    assert house.study().revision == 2
    assert house.complete(now=NOW + QUIET / 2) == ()
    assert house.complete(now=NOW + QUIET) == (uid("s1"),)


@pytest.mark.covers("L11")
@pytest.mark.parametrize("announced", [0, -1, 2**31, None])
def test_a_senseless_number_of_instances_announces_nothing(house: House, announced: int | None) -> None:
    house.receive(image(expected_count=announced))
    assert house.study().expected_count is None
    assert house.complete(now=NOW) == ()
    assert house.complete(now=NOW + QUIET) == (uid("s1"),)


@pytest.mark.covers("L11")
def test_the_largest_announced_number_counts(house: House) -> None:
    house.receive(image(number=1, expected_count=3), image(number=2, expected_count=2))
    assert house.study().expected_count == 3
    assert house.complete(now=NOW) == ()


@pytest.mark.covers("L11")
def test_processes_that_complete_at_the_same_time_order_one_draft(house: House) -> None:
    for number in range(20):
        house.receive(image(f"s{number}"))
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: house.complete(), range(6)))
    assert sorted(study for completed in done for study in completed) == sorted(
        uid(f"s{n}") for n in range(20)
    )
    assert len(house.jobs("draft_study")) == len(house.log("study completed")) == 20


def test_state_job_and_audit_entry_come_together_or_not_at_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.store.work_queue import WorkQueue

    house.receive(image())

    def broken(*_: object, **__: object) -> bool:
        raise RuntimeError("the queue is gone")

    monkeypatch.setattr(WorkQueue, "defer", broken)
    with pytest.raises(RuntimeError):
        house.complete()
    assert house.study().state is StudyState.RECEIVING
    assert house.log("study completed") == []


@pytest.mark.covers("T10", "L12")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("orders", "patients"), [(6, 4), pytest.param(120, 2, marks=pytest.mark.slow)], ids=["quick", "long"]
)
def test_shuffled_and_interleaved_images_always_reach_their_own_study(
    house: House, orders: int, patients: int
) -> None:
    """Studies of several patients, two senders, random orders, completions and drafts in between."""
    rng = random.Random(20261122)
    for order in range(orders):
        names = [f"{order}-{n}" for n in range(patients)]
        images = [image(name, n) for name in names for n in (1, 2, 3)]
        rng.shuffle(images)
        half = len(images) // 2
        at = NOW
        for start in range(0, half, 2):
            at += timedelta(seconds=rng.choice((1, 1, 11)))
            house.receive(*images[start : start + 2], *images[half + start : half + start + 2], now=at)
            for name in house.complete(now=at + QUIET) if rng.random() < 0.3 else ():
                _draft_everything(house, name)
        for study_uid in house.complete(now=at + 2 * QUIET):
            _draft_everything(house, study_uid)
        for name in names:
            study = house.study(name)
            assert (study.state, study.instance_count) == (StudyState.DRAFTED, 3)
            review = open_study(house.store, house["viewer"], uid(name), now=at)
            assert {i.sop_uid for i in review.instances} == {uid(name, "image", n) for n in (1, 2, 3)}
            assert review.draft is not None
            assert set(review.draft.content.provenance["sop_instance_uids"]) == {
                i.sop_uid for i in review.instances
            }
            current = f"study_uid = '{uid(name)}' AND superseded_at IS NULL"
            assert house.count("drafts", current) == 1


def _draft_everything(house: House, study_uid: str) -> None:
    """Draft a study from exactly the images that the order names."""
    with house.store.begin() as tx:
        revision = tx.studies.get(study_uid).revision
    order = take_order(house.store, study_uid, revision)
    assert order is not None
    sop_uids = [instance.sop_uid for instance in order.instances]
    content = draft_of()
    region = {"sop_instance_uid": sop_uids[0], "box": [0, 0, 1, 1], "score": 0.5}
    content = replace(
        content,
        findings=(),
        sentences=tuple({**s, "region": region} for s in content.sentences),
        provenance={"sop_instance_uids": sop_uids},
    )
    assert record_draft(
        house.store, WORKER, study_uid=study_uid, revision=revision, content=content, now=NOW + QUIET
    )
