"""What a sender is answered, and that the next good instance is always taken.

Covered: the status table over real associations, every bad input that reaches the listener. Not covered:
limits of the transport (test_transport_limits), admission (test_admission), disk (test_disk_full), kills
(test_kill).
"""

from __future__ import annotations

import hashlib

import pytest

from pacs_bridge import Disposition, ListenerConfig, LoggedEvents, Peer, Spool, SpoolSink
from pacs_bridge.listener import Listener
from tests.bridge.peers import (
    CR,
    CT,
    EXPLICIT,
    association,
    echo_works,
    encode,
    in_parallel,
    nested,
    radiograph,
    store,
    store_dataset,
    wait_until,
)


def assert_next_good_instance_is_taken(site, assoc=None):
    good = radiograph()
    if assoc is None:
        assert store_dataset(site.port, good) == 0x0000
    else:
        assert store(assoc, encode(good), good.SOPInstanceUID) == 0x0000
    assert good.SOPInstanceUID in site.stored_uids()


def test_echo_is_answered(site):
    assert echo_works(site.port)


def test_acknowledged_instance_is_on_disk_with_who_sent_it(site):
    dataset = radiograph()
    assert store_dataset(site.port, dataset) == 0x0000
    (instance,) = site.spool.incoming()
    assert instance.digest == hashlib.sha256(encode(dataset)).hexdigest()
    assert (instance.association.calling_ae, instance.association.called_ae) == ("MODALITY1", "JANUSMED")
    assert instance.association.source_address == "127.0.0.1"
    ((_, uid, outcome),) = site.events.of("instance_stored")
    assert (uid, outcome.disposition) == (dataset.SOPInstanceUID, Disposition.STORED)


def test_instance_without_pixels_is_stored(site):
    assert store_dataset(site.port, radiograph(pixels=False)) == 0x0000


@pytest.mark.parametrize("rows", [0, 30000])
def test_absurd_dimensions_are_stored_unread(site, rows):
    """Pixels are nobody's business in the listener; the decoder of the drafting worker is sandboxed."""
    assert store_dataset(site.port, radiograph(Rows=rows, Columns=rows)) == 0x0000


BAD = {
    "not DICOM": (lambda: b"%PDF-1.7 not DICOM" * 30, "not a readable data set"),
    "empty": (lambda: b"\0\0", "truncated"),
    "truncated header": (lambda: encode(radiograph())[:101], "truncated"),
    "truncated pixels": (lambda: encode(radiograph())[:-9], "truncated"),
    "200 nested sequences": (lambda: encode(radiograph()) + nested(200, undefined=True), "nested deeper"),
    "200 nested sequences of known length": (
        lambda: encode(radiograph()) + nested(200, undefined=False),
        "nested deeper",
    ),
    "file instead of data set": (
        lambda: bytes(128) + b"DICM" + encode(radiograph()),
        "not a readable data set",
    ),
    "200 nested sequences behind a megabyte": (
        lambda: encode(radiograph(side=900)) + nested(200, undefined=True),
        "nested deeper",
    ),
    "no study": (lambda: encode(_without(radiograph(), "StudyInstanceUID")), "no Study Instance UID"),
}


def _without(dataset, keyword):
    delattr(dataset, keyword)
    return dataset


@pytest.mark.covers("L13", "T21")
@pytest.mark.parametrize("name", BAD)
def test_unreadable_instance_is_refused_with_a_reason_and_kept_aside(site, name):
    make, reason = BAD[name]
    data = make()
    with association(site.port) as assoc:
        assert store(assoc, data, "1.2.3.4") == 0xC000
        assert_next_good_instance_is_taken(site, assoc)
    (aside,) = site.spool.quarantined()
    assert reason in aside.reason
    assert aside.status == 0xC000
    assert aside.digest == hashlib.sha256(data).hexdigest()
    assert aside.path.read_bytes().endswith(data)
    assert len(site.events.of("instance_quarantined")) == 1


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.covers("T18")
@pytest.mark.parametrize(
    "uid", ["../../x", "/tmp/evil.dcm", "1.2/../../x", "a\\b", "%2e%2e", "~root", "1.2.3 4"]
)
def test_uids_that_are_paths_are_refused_and_write_nothing_outside(site, uid):
    dataset = radiograph(pixels=False)
    data = encode(dataset).replace(str(dataset.SOPInstanceUID).encode(), _padded(uid, dataset))
    before = {path for path in site.spool.layout.root.parent.rglob("*") if "spool" not in path.parts}
    with association(site.port) as assoc:
        assert store(assoc, data, uid) == 0xC000
        assert_next_good_instance_is_taken(site, assoc)
    assert {p for p in site.spool.layout.root.parent.rglob("*") if "spool" not in p.parts} == before
    assert not any("evil" in p.name or p.name == "x" for p in site.spool.layout.root.rglob("*"))


def _padded(uid, dataset):
    return uid.encode().ljust(len(str(dataset.SOPInstanceUID)), b"\0")


@pytest.mark.covers("T19")
def test_command_that_names_another_instance_is_refused_with_a900(site):
    dataset = radiograph()
    with association(site.port) as assoc:
        assert store(assoc, encode(dataset), "1.2.3.4.5") == 0xA900
        assert store(assoc, encode(dataset), dataset.SOPInstanceUID, sop_class=CT) == 0xA900
        assert site.stored_uids() == set()
        assert_next_good_instance_is_taken(site, assoc)
    reasons = [arguments[2].reason for arguments in site.events.of("instance_quarantined")]
    assert ["SOP Instance UID" in r or "SOP Class UID" in r for r in reasons] == [True, True]


@pytest.mark.covers("L7")
def test_same_instance_twice_is_acknowledged_twice_and_is_one(site):
    dataset = radiograph()
    assert [store_dataset(site.port, dataset) for _ in range(2)] == [0x0000, 0x0000]
    assert len(site.spool.incoming()) == 1
    dispositions = [arguments[2].disposition for arguments in site.events.of("instance_stored")]
    assert dispositions == [Disposition.STORED, Disposition.DUPLICATE]
    assert_next_good_instance_is_taken(site)


@pytest.mark.covers("L7")
def test_same_uid_with_other_bytes_is_refused_and_both_are_kept(site):
    dataset = radiograph()
    assert store_dataset(site.port, dataset) == 0x0000
    changed = radiograph(SOPInstanceUID=dataset.SOPInstanceUID, PatientID="P2")
    assert store_dataset(site.port, changed) == 0xC000
    assert [i.header.patient_id for i in site.spool.incoming()] == ["P1"]
    assert [q.header.patient_id for q in site.spool.quarantined()] == ["P2"]
    assert len(site.events.of("instance_quarantined")) == 1
    assert_next_good_instance_is_taken(site)


@pytest.mark.covers("L7")
def test_ten_parallel_associations_with_one_instance_leave_one_file(site):
    dataset = radiograph(side=128)
    statuses = in_parallel(10, lambda _: store_dataset(site.port, dataset))
    assert statuses == [0x0000] * 10
    assert len(site.spool.incoming()) == 1
    assert len(list(site.spool.layout.objects.rglob("*.dcm"))) == 1


def test_sink_that_fails_is_answered_with_out_of_resources(spool):
    class Failing(SpoolSink):
        broken = True

        def accept(self, instance, header):
            if self.broken:
                raise RuntimeError("index away")
            return super().accept(instance, header)

    sink = Failing(spool)
    listener = Listener(ListenerConfig(peers=(Peer("MODALITY1"),), port=0), sink, LoggedEvents())
    listener.start()
    try:
        dataset = radiograph()
        assert store_dataset(listener.port, dataset) == 0xA700
        sink.broken = False
        assert store_dataset(listener.port, dataset) == 0x0000
    finally:
        listener.stop(0.2)


def test_callback_that_fails_never_breaks_reception(spool):
    class Broken:
        def __getattr__(self, name):
            def fail(*_):
                raise RuntimeError(name)

            return fail

    listener = Listener(ListenerConfig(peers=(Peer("MODALITY1"),), port=0), SpoolSink(spool), Broken())
    listener.start()
    try:
        assert store_dataset(listener.port, radiograph()) == 0x0000
        with association(listener.port, calling="NOBODY") as assoc:
            assert assoc.is_rejected
        assert store_dataset(listener.port, radiograph()) == 0x0000
    finally:
        listener.stop(0.2)


@pytest.mark.covers("L9")
def test_abort_in_the_middle_of_a_send_keeps_what_was_acknowledged(site):
    datasets = [radiograph() for _ in range(3)]
    with association(site.port) as assoc:
        for dataset in datasets:
            assert store(assoc, encode(dataset), dataset.SOPInstanceUID) == 0x0000
        assoc.abort()
    assert site.stored_uids() == {d.SOPInstanceUID for d in datasets}
    assert wait_until(lambda: len(site.events.of("association_aborted")) == 1)
    assert_next_good_instance_is_taken(site)


def test_stop_ends_associations_and_frees_the_port(site):
    with association(site.port) as assoc:
        port = site.port
        site.listener.stop(timeout=0.2)
        assert wait_until(lambda: not assoc.is_established)
        assert not echo_works(port)
    assert site.listener.open_associations == 0
    assert site.listener.open_studies() == frozenset()


def test_listener_comes_back_with_what_it_had(site, start_site):
    dataset = radiograph()
    assert store_dataset(site.port, dataset) == 0x0000
    site.listener.stop(0.2)
    again = start_site(port=site.port or 0)
    assert again.stored_uids() == {dataset.SOPInstanceUID}
    assert store_dataset(again.port, dataset) == 0x0000
    assert len(again.spool.incoming()) == 1


def test_no_patient_data_reaches_the_log(start_site, caplog):
    caplog.set_level("DEBUG")
    site = start_site(events=LoggedEvents())
    dataset = radiograph(PatientName="CANARYNAME^X", PatientID="CANARYID", StudyDescription="CANARYDESC")
    uid = dataset.SOPInstanceUID
    with association(site.port) as assoc:
        assert store(assoc, encode(dataset), uid) == 0x0000
        assert store(assoc, encode(dataset), "1.2.3") == 0xA900
        assert store(assoc, encode(dataset)[:300], uid) == 0xC000
        changed = radiograph(SOPInstanceUID=uid, PatientName="CANARYNAME^Y")
        assert store(assoc, encode(changed), uid, CR, EXPLICIT) == 0xC000
    site.listener.stop(0.2)
    logged = "\n".join(record.getMessage() + str(record.__dict__) for record in caplog.records)
    assert "association_opened" in logged
    assert "CANARY" not in logged


def test_spool_is_free_again_after_close(spool):
    spool.close()
    again = Spool(spool.layout.root)
    again.recover()
    again.close()
