"""A byte-script peer: fifty-odd ways to break the protocol; each ends the association and leaves nothing.

Covered: wrong PDUs in every state, malformed PDUs, fragments and commands, floods. Not covered: fuzzing,
limits of time and length (test_transport_limits).
"""

from __future__ import annotations

import os
import struct
import threading

import psutil
import pytest

from pacs_bridge.command_set import decode_command
from pacs_bridge.errors import ProtocolViolation
from pacs_bridge.pdu import decode_associate_request, fragments_of
from pacs_bridge.upper_layer import TRANSITIONS, Event, State
from tests.bridge.peers import (
    CALLED,
    CALLING,
    CR,
    EXPLICIT,
    RawPeer,
    associate_rq,
    association,
    p_data,
    radiograph,
    store_command,
    store_dataset,
    wait_until,
)

REQUEST = associate_rq(CALLING, CALLED, [(CR, EXPLICIT)])


def pdu(kind, body=bytes(4)):
    return struct.pack(">BBL", kind, 0, len(body)) + body


def values(*parts):
    return pdu(4, b"".join(parts))


def item(kind, value):
    return struct.pack(">BxH", kind, len(value)) + value


def context(number, *items):
    return item(0x20, bytes((number, 0, 0, 0)) + b"".join(items))


FIXED = bytes(REQUEST[6:74])
ABSTRACT, TRANSFER = item(0x30, CR.encode()), item(0x40, EXPLICIT.encode())
GOOD = context(1, ABSTRACT, TRANSFER)


def element(number, value, group=0):
    return struct.pack("<HHL", group, number, len(value)) + value


COMMAND = store_command("1.2.3")
FIELD, TYPE, IDENTIFIER = (
    element(0x0100, b"\1\0"),
    element(0x0800, b"\1\1"),
    element(0x0110, b"\1\0"),
)

BEFORE = {
    "A-ASSOCIATE-AC first": pdu(2),
    "A-ASSOCIATE-RJ first": pdu(3),
    "P-DATA first": p_data(3, COMMAND),
    "A-RELEASE-RQ first": pdu(5),
    "A-RELEASE-RP first": pdu(6),
    "A-ABORT first": pdu(7),
    "type 0": pdu(0),
    "type 8": pdu(8),
    "type 255": pdu(255),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00" + bytes(100),
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "request without body": pdu(1, b""),
    "request cut in its titles": pdu(1, FIXED[:40]),
    "request without contexts": pdu(1, FIXED),
    "even context identifier": pdu(1, FIXED + context(2, ABSTRACT, TRANSFER)),
    "context identifier twice": pdu(1, FIXED + GOOD + GOOD),
    "context without abstract syntax": pdu(1, FIXED + context(1, TRANSFER)),
    "context with two abstract syntaxes": pdu(1, FIXED + context(1, ABSTRACT, ABSTRACT, TRANSFER)),
    "context without transfer syntax": pdu(1, FIXED + context(1, ABSTRACT)),
    "context of two bytes": pdu(1, FIXED + item(0x20, b"\1\0")),
    "item past the end": pdu(1, FIXED + struct.pack(">BxH", 0x20, 60_000) + b"x"),
    "end inside an item header": pdu(1, FIXED + GOOD + b"\x50\0"),
    "UID of 66 characters": pdu(1, FIXED + context(1, item(0x30, b"1" * 66), TRANSFER)),
    "maximum length of three bytes": pdu(1, FIXED + GOOD + item(0x50, item(0x51, b"\0\0\0"))),
    "role selection past its end": pdu(1, FIXED + GOOD + item(0x50, item(0x54, b"\0\x40123\1\1"))),
}
AFTER = {
    "second request": REQUEST,
    "A-ASSOCIATE-AC": pdu(2),
    "A-ASSOCIATE-RJ": pdu(3),
    "A-RELEASE-RP": pdu(6),
    "A-ABORT": pdu(7),
    "unknown type": pdu(0x2A),
    "release of five bytes": pdu(5, bytes(5)),
    "abort of no bytes": pdu(7, b""),
    "no fragments": pdu(4, b""),
    "fragment past the end": values(struct.pack(">LBB", 5000, 1, 3) + b"x"),
    "fragment of no bytes": values(struct.pack(">L", 0) + bytes(4)),
    "fragment of one byte": values(struct.pack(">LB", 1, 1) + bytes(4)),
    "end inside a fragment header": values(b"\0\0\0"),
    "4 GiB fragment": values(struct.pack(">LBB", 0xFFFFFFFF, 1, 3) + b"x"),
    "context that was not accepted": p_data(3, COMMAND, 77),
    "context changed inside a message": p_data(1, COMMAND[:20]) + p_data(3, COMMAND[20:], 3),
    "data without a command": p_data(2, b"data"),
    "command before its data": p_data(3, COMMAND) + p_data(3, COMMAND),
    "command of noise": p_data(3, b"\xff" * 40),
    "empty command": p_data(3, b""),
    "command without field": p_data(3, TYPE + IDENTIFIER),
    "command without data set type": p_data(3, FIELD + IDENTIFIER),
    "request without identifier": p_data(3, FIELD + TYPE),
    "field of four bytes": p_data(3, element(0x0100, bytes(4)) + TYPE + IDENTIFIER),
    "another group": p_data(3, FIELD + TYPE + IDENTIFIER + element(0x0010, b"x", 0x0010)),
    "element twice": p_data(3, FIELD + FIELD + TYPE + IDENTIFIER),
    "element past the end": p_data(3, FIELD + TYPE + struct.pack("<HHL", 0, 0x0110, 900)),
    "command without end": p_data(1, bytes(60_000)) * 3,
    "data without end, then abort": p_data(3, COMMAND) + p_data(0, bytes(50_000)) * 40 + pdu(7),
    "release inside a message": p_data(1, COMMAND[:20]) + pdu(5) + p_data(3, COMMAND[20:]),
    "data after release": pdu(5) + p_data(3, COMMAND),
    "release twice": pdu(5) + pdu(5),
    "request after release": pdu(5) + REQUEST,
}


def run_script(site, script, *, established):
    peer = RawPeer.connect(site.port)
    if established:
        assert peer.associate() == b"\x02"
    try:
        peer.send(script)
    except OSError:
        return True
    ended = peer.is_closed()
    peer.close()
    return ended


@pytest.mark.slow
@pytest.mark.covers("T15")
def test_every_script_is_ended_and_leaves_nothing(site):
    assert store_dataset(site.port, radiograph()) == 0x0000
    scripts = [(False, *pair) for pair in BEFORE.items()] + [(True, *pair) for pair in AFTER.items()]
    process, threads = psutil.Process(), threading.active_count()
    before = process.memory_info().rss
    for established, name, script in scripts:
        assert run_script(site, script, established=established), name
    assert wait_until(lambda: site.listener.open_associations == 0)
    assert wait_until(lambda: os.listdir(site.spool.layout.temp) == [])
    growth = (process.memory_info().rss - before) / 2**20
    extra = threading.active_count() - threads
    print(f"{len(scripts)} scripts, RSS +{growth:.1f} MiB, threads {extra:+d}, temporary files 0")
    assert len(scripts) >= 40
    assert growth <= 20
    assert extra <= 5
    assert store_dataset(site.port, radiograph()) == 0x0000


@pytest.mark.covers("T15")
def test_ten_thousand_cancels_are_ignored(site):
    cancel = p_data(3, element(0x0100, b"\xff\x0f") + element(0x0120, b"\1\0") + TYPE)
    with association(site.port) as assoc:
        sock = assoc.dul.socket.socket
        for _ in range(10_000):
            sock.sendall(cancel)
        assert assoc.send_c_echo().Status == 0x0000
    assert site.stored_uids() == set()


@pytest.mark.parametrize("name", [n for n, s in BEFORE.items() if s[:1] == b"\1"])
def test_decoder_of_requests_raises_what_it_promises(name):
    with pytest.raises(ProtocolViolation):
        decode_associate_request(BEFORE[name][6:])


def test_every_truncation_of_good_pdus_is_read_or_refused():
    fragments = p_data(3, COMMAND)[6:]
    for decode, good in (
        (decode_associate_request, REQUEST[6:]),
        (decode_command, COMMAND),
        (lambda data: fragments_of(memoryview(data)), fragments),
    ):
        decode(good)
        for end in range(len(good)):
            try:
                decode(good[:end])
            except ProtocolViolation:
                continue


def test_every_event_of_a_peer_has_an_action_in_every_state():
    """PS3.8 table 9-10: nothing a peer does finds the machine without an answer."""
    of_peer = [Event.ASSOCIATE_AC, Event.ASSOCIATE_RJ, Event.ASSOCIATE_RQ, Event.P_DATA, Event.RELEASE_RQ]
    of_peer += [Event.RELEASE_RP, Event.ABORT, Event.CLOSED, Event.INVALID_PDU]
    for state in State:
        if state is not State.IDLE:
            assert all((state, event) in TRANSITIONS for event in of_peer), state
