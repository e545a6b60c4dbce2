"""The sender: what it reports, what it retries, what it raises, against real and scripted peers."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.acse import ACSE

from pacs_bridge import (
    AssociationRejected,
    Destination,
    Peer,
    Rejected,
    Retriable,
    Timeouts,
    echo,
    send_instances,
)
from tests.bridge.peers import CALLED, CALLING, EXPLICIT, radiograph, with_meta

QUICK = Timeouts(connection=3, acse=3, dimse=1.5, network=10)


def to(port, ae_title=CALLED):
    return Destination(ae_title, "127.0.0.1", port)


@pytest.fixture
def scripted():
    """A pynetdicom SCP that answers C-STORE as told; gives its port and the requests it saw."""
    servers = []

    def start(answer):
        seen = []

        def on_store(event):
            seen.append(str(event.request.AffectedSOPInstanceUID))
            return answer(event, len(seen))

        ae = AE(CALLED)
        ae.supported_contexts = AllStoragePresentationContexts
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
        servers.append(server)
        return server.server_address[1], seen

    yield start
    for server in servers:
        server.shutdown()


def test_files_and_data_sets_are_sent_in_order(site, ct_slice, tmp_path):
    dataset = with_meta(radiograph())
    file = tmp_path / "x.dcm"
    second = with_meta(radiograph())
    second.save_as(file, enforce_file_format=True)
    outcomes = send_instances([dataset, file, ct_slice], to(site.port), calling_ae=CALLING)
    assert [o.status for o in outcomes] == [0, 0, 0]
    assert [o.attempts for o in outcomes] == [1, 1, 1]
    assert {o.sop_instance_uid for o in outcomes} == site.stored_uids()
    assert len(site.events.of("association_opened")) == 1


def test_nothing_to_send_needs_no_peer():
    assert send_instances([], to(1), calling_ae=CALLING) == []


def test_echo_of_a_peer_that_knows_us(site):
    echo(to(site.port), calling_ae=CALLING)


def test_rejected_association_says_what_to_do(site):
    with pytest.raises(AssociationRejected, match="must know us") as refusal:
        send_instances([with_meta(radiograph())], to(site.port), calling_ae="STRANGER")
    assert refusal.value.codes == (1, 1, 3)
    with pytest.raises(AssociationRejected, match="called AE"):
        echo(to(site.port, "WRONG"), calling_ae=CALLING)


def test_full_peer_is_worth_another_try(start_site):
    from tests.bridge.peers import RawPeer

    site = start_site(maximum_associations=1)
    holder = RawPeer.connect(site.port)
    assert holder.associate() == b"\x02"
    with pytest.raises(Retriable, match="local limit exceeded"):
        echo(to(site.port), calling_ae=CALLING)
    holder.close()


def test_rejection_is_one_although_the_connection_is_gone_before_anybody_looks(site, monkeypatch):
    asked = ACSE.send_request

    def send_request(self):
        asked(self)
        time.sleep(0.5)  # the thread that looks loses the processor

    monkeypatch.setattr(ACSE, "send_request", send_request)
    with pytest.raises(AssociationRejected, match="must know us") as refusal:
        echo(to(site.port), calling_ae="STRANGER")
    assert refusal.value.codes == (1, 1, 3)


def test_absent_peer_is_worth_another_try():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Retriable, match="cannot be reached"):
            echo(to(unused.getsockname()[1]), calling_ae=CALLING, timeouts=QUICK)


def test_silent_peer_is_worth_another_try():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Retriable):
        echo(to(silent.getsockname()[1]), calling_ae=CALLING, timeouts=QUICK)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (0xA700, Retriable),
        (0xA701, Retriable),
        (0x0110, Retriable),
        (0xA900, Rejected),
        (0xC000, Rejected),
        (0x0124, Rejected),
        (0x0111, Rejected),
    ],
)
def test_failure_status_decides_between_retry_and_never(scripted, status, error):
    port, seen = scripted(lambda *_: status)
    with pytest.raises(error):
        send_instances([with_meta(radiograph())], to(port), calling_ae=CALLING)
    assert len(seen) == 1


def test_warning_status_means_sent(scripted):
    port, _ = scripted(lambda *_: 0xB007)
    (outcome,) = send_instances([with_meta(radiograph())], to(port), calling_ae=CALLING)
    assert outcome.status == 0xB007


def test_lost_answer_is_asked_for_again_with_the_same_uid(scripted):
    """The peer stored it, its answer never came: a new association sends the same instance again."""
    held = threading.Event()

    def answer(_, count):
        if count == 2:
            held.wait(3)
        return 0x0000

    port, seen = scripted(answer)
    datasets = [with_meta(radiograph()) for _ in range(3)]
    outcomes = send_instances(datasets, to(port), calling_ae=CALLING, timeouts=QUICK)
    held.set()
    uids = [str(d.SOPInstanceUID) for d in datasets]
    assert seen == [uids[0], uids[1], uids[1], uids[2]]
    assert [o.attempts for o in outcomes] == [1, 2, 1]


def test_duplicate_after_a_lost_answer_means_it_is_there(scripted):
    def answer(event, count):
        if count == 1:
            event.assoc.abort()
            return 0x0000
        return 0x0111

    port, seen = scripted(answer)
    (outcome,) = send_instances([with_meta(radiograph())], to(port), calling_ae=CALLING, timeouts=QUICK)
    assert (outcome.status, outcome.attempts) == (0x0111, 2)
    assert len(set(seen)) == 1


def test_duplicate_of_what_a_killed_process_sent_means_it_is_there(scripted):
    port, seen = scripted(lambda *_: 0x0111)
    (outcome,) = send_instances([with_meta(radiograph())], to(port), calling_ae=CALLING, sent_before=True)
    assert (outcome.status, len(seen)) == (0x0111, 1)


def test_peer_that_never_answers_ends_in_retriable(scripted):
    port, seen = scripted(lambda event, _: event.assoc.abort() or 0x0000)
    with pytest.raises(Retriable, match="3 attempts"):
        send_instances([with_meta(radiograph())], to(port), calling_ae=CALLING, timeouts=QUICK)
    assert len(seen) == 3


def test_type_the_peer_does_not_take_is_rejected(site):
    strange = with_meta(radiograph(SOPClassUID="1.2.3.4.5"))
    with pytest.raises(Rejected, match="accepts none"):
        send_instances([strange], to(site.port), calling_ae=CALLING)
    with pytest.raises(Rejected, match="as it is encoded"):
        send_instances([with_meta(radiograph()), strange], to(site.port), calling_ae=CALLING)


@pytest.mark.slow
def test_more_types_than_contexts_take_two_associations(start_site):
    """Presentation context identifiers end at 255: 128 in one association (PS3.8 9.3.2.2)."""
    site = start_site(peers=(Peer(CALLING),))
    classes = [str(cx.abstract_syntax) for cx in AllStoragePresentationContexts][:130]
    datasets = [with_meta(radiograph(SOPClassUID=uid, pixels=False)) for uid in classes]
    assert len(send_instances(datasets, to(site.port), calling_ae=CALLING)) == 130
    assert len(site.events.of("association_opened")) == 2


def test_what_is_no_dicom_file_is_named(tmp_path, site):
    file = tmp_path / "letter.pdf"
    file.write_bytes(b"%PDF-1.7")
    with pytest.raises(Rejected, match=r"letter\.pdf"):
        send_instances([file], to(site.port), calling_ae=CALLING)
    with pytest.raises(Rejected):
        send_instances([Dataset()], to(site.port), calling_ae=CALLING)


def test_destination_is_read_from_text():
    assert Destination.parse("PACS@archive.example:104") == Destination("PACS", "archive.example", 104)
    assert Destination.parse("PACS@[::1]:104").host == "::1"
    assert str(Destination.parse("PACS@h:1")) == "PACS@h:1"
    for text in ("PACS", "PACS@host", "@host:1", "PACS@:1", "PACS@host:x"):
        with pytest.raises(ValueError, match="AE@HOST:PORT"):
            Destination.parse(text)


def test_compressed_files_are_sent_as_they_are(site):
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    path = get_testdata_file("JPEG2000.dcm", download=False)
    (outcome,) = send_instances([path], to(site.port), calling_ae=CALLING)
    assert outcome.status == 0x0000
    (instance,) = site.spool.incoming()
    assert dcmread(instance.path).PixelData == dcmread(path).PixelData
    assert instance.header.transfer_syntax != EXPLICIT
