"""Retention: what goes, why everything else stays, and that it comes back.

Covered: every reason to keep, the purge in the database, holds, a resend. Not covered: the bytes themselves
(`tests/bridge/test_removal.py`) and the two together (`tests/workers/test_keep.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.access import service_actor
from app.domain.errors import NotAuthorised, Rejected
from app.domain.report import ReportState
from app.domain.retention import (
    SELF_TEST_PATIENT,
    SELF_TEST_TITLE,
    RetentionPolicy,
    StudyStanding,
    reason_to_keep,
)
from app.domain.study import StudyState
from app.services.delivery import record_sent
from app.services.retention import (
    end_hold,
    hold_study,
    judge_studies,
    purge_studies,
    record_removed,
    removable_instances,
)
from tests.unit.services.conftest import NOW, House, image, uid

KEEPER = service_actor("housekeeping")
POLICY = RetentionPolicy(signed_days=30, excluded_days=10)
LATER = NOW + timedelta(days=31)
GONE = StudyStanding(
    study_uid="1.2",
    state=StudyState.DRAFTED,
    revision=2,
    report_state=ReportState.SIGNED,
    report_revision=2,
    open_reports=0,
    delivery_states=frozenset({"SENT", "COMMITTED"}),
    jobs=0,
    instances=1,
    size=1000,
    last_act_at=NOW,
    held_for="",
)


@pytest.mark.covers("R2")
def test_study_that_is_signed_delivered_and_old_goes() -> None:
    assert reason_to_keep(GONE, POLICY, now=LATER) == ""
    assert reason_to_keep(replace(GONE, delivery_states=frozenset()), POLICY, now=LATER) == ""


@pytest.mark.covers("R2")
@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        (replace(GONE, last_act_at=LATER - timedelta(days=29)), "kept until"),
        (replace(GONE, held_for="court case"), "on hold: court case"),
        (replace(GONE, jobs=1), "work on it"),
        (replace(GONE, state=StudyState.RECEIVING), "not processed"),
        (replace(GONE, state=StudyState.COMPLETE), "not processed"),
        (replace(GONE, state=StudyState.QUARANTINED), "not processed"),
        (replace(GONE, report_state=None, report_revision=None), "is not signed"),
        (replace(GONE, report_state=ReportState.DRAFTED), "is not signed"),
        (replace(GONE, report_state=ReportState.IN_REVIEW), "is not signed"),
        (replace(GONE, report_state=ReportState.PRELIMINARY), "is not signed"),
        (replace(GONE, report_revision=1), "revision 2 is not signed"),
        (replace(GONE, open_reports=1), "open"),
        *((replace(GONE, delivery_states=frozenset({"SENT", s})), s) for s in ("PENDING", "FAILED", "DEAD")),
        (replace(GONE, state=StudyState.EXCLUDED, last_act_at=LATER - timedelta(days=9)), "kept until"),
    ],
)
def test_everything_else_stays_and_says_why(standing: StudyStanding, reason: str) -> None:
    assert reason in reason_to_keep(standing, POLICY, now=LATER)


@pytest.mark.covers("R2")
def test_withdrawn_study_has_a_time_of_its_own() -> None:
    withdrawn = replace(GONE, report_state=ReportState.WITHDRAWN)
    assert reason_to_keep(withdrawn, POLICY, now=LATER) == "kept for ever"
    policy = RetentionPolicy(withdrawn_days=30)
    assert reason_to_keep(withdrawn, policy, now=LATER) == ""
    assert "DEAD" in reason_to_keep(
        replace(withdrawn, delivery_states=frozenset({"DEAD"})), policy, now=LATER
    )
    assert reason_to_keep(GONE, policy, now=LATER) == "kept for ever"


@pytest.mark.covers("R2")
def test_nothing_goes_by_default() -> None:
    for state in StudyState:
        assert reason_to_keep(replace(GONE, state=state), RetentionPolicy(), now=NOW + timedelta(days=9999))


def deliver_all(house: House, now: datetime = NOW) -> None:
    with house.store.begin() as tx:
        from sqlalchemy import text

        numbers = tx.session.scalars(text("SELECT id FROM deliveries")).all()
        tx.session.execute(text("DELETE FROM procrastinate_jobs"))
    for number in numbers:
        record_sent(house.store, KEEPER, number, now=now)


@pytest.mark.covers("R2")
def test_purge_takes_the_signed_and_delivered_study_alone_and_is_audited(house: House) -> None:
    house.signed("s1")
    deliver_all(house)
    house.drafted("unsigned")
    house.receive(image("arriving"))
    house.signed("undelivered")
    assert purge_studies(house.store, KEEPER, POLICY, now=LATER) == (uid("s1"),)
    assert {i.study_uid for i in removable_instances(house.store)} == {uid("s1")}
    [entry] = house.log("study purged")
    assert (entry.study_uid, entry.detail["instances"]) == (uid("s1"), 1)
    assert house.count("attestations") == 2
    # the same call again finds nothing more to give up
    assert purge_studies(house.store, KEEPER, POLICY, now=LATER) == ()
    record_removed(house.store, removable_instances(house.store)[0].sop_uid, now=LATER)
    assert removable_instances(house.store) == ()


@pytest.mark.covers("R2")
def test_resent_study_is_here_again_and_its_time_begins_anew(house: House) -> None:
    house.signed("s1")
    deliver_all(house)
    purge_studies(house.store, KEEPER, POLICY, now=LATER)
    back = LATER + timedelta(days=1)
    report = house.receive(image("s1"), now=back)
    assert (report.duplicates, report.reopened) == (1, ()), "a prior that is fetched again opens no revision"
    assert len(house.log("study restored")) == 1
    assert removable_instances(house.store) == ()
    [verdict] = judge_studies(house.store, KEEPER, POLICY, now=back)
    assert "kept until" in verdict.reason
    assert purge_studies(house.store, KEEPER, POLICY, now=back + timedelta(days=31)) == (uid("s1"),)


@pytest.mark.covers("R2")
def test_held_study_stays_until_the_hold_ends(house: House) -> None:
    house.signed("s1")
    deliver_all(house)
    admin = house["admin"]
    with pytest.raises(Rejected, match="say why"):
        hold_study(house.store, admin, uid("s1"), " ", now=NOW)
    with pytest.raises(NotAuthorised):
        hold_study(house.store, house["viewer"], uid("s1"), "teaching", now=NOW)
    hold_study(house.store, admin, uid("s1"), "court case", now=NOW)
    assert purge_studies(house.store, KEEPER, POLICY, now=LATER) == ()
    end_hold(house.store, admin, uid("s1"), now=LATER)
    assert purge_studies(house.store, KEEPER, POLICY, now=LATER) == (uid("s1"),)


@pytest.mark.covers("R1")
def test_study_of_the_self_test_alone_can_be_deleted(house: House) -> None:
    from app.domain.worklist import WorklistQuery

    house.drafted("real")
    house.drafted("test", calling_ae=SELF_TEST_TITLE, patient_id=SELF_TEST_PATIENT)
    house.drafted("spoof", calling_ae=SELF_TEST_TITLE)
    with house.store.begin() as tx:
        listed = tx.studies.worklist(WorklistQuery(), reader=None, now=NOW)
    assert [row.study.study_uid for row in listed.rows] == [uid("real")]
    with house.store.begin() as tx:
        assert not tx.retention.forget_self_test(uid("real"))
        assert not tx.retention.forget_self_test(uid("spoof"))
        assert tx.retention.forget_self_test(uid("test"))
    assert (house.count("studies"), house.count("reports"), house.count("instances")) == (2, 2, 2)
    assert house.log(study="test"), "the audit log keeps that it was there"


def test_jobs_that_ended_are_forgotten_but_not_those_that_wait_for_an_answer(house: House) -> None:
    from sqlalchemy import text

    house.drafted("s1")
    with house.store.begin() as tx:
        tx.session.execute(text("UPDATE procrastinate_jobs SET status = 'failed'"))
        number = tx.session.scalars(text("SELECT id FROM procrastinate_jobs")).one()
        tx.session.execute(
            text(
                "INSERT INTO dead_letters (job_id, queue, task, arguments, study_uid, attempts, reason,"
                " died_at) VALUES (:id, 'draft', 'draft_study', '{}', '', 3, 'x', :at)"
            ),
            {"id": number, "at": NOW},
        )
    far = datetime.now(NOW.tzinfo) + timedelta(days=400)
    with house.store.begin() as tx:
        assert tx.retention.forget_jobs(before=far) == 0
        tx.session.execute(text("UPDATE dead_letters SET retried_at = now()"))
        assert tx.retention.forget_jobs(before=far) == 1
