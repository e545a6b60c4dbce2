"""Facts 1 to 7 of protocol safety, each with its remedy: a bad peer acts, a good peer is served meanwhile.

Covered: oversized and slow PDUs, endless and misbehaving messages, deflated syntax, aborted receives, silent
peers, descriptors above 1023. Not covered: pixels (not decoded here), UIDs (test_listener_contract), TLS
(test_tls).
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import struct
import threading
import time

import psutil
import pytest

from pacs_bridge import TransportLimits
from tests.bridge.peers import (
    CALLED,
    CALLING,
    CR,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    RawPeer,
    associate_rq,
    association,
    echo_works,
    encode,
    p_data,
    radiograph,
    store,
    store_command,
    store_dataset,
    wait_until,
)


def temporary_files(site):
    return os.listdir(site.spool.layout.temp)


def _size(site, name):
    try:
        return (site.spool.layout.temp / name).stat().st_size
    except FileNotFoundError:
        return 0


def aborts(site):
    return [arguments[1] for arguments in site.events.of("association_aborted")]


@pytest.mark.covers("T12")
def test_giant_pdu_before_the_association_is_cut_off(site):
    """Fact 1: a declared PDU of 4 GiB."""
    peer = RawPeer.connect(site.port)
    peer.send(struct.pack(">BBL", 0x01, 0, 0xFFFFFFFF))
    assert peer.is_closed()
    assert wait_until(lambda: "262144 are allowed" in "".join(aborts(site)))
    assert echo_works(site.port)


@pytest.mark.slow
@pytest.mark.covers("T12")
def test_giant_pdus_cost_no_memory(site):
    """Fact 1, with the bytes really sent: 20 connections, up to 64 MiB each."""
    process = psutil.Process()
    before = process.memory_info().rss
    block = bytes(1 << 20)
    for _ in range(20):
        peer = RawPeer.connect(site.port)
        peer.send(struct.pack(">BBL", 0x01, 0, 0xFFFFFFFF))
        try:
            for _ in range(64):
                peer.send(block)
        except OSError:
            pass
        peer.close()
    growth = (process.memory_info().rss - before) / 2**20
    print(f"RSS growth {growth:.1f} MiB")
    assert growth < 16
    assert echo_works(site.port)


def test_pdu_longer_than_negotiated_is_cut_off(site):
    peer = RawPeer.connect(site.port)
    assert peer.associate() == b"\x02"
    peer.send(struct.pack(">BBL", 0x04, 0, 262_144 + 7))
    assert peer.is_closed()
    assert echo_works(site.port)


@pytest.mark.covers("T13")
@pytest.mark.parametrize("sources", [1, 16])
def test_dripping_and_silent_peers_keep_nobody_out(site, sources):
    """Fact 2: 64 sockets that send one byte now and then, 64 that send nothing, from one or 16 addresses."""
    stop = threading.Event()
    peers = [RawPeer.connect(site.port, f"127.0.0.{1 + n % sources}") for n in range(128)]
    request = associate_rq(CALLING, CALLED, [(CR, EXPLICIT)])

    def drip():
        position = 0
        while not stop.wait(0.2) and position < len(request) - 1:
            for peer in peers[:64]:
                try:
                    peer.send(request[position : position + 1])
                except OSError:
                    continue
            position += 1

    dripping = threading.Thread(target=drip)
    dripping.start()
    times = []
    for _ in range(10):
        start = time.monotonic()
        assert echo_works(site.port)
        times.append(time.monotonic() - start)
    assert store_dataset(site.port, radiograph()) == 0x0000
    stop.set()
    dripping.join()
    print(f"slowest C-ECHO with association {max(times) * 1000:.0f} ms")
    for peer in peers:
        peer.close()
    assert wait_until(lambda: acceptor_threads() == 0)


def test_dripping_peer_is_cut_at_the_deadline_of_the_request(start_site):
    site = start_site(transport=TransportLimits(request_deadline=1.0))
    peer = RawPeer.connect(site.port)
    request = associate_rq(CALLING, CALLED, [(CR, EXPLICIT)])
    closed = False
    for byte in request[:100]:
        try:
            peer.send(bytes([byte]))
        except OSError:
            closed = True
            break
        time.sleep(0.1)
    assert closed or peer.is_closed(2)


def test_dripping_pdu_after_the_association_is_cut_at_its_deadline(start_site):
    site = start_site(transport=TransportLimits(pdu_deadline=1.0))
    peer = RawPeer.connect(site.port)
    assert peer.associate() == b"\x02"
    peer.send(struct.pack(">BBL", 0x04, 0, 1000))
    for _ in range(100):
        try:
            peer.send(b"\0")
        except OSError:
            break
        time.sleep(0.1)
    assert peer.is_closed(2)
    assert wait_until(lambda: "a PDU was not complete in time" in aborts(site))
    assert echo_works(site.port)


@pytest.mark.covers("T15")
def test_message_without_end_is_aborted_at_the_limit(start_site):
    """Fact 4: the last-fragment bit never comes."""
    site = start_site(transport=TransportLimits(message=8 << 20))
    peer = RawPeer.connect(site.port)
    assert peer.associate() == b"\x02"
    peer.send(p_data(0x03, store_command("1.2.3")))
    fragment = p_data(0x00, bytes(130_000))
    sent = largest = 0
    with contextlib.suppress(OSError):
        while sent < 1 << 30:
            peer.send(fragment)
            sent += len(fragment)
            largest = max([largest, *(_size(site, name) for name in temporary_files(site))])
    print(f"connection ended after {sent / 2**20:.0f} MiB, at most {largest / 2**20:.1f} MiB were kept")
    # the limit, what is forgotten after the A-ABORT, and the buffers of the sockets
    assert sent < 128 << 20
    assert 0 < largest <= 8 << 20
    assert wait_until(lambda: any("data set is longer" in reason for reason in aborts(site)))
    assert wait_until(lambda: temporary_files(site) == [])
    assert echo_works(site.port)


@pytest.mark.covers("T15")
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ([p_data(0x01, bytes(60_000))] * 3, "command set is longer"),
        ([struct.pack(">BBLLB", 0x04, 0, 5, 1, 1)], "empty fragment"),
        ([p_data(0x03, b"\xff" * 40)], ""),
        ([p_data(0x02, b"data before any command")], ""),
        ([p_data(0x03, store_command("1.2.3", sop_class="1.2.3.4")), p_data(0x02, b"x" * 2_000_000)], ""),
        ([struct.pack(">BBL", 0x09, 0, 4) + b"junk"], ""),
        ([struct.pack(">BBL", 0x02, 0, 4) + b"junk"], ""),
        ([associate_rq(CALLING, CALLED, [(CR, EXPLICIT)])], ""),
    ],
)
def test_garbage_after_the_association_ends_it_and_leaves_nothing(site, script, reason):
    peer = RawPeer.connect(site.port)
    assert peer.associate() == b"\x02"
    for pdu in script:
        try:
            peer.send(pdu)
        except OSError:
            break
    assert peer.is_closed()
    assert wait_until(lambda: len(aborts(site)) == 1)
    assert reason in aborts(site)[0]
    assert wait_until(lambda: site.listener.open_associations == 0)
    assert wait_until(lambda: temporary_files(site) == [])
    assert store_dataset(site.port, radiograph()) == 0x0000


@pytest.mark.covers("T15")
@pytest.mark.parametrize(
    "greeting",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x00" * 64,
        struct.pack(">BBL", 0x04, 0, 10) + bytes(10),
        struct.pack(">BBL", 0x01, 0, 10) + bytes(10),
        struct.pack(">BBL", 0x05, 0, 4) + bytes(4),
        b"\x01",
    ],
)
def test_garbage_before_the_association_ends_the_connection(start_site, greeting):
    site = start_site(transport=TransportLimits(request_deadline=2.0))
    peer = RawPeer.connect(site.port)
    peer.send(greeting)
    assert peer.is_closed()
    assert echo_works(site.port)


@pytest.mark.covers("T15")
def test_requests_ahead_of_answers_are_bounded(site, monkeypatch):
    """Without negotiated asynchronous operations a peer waits; one that does not is aborted, not buffered."""
    entered, leave = threading.Event(), threading.Event()
    accept = site.listener._sink.accept

    def slow(instance, header):
        entered.set()
        leave.wait(20)
        return accept(instance, header)

    monkeypatch.setattr(site.listener._sink, "accept", slow)
    dataset = radiograph()
    peer = RawPeer.connect(site.port)
    assert peer.associate() == b"\x02"
    message = p_data(0x03, store_command(dataset.SOPInstanceUID)) + p_data(0x02, encode(dataset))
    peer.send(message)
    assert entered.wait(10)
    for _ in range(100):
        try:
            peer.send(message)
        except OSError:
            break
    leave.set()
    assert peer.is_closed()
    assert wait_until(lambda: any("without waiting" in reason for reason in aborts(site)))
    monkeypatch.setattr(site.listener._sink, "accept", accept)
    assert store_dataset(site.port, radiograph()) == 0x0000


def test_deflated_syntax_is_not_accepted(site):
    """Fact 5: 300 KB would become 300 MiB."""
    with association(site.port, contexts=[(CR, DEFLATED)]) as assoc:
        assert assoc.accepted_contexts == []
    with association(site.port, contexts=[(CR, EXPLICIT)]) as assoc:
        assert len(assoc.accepted_contexts) == 1


@pytest.mark.covers("T15")
def test_ten_aborted_receives_leave_no_file(start_site):
    """Fact 7, with data sets that already went to a part file."""
    site = start_site(transport=TransportLimits(memory=1000))
    for _ in range(10):
        peer = RawPeer.connect(site.port)
        assert peer.associate() == b"\x02"
        peer.send(p_data(0x03, store_command("1.2.3")) + p_data(0x00, bytes(100_000)))
        assert wait_until(lambda: len(temporary_files(site)) == 1)
        peer.close()
        assert wait_until(lambda: temporary_files(site) == [])
    assert store_dataset(site.port, radiograph(side=64)) == 0x0000
    assert temporary_files(site) == []


@pytest.mark.covers("L5")
def test_silent_peer_is_aborted_and_its_place_is_free(start_site):
    assert TransportLimits().network_timeout == 60.0
    site = start_site(transport=TransportLimits(network_timeout=1.0), maximum_associations=1)
    peer = RawPeer.connect(site.port)
    assert peer.associate() == b"\x02"
    assert wait_until(lambda: site.listener.open_associations == 0)
    assert echo_works(site.port)
    assert peer.is_closed()


def acceptor_threads():
    return sum(thread.name.startswith("AcceptorThread") for thread in threading.enumerate())


@pytest.mark.slow
@pytest.mark.covers("L5")
def test_a_thousand_abruptly_closed_sockets_leave_nothing(site):
    assert echo_works(site.port)
    process = psutil.Process()
    threads, descriptors = process.num_threads(), process.num_fds()
    request = associate_rq(CALLING, CALLED, [(CR, EXPLICIT)])
    for number in range(1000):
        peer = RawPeer.connect(site.port)
        if number % 3:
            peer.send(request[: 17 * (number % 9)] if number % 3 == 1 else request)
        if number % 2:
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    assert wait_until(lambda: site.listener.open_associations == 0, 60)
    assert wait_until(lambda: process.num_fds() <= descriptors + 5, 60)
    assert process.num_threads() <= threads + 5
    assert echo_works(site.port)
    print(f"extra threads {process.num_threads() - threads}, descriptors {process.num_fds() - descriptors}")


def test_descriptors_above_1023_are_served(site):
    """`select` fails there; the guard polls."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip("the hard limit of open files is below 2048")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    held = []
    try:
        while not held or held[-1] < 1100:
            held.append(os.dup(0))
        peer = RawPeer.connect(site.port)
        assert peer.associate() == b"\x02"
        dataset = radiograph()
        peer.send(p_data(0x03, store_command(dataset.SOPInstanceUID)) + p_data(0x02, encode(dataset)))
        assert peer.receive_pdu()[:1] == b"\x04"
        assert dataset.SOPInstanceUID in site.stored_uids()
        peer.close()
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_big_endian_and_implicit_are_stored_as_sent(site):
    from tests.bridge.peers import BIG_ENDIAN

    for syntax in (IMPLICIT, BIG_ENDIAN):
        dataset = radiograph()
        data = encode(dataset, syntax)
        with association(site.port, contexts=[(CR, syntax)]) as assoc:
            assert store(assoc, data, dataset.SOPInstanceUID, CR, syntax) == 0x0000
        (instance,) = (
            i for i in site.spool.incoming() if i.header.sop_instance_uid == dataset.SOPInstanceUID
        )
        assert instance.path.read_bytes().endswith(data)
        assert instance.header.transfer_syntax == syntax
