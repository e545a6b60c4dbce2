"""The spool: what one `store` leaves on disk, duplicates, conflicts, quarantine, hand-over.

Covered: the acknowledgement contract without network. Not covered here: crashes (test_spool_recovery,
test_kill).
"""

from __future__ import annotations

import hashlib
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from pydicom import dcmread

from pacs_bridge import Disposition, Rejected, Spool, read_header
from pacs_bridge.received import read_head
from tests.bridge.conftest import ASSOCIATION, NO_FLOOR, NOW, put, received
from tests.bridge.peers import EXPLICIT, IMPLICIT, encode, in_parallel, radiograph


def files(spool, folder):
    return sorted(path for path in (spool.layout.root / folder).rglob("*") if path.is_file())


def test_stored_instance_is_one_object_one_record_one_entry(spool):
    dataset = radiograph()
    outcome = put(spool, dataset)
    assert (outcome.status, outcome.disposition) == (0x0000, Disposition.STORED)
    assert outcome.digest == hashlib.sha256(encode(dataset)).hexdigest()
    assert [len(files(spool, f)) for f in ("objects", "records", "incoming", "temp", "quarantine")] == [
        1,
        1,
        1,
        0,
        0,
    ]
    (instance,) = spool.incoming()
    assert instance.path == spool.open_object(outcome.digest)
    assert instance.header.sop_instance_uid == dataset.SOPInstanceUID
    assert instance.association == ASSOCIATION
    assert instance.received_at == NOW
    assert instance.size == len(encode(dataset))


def test_object_holds_the_bytes_as_received_behind_our_own_head(spool):
    dataset = radiograph()
    put(spool, dataset)
    path = spool.incoming()[0].path
    head, offset = read_head(path)
    content = path.read_bytes()
    assert content[offset:] == encode(dataset)
    assert content[:128] == bytes(128)
    assert head.transfer_syntax == EXPLICIT
    assert head.calling_ae == "MODALITY1"
    assert dcmread(path).PatientID == "P1"
    assert dcmread(path).file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID


def test_everything_is_private_and_nothing_is_named_by_a_peer(spool):
    dataset = radiograph()
    put(spool, dataset)
    for path in spool.layout.root.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == 0o700 if path.is_dir() else mode & 0o077 == 0
        for value in (dataset.SOPInstanceUID, dataset.StudyInstanceUID, "P1", "Example"):
            assert value not in path.name


@pytest.mark.covers("L7", "T11")
def test_same_instance_again_is_acknowledged_and_changes_nothing(spool):
    dataset = radiograph()
    put(spool, dataset)
    before = [(path, path.stat().st_mtime_ns) for path in files(spool, ".")]
    again = put(spool, dataset)
    assert (again.status, again.disposition) == (0x0000, Disposition.DUPLICATE)
    assert [(path, path.stat().st_mtime_ns) for path in files(spool, ".")] == before


@pytest.mark.covers("L7")
def test_same_instance_after_indexing_makes_no_new_entry(spool):
    dataset = radiograph()
    put(spool, dataset)
    spool.indexed(spool.incoming()[0])
    assert put(spool, dataset).status == 0x0000
    assert spool.incoming() == []


@pytest.mark.covers("L7", "T11")
def test_other_bytes_under_the_same_uid_are_kept_in_quarantine(spool):
    dataset = radiograph()
    put(spool, dataset)
    first = spool.incoming()
    changed = radiograph(SOPInstanceUID=dataset.SOPInstanceUID, PatientID="SOMEONE ELSE")
    outcome = put(spool, changed)
    assert (outcome.status, outcome.disposition) == (0xC000, Disposition.QUARANTINED)
    assert spool.incoming() == first
    assert dcmread(first[0].path).PatientID == "P1"
    (aside,) = spool.quarantined()
    assert aside.header.patient_id == "SOMEONE ELSE"
    assert "same SOP Instance UID" in aside.reason
    assert dcmread(aside.path).PatientID == "SOMEONE ELSE"
    assert put(spool, changed).status == 0xC000
    assert len(spool.quarantined()) == 1
    assert put(spool, radiograph()).status == 0x0000


def test_another_encoding_of_an_instance_is_a_conflict_that_says_so(spool):
    dataset = radiograph()
    put(spool, dataset)
    instance = received(dataset, syntax=IMPLICIT)
    outcome = spool.store(instance, read_header(encode(dataset, IMPLICIT), IMPLICIT))
    assert outcome.status == 0xC000
    assert "transfer syntax" in outcome.reason


@pytest.mark.covers("L7", "T11")
def test_ten_parallel_senders_of_one_instance_leave_one_file(spool):
    for _ in range(20):
        dataset = radiograph(side=64)
        outcomes = in_parallel(10, lambda _: put(spool, dataset))  # noqa: B023
        assert {outcome.status for outcome in outcomes} == {0x0000}
        assert sum(o.disposition is Disposition.STORED for o in outcomes) == 1
    assert len(files(spool, "objects")) == len(files(spool, "records")) == len(spool.incoming()) == 20
    assert files(spool, "temp") == []


@pytest.mark.covers("L7", "T11")
def test_parallel_conflicting_senders_store_one_and_set_the_others_aside(spool):
    for _ in range(10):
        uid = radiograph().SOPInstanceUID
        variants = [radiograph(SOPInstanceUID=uid, PatientID=f"P{i // 2}") for i in range(10)]
        for variant in variants:
            variant.StudyInstanceUID = variant.SeriesInstanceUID = "1.2.3"
        outcomes = in_parallel(10, lambda i: put(spool, variants[i]))  # noqa: B023
        assert sorted({outcome.status for outcome in outcomes}) == [0x0000, 0xC000]
        winner = {o.digest for o in outcomes if o.status == 0x0000}
        assert len(winner) == 1
    assert len(spool.incoming()) == 10
    assert len(spool.quarantined()) == 40
    assert files(spool, "temp") == []
    assert spool.layout.objects.exists()
    assert len(files(spool, "objects")) == 10


def test_incoming_is_oldest_first_and_limited(spool):
    from dataclasses import replace

    uids = []
    for minute in range(5):
        dataset = radiograph()
        instance = replace(received(dataset), received_at=NOW - timedelta(minutes=minute))
        spool.store(instance, read_header(encode(dataset), EXPLICIT))
        uids.append(dataset.SOPInstanceUID)
    assert [i.header.sop_instance_uid for i in spool.incoming(3)] == uids[:1:-1]


def test_indexed_instance_leaves_the_hand_over_and_keeps_its_object(spool):
    dataset = radiograph()
    outcome = put(spool, dataset)
    (instance,) = spool.incoming()
    spool.indexed(instance)
    spool.indexed(instance)
    assert spool.incoming() == []
    assert spool.open_object(outcome.digest).is_file()


def test_intake_may_set_an_acknowledged_instance_aside(spool):
    dataset = radiograph()
    put(spool, dataset)
    (instance,) = spool.incoming()
    spool.quarantine(instance, "another patient's images carry this study UID")
    assert spool.incoming() == []
    (aside,) = spool.quarantined()
    assert (aside.status, aside.reason) == (None, "another patient's images carry this study UID")
    assert aside.path.read_bytes() == instance.path.read_bytes()
    assert put(spool, dataset).status == 0x0000
    assert spool.incoming() == []


def test_unknown_object_is_refused(spool):
    with pytest.raises(Rejected):
        spool.open_object("0" * 64)


def test_readers_need_no_ownership(spool):
    put(spool, radiograph())
    reader = Spool(spool.layout.root, floor=NO_FLOOR)
    assert len(reader.incoming()) == 1
    reader.indexed(reader.incoming()[0])
    assert spool.incoming() == []


def test_store_and_index_race_without_loss(spool):
    """Intake takes entries while senders repeat the same instances: each is handed over at least once."""
    datasets = [radiograph() for _ in range(40)]
    seen = set()

    def index():
        for _ in range(200):
            for instance in spool.incoming():
                seen.add(instance.header.sop_instance_uid)
                spool.indexed(instance)

    with ThreadPoolExecutor(5) as pool:
        indexing = pool.submit(index)
        results = list(pool.map(lambda d: put(spool, d), datasets * 3))
        indexing.result()
    for instance in spool.incoming():
        seen.add(instance.header.sop_instance_uid)
        spool.indexed(instance)
    assert {r.status for r in results} == {0x0000}
    assert seen == {d.SOPInstanceUID for d in datasets}
