"""Received instances become studies: once, in any order, and never under another patient's name.

Covered: idempotence, duplicates and conflicts, two patients under one StudyInstanceUID, late images, hostile
headers, racing batches. Not here: spool and association (tests/bridge), the intake thread (tests/workers).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.domain.errors import Conflict
from app.domain.report import ReportState
from app.domain.study import StudyState
from app.services.drafting import take_order
from app.services.intake import record_quarantine, record_rejected_association
from app.services.reading import open_study
from app.store.studies import Studies
from tests.unit.services.conftest import NOW, QUIET, House, draft_of, image, uid

LATER = NOW + timedelta(minutes=5)


@pytest.mark.covers("L9", "T11")
def test_a_batch_that_comes_again_changes_nothing(house: House) -> None:
    batch = [image("s1", number) for number in (1, 2, 3)]
    first = house.receive(*batch)
    before = house.log()
    again = house.receive(*batch, now=LATER)
    assert (first.indexed, first.duplicates, first.new_studies) == (3, 0, (uid("s1"),))
    assert (again.indexed, again.duplicates, again.new_studies) == (0, 3, ())
    assert house.log() == before
    assert house.study().last_instance_at == NOW


@pytest.mark.covers("L7", "T11")
def test_other_content_under_a_known_uid_is_quarantined_and_the_first_is_kept(house: House) -> None:
    first, second = image("s1", 1), image("s1", 1, sha256="f" * 64)
    report = house.receive(first, second)
    assert report.indexed == 1
    assert report.refusal_of(first.sop_uid, first.sha256) is None
    refusal = report.refusal_of(second.sop_uid, second.sha256)
    assert refusal is not None
    assert "other content" in refusal.reason
    assert house.count("instances", f"sha256 = '{first.sha256}'") == 1
    assert len(house.log("instance quarantined")) == 1


def test_a_quarantined_instance_is_reported_every_time_and_recorded_once(house: House) -> None:
    house.receive(image("s1", 1))
    for _ in range(3):
        assert house.receive(image("s1", 1, sha256="f" * 64)).quarantined[0][0] == uid("s1", "image", 1)
    assert house.count("quarantine") == 1
    assert len(house.log("instance quarantined")) == 1


@pytest.mark.covers("T10")
def test_another_patients_image_is_quarantined_and_the_study_goes_on(house: House) -> None:
    stranger = image("s1", 2, patient_id="somebody else", patient_name="Else^Somebody")
    report = house.receive(image("s1", 1), stranger, image("s1", 3))
    assert [sop_uid for sop_uid, _ in report.quarantined] == [stranger.sop_uid]
    assert report.indexed == 2
    assert house.complete() == (uid("s1"),)
    assert house.draft()
    review = open_study(house.store, house["attending"], uid("s1"), now=LATER)
    assert [i.sop_uid for i in review.instances] == [uid("s1", "image", 1), uid("s1", "image", 3)]
    (entry,) = house.log("instance quarantined")
    assert "Else" not in str(entry)


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({"issuer": ""}, True),
        ({"patient_name": "Name^S1^Marie"}, True),
        ({"issuer": "CLINIC"}, False),
        ({"patient_id": "other"}, False),
        ({"patient_id": ""}, False),
    ],
)
def test_patients_are_told_apart_by_id_and_issuer(house: House, changes: dict[str, str], taken: bool) -> None:
    report = house.receive(image("s1", 1), image("s1", 2, **changes))
    assert (not report.quarantined) is taken


def test_without_an_id_name_and_birth_date_tell_patients_apart(house: House) -> None:
    nobody = {"patient_id": "", "issuer": "", "patient_name": "Doe^Jane"}
    report = house.receive(
        image("s1", 1, **nobody),
        image("s1", 2, **nobody),
        image("s1", 3, **{**nobody, "patient_name": "Roe^Ann"}),
    )
    assert [sop_uid for sop_uid, _ in report.quarantined] == [uid("s1", "image", 3)]


def test_a_shared_patient_id_never_lends_a_study_another_name(house: House) -> None:
    for study, name in (("s1", "Doe^Jane"), ("s2", "Roe^Ann")):
        house.receive(image(study, 1, patient_id="", issuer="", patient_name=name))
    house.receive(image("s3", 1, patient_id="1", patient_name="Poe^Ed"), image("s4", 1, patient_id="1"))
    assert [house.study(s).patient.name for s in ("s1", "s2", "s3", "s4")] == [
        "Doe^Jane",
        "Roe^Ann",
        "Poe^Ed",
        "Name^S4",
    ]


@pytest.mark.covers("L12", "T10")
def test_a_late_image_opens_a_revision_and_supersedes_draft_and_report(house: House) -> None:
    study_uid = house.drafted()
    opened = open_study(house.store, house["attending"], study_uid, now=LATER)
    assert opened.report is not None
    report = house.receive(image("s1", 2), image("s1", 3), now=LATER)
    assert report.reopened == (study_uid,)
    study = house.study()
    assert (study.state, study.revision, study.completed_at) == (StudyState.RECEIVING, 2, None)
    assert house.report(opened.report.report_id).state is ReportState.SUPERSEDED
    assert house.count("drafts", "superseded_at IS NOT NULL") == 1
    assert house.count("report_locks") == 0
    (entry,) = house.log("report superseded")
    assert entry.detail["report_id"] == opened.report.report_id

    assert house.complete(now=LATER + QUIET) == (study_uid,)
    assert not house.draft(revision=1)
    assert house.draft(revision=2)
    again = open_study(house.store, house["attending"], study_uid, now=LATER)
    assert again.report is not None
    assert (again.report.revision, again.draft and again.draft.superseded_at) == (2, None)
    assert len(again.instances) == 3


@pytest.mark.covers("L12", "S4")
def test_a_late_image_never_alters_a_signed_report(house: House) -> None:
    signed = house.signed()
    house.receive(image("s1", 2), now=LATER)
    assert house.report(signed.report_id) == signed
    assert house.log("report superseded") == []
    assert house.study().revision == 2
    assert house.count("deliveries", "state = 'PENDING'") == 1


def test_a_report_that_comes_back_from_the_pacs_is_no_late_image(house: House) -> None:
    house.signed()
    house.receive(image("s1", 9, modality="SR", rows=None, columns=None), now=LATER)
    study = house.study()
    assert (study.state, study.revision, study.instance_count) == (StudyState.DRAFTED, 1, 2)


def test_the_first_real_image_names_the_modality(house: House) -> None:
    house.receive(image("s1", 1, modality="PR", rows=None, columns=None), image("s1", 2, modality="DX"))
    assert house.study().modality == "DX"


@pytest.mark.covers("P4")
def test_an_urgent_order_raises_the_study_and_says_why(house: House) -> None:
    house.receive(image("s1", 1))
    house.receive(image("s1", 2, requested_priority="STAT"))
    house.receive(image("s1", 3, requested_priority="ROUTINE"))
    assert (house.study().priority, house.study().priority_reason) == (100, "ordered STAT")


@pytest.mark.covers("T21")
def test_a_hostile_header_does_not_keep_its_batch_out(house: House) -> None:
    hostile = [
        image("s2", 1, patient_name="N\x00ame\ud800^X", description="\x00"),
        image("s3", 1, instance_number=2**40, rows=2**33),
        image("s4", 1, study_uid="../../x"),
        image("s5", 1, sop_uid="1." * 40),
    ]
    report = house.receive(image("s1", 1), *hostile)
    assert report.indexed == 3
    assert {sop_uid for sop_uid, _ in report.quarantined} == {hostile[2].sop_uid, hostile[3].sop_uid}
    assert house.study("s2").patient.name == "Name?^X"


@pytest.mark.covers("T11", "L7")
def test_twenty_senders_of_the_same_studies_leave_one_row_each(house: House) -> None:
    batches = [[image(f"s{study}", n) for study in (1, 2, 3) for n in range(1, 6)] for _ in range(20)]
    for number, batch in enumerate(batches):
        batch.sort(key=lambda i, n=number: hash((n, i.sop_uid)))
    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(lambda batch: house.receive(*batch), batches))
    assert sum(report.indexed for report in reports) == 15
    assert sum(report.duplicates for report in reports) == 20 * 15 - 15
    assert house.count("instances") == 15
    assert len(house.log("study received")) == 3


@pytest.mark.covers("L7")
def test_one_uid_in_two_studies_at_the_same_moment_takes_nothing_half(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another process wrote after the digests were read is found by the database itself."""
    house.receive(image("s1", 1))
    twin = image("s2", 1, sop_uid=uid("s1", "image", 1))
    before = house.log()
    with monkeypatch.context() as unaware:
        unaware.setattr(Studies, "known_digests", lambda *_: {})
        with pytest.raises(Conflict):
            house.receive(image("s3", 1), twin)
    assert house.log() == before
    assert house.count("studies") == 1
    report = house.receive(image("s3", 1), twin)
    assert (report.indexed, [sop_uid for sop_uid, _ in report.quarantined]) == (1, [twin.sop_uid])
    assert house.count("studies") == 2


def test_what_the_listener_turned_away_is_recorded(house: House) -> None:
    for _ in range(2):
        record_quarantine(
            house.store,
            sop_uid="../../x",
            study_uid="?",
            sha256="e" * 64,
            reason="not a UID",
            calling_ae="MODALITY",
            now=NOW,
        )
    record_rejected_association(
        house.store, calling_ae="EVIL", called_ae="JANUSMED", source="10.0.0.66", reason="unknown AE", now=NOW
    )
    assert house.count("quarantine") == len(house.log("instance quarantined")) == 1
    (entry,) = house.log("association rejected")
    assert (entry.source, entry.outcome, entry.detail["calling_ae"]) == ("10.0.0.66", "failure", "EVIL")


@pytest.mark.covers("L12")
def test_an_image_between_completion_and_draft_makes_the_running_draft_worthless(house: House) -> None:
    house.receive(image("s1", 1))
    house.complete()
    house.receive(image("s1", 2), now=LATER)
    assert not house.draft(content=draft_of())
    house.complete(now=LATER + QUIET)
    assert take_order(house.store, uid("s1"), 1) is None
    assert not house.draft(content=draft_of())
    assert house.count("drafts") == house.count("reports") == 0
    assert house.draft(revision=2)
