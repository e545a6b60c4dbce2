"""Housekeeping with the real processes: the self-test, the purge of real bytes, a release from quarantine.

Covered: a phantom through listener, intake and drafting and gone again; bytes and rows of a purge; kills
between its steps; a release. Not covered: the views (`tests/ui`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.access import Role, service_actor
from app.domain.operations import QuarantineDecision
from app.domain.retention import RetentionPolicy
from app.services import quarantine, retention
from app.services.accounts import add_user, log_in
from app.services.alerts import open_alerts
from app.settings import Settings
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.purge import SpoolKeeper
from app.workers.selftest import SelfTest
from pacs_bridge.spool import Spool
from tests.workers import stories
from tests.workers.processes import Process, system_settings

KEEPER = service_actor("housekeeping")
POLICY = RetentionPolicy(signed_days=1)


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    chosen = system_settings(data_dir, selftest_minutes=15)
    upgrade(chosen)
    return chosen


@pytest.fixture
def own_store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as store:
        yield store


def objects(settings: Settings) -> set[str]:
    return {path.stem for path in (settings.spool_dir / "objects").rglob("*.dcm")}


@pytest.mark.slow
@pytest.mark.covers("R1")
def test_self_test_goes_the_whole_way_and_leaves_nothing(settings: Settings, own_store: Store) -> None:
    with Process(settings, "listen") as listener, Process(settings, "work") as drafting:
        listener.wait_until_ready()
        drafting.wait_until_ready()
        result = SelfTest(own_store, settings).run(timedelta(minutes=3))
    assert result.problem == ""
    assert objects(settings) == set()
    with own_store.begin() as tx:
        assert tx.retention.self_tests(before=datetime.now(UTC) + timedelta(days=1)) == ()
        counted = {name for name, labels, _ in tx.figures.counters() if "calling_ae" in labels}
    assert counted == set(), "the self-test is in no statistic"
    assert open_alerts(own_store) == ()


@pytest.mark.slow
@pytest.mark.covers("R1")
def test_self_test_that_does_not_get_through_is_an_alert_until_one_does(
    settings: Settings, own_store: Store
) -> None:
    assert "did not take it" in SelfTest(own_store, settings).run(timedelta(seconds=1)).problem
    [alert] = open_alerts(own_store)
    assert alert.kind.value == "self-test failed"


def purgeable(settings: Settings, store: Store, file: Path) -> None:
    """Bring a study to where the policy lets it go in two days."""
    stories.sign_by_hand(store, stories.receive(store, settings, file))
    with store.begin() as tx:
        from sqlalchemy import text

        tx.session.execute(text("DELETE FROM procrastinate_jobs"))


def give_up(store: Store) -> tuple[str, ...]:
    later = datetime.now(UTC) + timedelta(days=2)
    return retention.purge_studies(store, KEEPER, POLICY, now=later)


@pytest.mark.slow
@pytest.mark.covers("R2")
def test_bytes_go_after_the_database_says_so_also_after_a_kill_between_the_steps(
    settings: Settings, own_store: Store, leg_radiograph: Path
) -> None:
    purgeable(settings, own_store, leg_radiograph)
    [digest] = objects(settings)
    keeper = SpoolKeeper(own_store, KEEPER, settings)
    assert keeper.remove_purged() == 0
    assert objects(settings) == {digest}
    assert len(give_up(own_store)) == 1
    # killed here: the next housekeeping finds what was given up
    assert objects(settings) == {digest}
    again = SpoolKeeper(own_store, KEEPER, settings)
    assert again.remove_purged() == 1
    assert objects(settings) == set()
    assert again.remove_purged() == 0
    assert Spool(settings.spool_dir).recover().missing_objects == ()


@pytest.mark.slow
@pytest.mark.covers("R2")
def test_purged_study_that_is_sent_again_is_here_again(
    settings: Settings, own_store: Store, leg_radiograph: Path
) -> None:
    purgeable(settings, own_store, leg_radiograph)
    give_up(own_store)
    keeper = SpoolKeeper(own_store, KEEPER, settings)
    assert keeper.remove_purged() == 1
    stories.receive(own_store, settings, leg_radiograph)
    assert len(objects(settings)) == 1
    assert keeper.remove_purged() == 0
    assert len(objects(settings)) == 1
    keeper.inspect()
    assert open_alerts(own_store) == ()


@pytest.mark.slow
@pytest.mark.covers("R2")
def test_released_instance_is_offered_to_intake_and_the_answer_is_kept(
    settings: Settings, own_store: Store, leg_radiograph: Path
) -> None:
    stories.receive(own_store, settings, leg_radiograph)
    spool = Spool(settings.spool_dir)
    record = next(path for path in (settings.spool_dir / "records").rglob("*.json"))
    [digest] = objects(settings)
    # set aside as intake would: the bytes lie in quarantine, and nothing else of it is here
    target = spool.layout.quarantine_path(digest)
    spool.layout.object_path(digest).rename(target)
    record.unlink()
    from app.services.intake import record_quarantine

    now = datetime.now(UTC)
    record_quarantine(
        own_store, sop_uid="1.2", study_uid="1", sha256=digest, reason="by hand", calling_ae="X", now=now
    )
    account = {"username": "adam", "password": "a long enough secret"}
    add_user(own_store, service_actor("test"), printed_name="Adam", role=Role.ADMIN, now=now, **account)
    _, admin = log_in(own_store, source="test", now=now, **account)
    [entry] = quarantine.list_quarantine(own_store, admin, now=now).lines
    release = QuarantineDecision.RELEASE
    quarantine.decide_quarantine(own_store, admin, entry.quarantine_id, release, "mended", now=now)
    SpoolKeeper(own_store, KEEPER, settings).release_quarantine()
    [after] = quarantine.list_quarantine(own_store, admin, now=now, undecided_only=False).lines
    assert after.outcome == "taken"
    assert len(spool.incoming()) == 1
    assert target.is_file(), "the copy in quarantine stays until the retention policy gives it up"
