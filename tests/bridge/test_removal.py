"""Removing what a retention policy gave up, beside a spool that receives.

Covered: order of the two removals, a crash between them, instances that come again before, during and after.
Not covered: the decision itself (`tests/unit/services/test_retention.py`).
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from pacs_bridge import Disposition
from pacs_bridge.inspection import inspect_spool
from pacs_bridge.removal import Removal, remove_instance, share_hold
from tests.bridge.conftest import put
from tests.bridge.peers import radiograph
from tests.bridge.test_spool_recovery import reopened


def index_all(spool):
    for instance in spool.incoming():
        spool.indexed(instance)


def remove(spool, dataset, digest, *, purged_at=None):
    later = purged_at or datetime.now(UTC) + timedelta(seconds=1)
    return remove_instance(spool.layout, str(dataset.SOPInstanceUID), digest, purged_at=later)


@pytest.mark.covers("R2")
def test_removed_instance_is_no_alarm_and_is_taken_again_like_a_new_one(spool):
    dataset = radiograph()
    digest = put(spool, dataset).digest
    index_all(spool)
    assert remove(spool, dataset, digest) is Removal.REMOVED
    assert not spool.layout.object_path(digest).exists()
    fresh, report = reopened(spool)
    assert (report.missing_objects, report.requeued) == ((), ())
    assert put(fresh, dataset).disposition is Disposition.STORED
    assert [found.digest for found in fresh.incoming()] == [digest]
    fresh.close()


@pytest.mark.covers("R2")
def test_kill_between_the_two_removals_leaves_what_the_next_one_finishes(spool):
    dataset = radiograph()
    digest = put(spool, dataset).digest
    index_all(spool)
    spool.layout.record_path(str(dataset.SOPInstanceUID)).unlink()
    fresh, report = reopened(spool)
    assert (report.missing_objects, report.requeued, report.quarantined) == ((), (), ())
    assert remove(fresh, dataset, digest) is Removal.REMOVED
    assert not fresh.layout.object_path(digest).exists()
    fresh.close()


@pytest.mark.covers("R2")
def test_unindexed_instance_is_not_removed(spool):
    dataset = radiograph()
    digest = put(spool, dataset).digest
    assert remove(spool, dataset, digest) is Removal.BUSY
    assert spool.layout.object_path(digest).is_file()


@pytest.mark.covers("R2")
def test_instance_that_a_sender_asked_for_after_the_decision_stays(spool):
    dataset = radiograph()
    digest = put(spool, dataset).digest
    index_all(spool)
    decided = datetime.now(UTC)
    assert put(spool, dataset).disposition is Disposition.DUPLICATE
    assert remove(spool, dataset, digest, purged_at=decided) is Removal.ASKED_AGAIN
    assert spool.layout.object_path(digest).is_file()


@pytest.mark.covers("R2")
def test_remover_does_not_wait_for_a_store_and_a_store_waits_for_a_remover(spool):
    dataset = radiograph()
    digest = put(spool, dataset).digest
    index_all(spool)
    with share_hold(spool.layout, str(dataset.SOPInstanceUID)):
        assert remove(spool, dataset, digest) is Removal.BUSY
    held, release = threading.Event(), threading.Event()

    def hold_alone():
        import fcntl
        import os

        from pacs_bridge.removal import _open_lock

        descriptor = _open_lock(spool.layout, str(dataset.SOPInstanceUID))
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        held.set()
        release.wait(30)
        os.close(descriptor)

    answered = threading.Event()
    remover = threading.Thread(target=hold_alone)
    remover.start()
    assert held.wait(30)
    sender = threading.Thread(target=lambda: (put(spool, dataset), answered.set()))
    sender.start()
    assert not answered.wait(0.3), "the store did not wait for the remover"
    release.set()
    assert answered.wait(30)
    for thread in (remover, sender):
        thread.join()


def test_inspection_tells_what_is_amiss_for_long_and_nothing_that_is_on_its_way(spool):
    dataset = radiograph()
    digest = put(spool, dataset).digest
    assert inspect_spool(spool.layout, settled=0).is_sound
    index_all(spool)
    spool.layout.object_path(digest).unlink()
    assert inspect_spool(spool.layout).is_sound, "a fresh record may still be on its way"
    missing = inspect_spool(spool.layout, settled=-5).missing_objects
    assert missing == (str(dataset.SOPInstanceUID),)
