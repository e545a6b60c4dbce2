"""The janitor: every state a crash can leave between two steps of `store` is brought back to order.

Covered: states made by hand, one per step. Not covered here: real kills (test_kill).
"""

from __future__ import annotations

import os

import pytest

from pacs_bridge import Disposition, Fatal, Spool, read_header
from pacs_bridge.inspection import inspect_spool
from pacs_bridge.spool_layout import mark_finished
from tests.bridge.conftest import NO_FLOOR, put, received
from tests.bridge.peers import EXPLICIT, encode, radiograph


def reopened(spool):
    spool.close()
    fresh = Spool(spool.layout.root, floor=NO_FLOOR)
    return fresh, fresh.recover()


def test_clean_spool_needs_nothing(spool):
    put(spool, radiograph())
    fresh, report = reopened(spool)
    assert (report.temporary_files, report.requeued, report.quarantined, report.relinked) == (0, (), (), 0)
    assert report.missing_objects == ()
    assert len(fresh.incoming()) == 1
    fresh.close()


def test_temporary_files_are_deleted(spool):
    instance = received(radiograph())
    part = spool.layout.open_part(instance.head)
    part.file.write(b"half")
    part.file.close()
    fresh, report = reopened(spool)
    assert report.temporary_files == 1
    assert os.listdir(fresh.layout.temp) == []
    fresh.close()


@pytest.mark.covers("L9")
def test_object_without_record_is_queued_again(spool):
    """Killed between rename and record: the instance was not acknowledged, but it is whole."""
    dataset = radiograph()
    instance = received(dataset)
    target = spool.layout.object_path(instance.content.digest)
    os.replace(spool.layout.finish_part(instance), target)
    fresh, report = reopened(spool)
    assert report.requeued == (instance.content.digest,)
    (found,) = fresh.incoming()
    assert found.header.sop_instance_uid == dataset.SOPInstanceUID
    assert found.association.calling_ae == "MODALITY1"
    assert put(fresh, dataset).disposition is Disposition.DUPLICATE
    fresh.close()
    assert reopened(fresh)[1].requeued == ()


@pytest.mark.covers("L1")
@pytest.mark.parametrize("torn", [True, False], ids=["torn", "gone"])
def test_acknowledged_instance_whose_record_a_power_failure_took_is_queued_again(spool, torn):
    """An object and its name are fsynced, its record and the entry for intake are not."""
    dataset = radiograph()
    outcome = put(spool, dataset)
    record, (instance,) = spool.layout.record_path(dataset.SOPInstanceUID), spool.incoming()
    if torn:
        os.truncate(record, 0)
    else:
        record.unlink()
        instance.entry.unlink()
    fresh, report = reopened(spool)
    assert report.requeued == (outcome.digest,)
    (found,) = fresh.incoming()
    assert (found.digest, found.header) == (outcome.digest, instance.header)
    assert found.association.calling_ae == "MODALITY1"
    fresh.indexed(found)
    assert reopened(fresh)[1].requeued == ()


def test_object_with_a_damaged_head_is_quarantined_and_holds_up_nothing(spool):
    put(spool, radiograph())
    damaged = spool.layout.object_path(put(spool, radiograph()).digest)
    damaged.write_bytes(b"not a file of ours")
    assert inspect_spool(spool.layout, settled=0).unrecorded == 1
    fresh, report = reopened(spool)
    assert report.quarantined == (damaged.stem,)
    assert "no readable head" in fresh.quarantined()[0].reason
    fresh.close()


def test_instance_whose_object_is_gone_is_taken_off_the_hand_over_all_the_same(spool):
    put(spool, radiograph())
    (instance,) = spool.incoming()
    instance.path.unlink()
    spool.indexed(instance)
    assert spool.incoming() == []


def test_torn_record_of_an_indexed_instance_is_written_again_when_it_is_sent_again(spool):
    dataset = radiograph()
    put(spool, dataset)
    spool.indexed(spool.incoming()[0])
    record = spool.layout.record_path(dataset.SOPInstanceUID)
    record.chmod(0o600)
    os.truncate(record, 0)
    record.chmod(0o400)
    fresh, report = reopened(spool)
    assert (report.requeued, report.missing_objects) == ((), ())
    assert put(fresh, dataset).status == 0x0000
    assert [i.header.sop_instance_uid for i in fresh.incoming()] == [dataset.SOPInstanceUID]
    assert put(fresh, dataset).disposition is Disposition.DUPLICATE
    fresh.close()


def test_object_without_record_whose_uid_has_other_bytes_is_quarantined(spool):
    dataset = radiograph()
    put(spool, dataset)
    instance = received(radiograph(SOPInstanceUID=dataset.SOPInstanceUID, PatientID="P2"))
    os.replace(spool.layout.finish_part(instance), spool.layout.object_path(instance.content.digest))
    fresh, report = reopened(spool)
    assert report.quarantined == (instance.content.digest,)
    assert [i.header.patient_id for i in fresh.incoming()] == ["P1"]
    assert [q.header.patient_id for q in fresh.quarantined()] == ["P2"]
    fresh.close()


def test_unreadable_object_without_record_is_quarantined(spool):
    instance = received(radiograph(), data=b"not a data set")
    os.replace(spool.layout.finish_part(instance), spool.layout.object_path(instance.content.digest))
    fresh, report = reopened(spool)
    assert report.quarantined == (instance.content.digest,)
    assert "not a readable data set" in fresh.quarantined()[0].reason
    fresh.close()


@pytest.mark.covers("L9")
def test_record_without_entry_is_put_in_front_of_intake_again(spool):
    """Killed between record and entry."""
    put(spool, radiograph())
    spool.incoming()[0].entry.unlink()
    fresh, report = reopened(spool)
    assert report.relinked == 1
    assert len(fresh.incoming()) == 1
    fresh.close()


def test_indexed_record_is_not_put_in_front_of_intake_again(spool):
    put(spool, radiograph())
    spool.indexed(spool.incoming()[0])
    fresh, report = reopened(spool)
    assert report.relinked == 0
    assert fresh.incoming() == []
    fresh.close()


def test_kill_between_mark_and_removal_of_the_entry_repeats_the_entry(spool):
    """Indexing is at least once: an entry that is still there is shown again."""
    put(spool, radiograph())
    (instance,) = spool.incoming()
    mark_finished(spool.layout.record_path(instance.header.sop_instance_uid))
    fresh, _ = reopened(spool)
    assert len(fresh.incoming()) == 1
    fresh.indexed(fresh.incoming()[0])
    assert fresh.incoming() == []
    fresh.close()


@pytest.mark.covers("L7")
def test_sender_who_repeats_after_a_crash_heals_without_restart(spool):
    dataset = radiograph()
    put(spool, dataset)
    spool.incoming()[0].entry.unlink()
    assert put(spool, dataset).status == 0x0000
    assert len(spool.incoming()) == 1


def test_record_without_object_is_an_alarm_and_a_repeat_restores_it(spool):
    dataset, other = radiograph(), radiograph()
    outcome = put(spool, dataset)
    put(spool, other)
    spool.open_object(outcome.digest).unlink()
    fresh, report = reopened(spool)
    assert report.missing_objects == (dataset.SOPInstanceUID,)
    assert put(fresh, dataset).status == 0x0000
    assert fresh.open_object(outcome.digest).is_file()
    assert reopened(fresh)[1].missing_objects == ()


def test_spool_is_received_into_by_one_process_only(spool):
    second = Spool(spool.layout.root, floor=NO_FLOOR)
    with pytest.raises(Fatal, match="another process"):
        second.recover()


def test_damaged_entry_does_not_hold_up_the_others(spool):
    put(spool, radiograph())
    (spool.layout.incoming / f"{0:020d}-damaged.json").write_text('{"version": 1}')
    assert len(spool.incoming()) == 1


def test_quarantine_of_a_killed_move_is_finished_by_a_repeat(spool):
    """Killed after the object was moved aside and before its record: the sender's repeat completes it."""
    dataset = radiograph()
    put(spool, dataset)
    changed = radiograph(SOPInstanceUID=dataset.SOPInstanceUID, PatientID="P2")
    instance = received(changed)
    os.replace(spool.layout.finish_part(instance), spool.layout.quarantine_path(instance.content.digest))
    fresh, _ = reopened(spool)
    assert fresh.store(received(changed), read_header(encode(changed), EXPLICIT)).status == 0xC000
    assert [q.header.patient_id for q in fresh.quarantined()] == ["P2"]
    fresh.close()
