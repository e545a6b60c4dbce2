"""The receive path against a plain pynetdicom SCP: the same bytes in, the same answers out.

Covered: A-ASSOCIATE-AC and -RJ, statuses and stored bytes of normal and odd requests. Not covered: what we
refuse and pynetdicom does not (limits, allow-list), which other modules test.
"""

from __future__ import annotations

import hashlib
import struct

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_AC

from pacs_bridge.listener_config import supported_contexts
from tests.bridge.peers import (
    BIG_ENDIAN,
    CALLED,
    CALLING,
    CR,
    CT,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    RawPeer,
    associate_rq,
    encode,
    p_data,
    radiograph,
    store_command,
)

VERIFICATION = "1.2.840.10008.1.1"
JPEG = "1.2.840.10008.1.2.4.50"


@pytest.fixture
def reference():
    """A plain SCP with our contexts; its port and the digests that it stored."""
    stored: set[str] = set()

    def keep(event):
        stored.add(hashlib.sha256(event.request.DataSet.getvalue()).hexdigest())
        return 0x0000

    ae = AE(CALLED)
    ae.require_called_aet = True
    ae.require_calling_aet = [CALLING]
    ae.supported_contexts = supported_contexts()
    ae.maximum_pdu_size = 262_144
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
    yield server.server_address[1], stored
    server.shutdown()


def summary_of(pdu):
    """What matters of an answer, however it is laid out."""
    if not pdu or pdu[0] == 7:
        return "ended"
    if pdu[0] == 2:
        answer = A_ASSOCIATE_AC()
        answer.decode(pdu)
        contexts = sorted(
            (cx.presentation_context_id, cx.result, str(cx.transfer_syntax) if cx.result == 0 else "")
            for cx in answer.presentation_context
        )
        return ("accepted", answer.application_context_name, bytes(pdu[6:74]), contexts)
    if pdu[0] == 4:
        return ("response", *response_of(pdu))
    return (pdu[0], bytes(pdu[6:]))


def response_of(pdu):
    """Context, and the fields of the command set but group length, comment and optional UIDs."""
    fields, position, body = {}, 12, pdu
    while position < len(body):
        _, element, length = struct.unpack_from("<HHL", body, position)
        fields[element] = body[position + 8 : position + 8 + length]
        position += 8 + length
    return pdu[10], {e: fields.get(e) for e in (0x0002, 0x0100, 0x0120, 0x0800, 0x0900)}


def talk(port, request, turns):
    """Send the request and each turn; the summaries of the answers. A turn is (bytes, answers expected)."""
    peer = RawPeer.connect(port)
    peer.send(request)
    answers = [summary_of(peer.receive_pdu())]
    for data, count in turns:
        try:
            peer.send(data)
        except OSError:
            answers.append("ended")
            break
        answers += [summary_of(peer.receive_pdu()) for _ in range(count)]
    peer.close()
    return answers


@pytest.mark.parametrize(
    "contexts",
    [
        [(CR, EXPLICIT)],
        [(CR, IMPLICIT), (CR, EXPLICIT), (CR, JPEG), (CT, BIG_ENDIAN), (VERIFICATION, IMPLICIT)],
        [("1.2.3.4.5", IMPLICIT), (CR, EXPLICIT)],
        [("1.2.3.4.5", IMPLICIT)],
        [(CR, DEFLATED), (CT, "1.2.3.4")],
        [(CR, [JPEG, IMPLICIT, EXPLICIT])],
        [(VERIFICATION, JPEG), (VERIFICATION, [DEFLATED, EXPLICIT])],
        [(CR, EXPLICIT)] * 128,
    ],
)
def test_same_contexts_are_accepted(site, reference, contexts):
    request = associate_rq(CALLING, CALLED, contexts)
    assert talk(site.port, request, []) == talk(reference[0], request, [])


@pytest.mark.parametrize(
    ("calling", "called"), [("NOBODY", CALLED), (CALLING, "OTHER"), ("a" * 16, "b" * 16)]
)
def test_same_requests_are_rejected_with_the_same_codes(site, reference, calling, called):
    request = associate_rq(calling, called, [(CR, EXPLICIT)])
    ours, theirs = (talk(port, request, []) for port in (site.port, reference[0]))
    if calling != CALLING:
        # both titles wrong: pynetdicom reports the last, we the first
        assert ours[0][1][1:3] == theirs[0][1][1:3]
    else:
        assert ours == theirs


def test_other_protocol_version_is_rejected_with_the_same_code(site, reference):
    request = bytearray(associate_rq(CALLING, CALLED, [(CR, EXPLICIT)]))
    request[7] = 2
    assert talk(site.port, bytes(request), []) == talk(reference[0], bytes(request), [])


def echo_command():
    command = Dataset()
    command.AffectedSOPClassUID = VERIFICATION
    command.CommandField = 0x0030
    command.MessageID = 7
    command.CommandDataSetType = 0x0101
    body = encode(command, IMPLICIT)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def pdv(control, data, context=1):
    return struct.pack(">LBB", len(data) + 2, context, control) + data


def one_pdu(*values):
    body = b"".join(values)
    return struct.pack(">BBL", 4, 0, len(body)) + body


def pieces(data, size):
    parts = [data[i : i + size] for i in range(0, len(data), size)]
    return [(0x02 if i == len(parts) - 1 else 0x00, part) for i, part in enumerate(parts)]


def shapes(command, data):
    """One C-STORE in many shapes of PDUs and fragments."""
    whole = p_data(0x03, command) + p_data(0x02, data)
    return {
        "two PDUs": whole,
        "one PDU": one_pdu(pdv(3, command), pdv(2, data)),
        "command in pieces": p_data(1, command[:30])
        + p_data(1, command[30:31])
        + p_data(3, command[31:])
        + p_data(2, data),
        "odd pieces": p_data(3, command) + b"".join(p_data(c, part) for c, part in pieces(data, 77)),
        "many PDVs in a PDU": one_pdu(pdv(3, command), *(pdv(c, part) for c, part in pieces(data, 13))),
        "empty last piece": p_data(3, command) + p_data(0, data) + p_data(2, b""),
        "empty piece between": p_data(3, command) + p_data(0, b"") + p_data(2, data),
    }


@pytest.mark.parametrize("name", list(shapes(b"", b"x")))
def test_every_shape_of_a_store_is_stored_as_sent(site, reference, name):
    dataset = radiograph()
    data = encode(dataset)
    message = shapes(store_command(dataset.SOPInstanceUID), data)[name]
    request = associate_rq(CALLING, CALLED, [(CR, EXPLICIT), (VERIFICATION, IMPLICIT)])
    echo = p_data(3, echo_command(), 3)
    release = struct.pack(">BBL", 5, 0, 4) + bytes(4)
    turns = [(echo, 1), (message, 1), (echo, 1), (message[:9], 0), (message[9:], 1), (release, 1)]
    ours, theirs = (talk(port, request, turns) for port in (site.port, reference[0]))
    assert ours == theirs
    (instance,) = site.spool.incoming()
    assert {instance.digest} == reference[1] == {hashlib.sha256(data).hexdigest()}


ABORT = struct.pack(">BBLBBBB", 7, 0, 4, 0, 0, 0, 0)
RELEASE_RQ, RELEASE_RP = (struct.pack(">BBL", kind, 0, 4) + bytes(4) for kind in (5, 6))


@pytest.mark.parametrize(
    "turns",
    [
        [(RELEASE_RQ, 1)],
        [(ABORT, 1)],
        [(RELEASE_RP, 1)],
        [(p_data(0x01, store_command("1.2.3")[:20]) + RELEASE_RQ, 1)],
        [(p_data(0x01, store_command("1.2.3")[:20]) + ABORT, 1)],
        [(p_data(0x03, store_command("1.2.3")) + p_data(0x00, b"abc") + ABORT, 1)],
        [(p_data(0x03, store_command("1.2.3"), 99) + p_data(0x02, b"data", 99), 1)],
        [(associate_rq(CALLING, CALLED, [(CR, EXPLICIT)]), 1)],
        [(struct.pack(">BBL", 2, 0, 4) + bytes(4), 1)],
        [(struct.pack(">BBL", 3, 0, 4) + bytes(4), 1)],
        [(struct.pack(">BBL", 9, 0, 4) + bytes(4), 1)],
        [(RELEASE_RQ, 1), (p_data(0x03, echo_command()), 0)],
    ],
)
def test_release_and_abort_in_every_place_end_the_same_way(site, reference, turns):
    request = associate_rq(CALLING, CALLED, [(CR, EXPLICIT)])
    assert talk(site.port, request, turns) == talk(reference[0], request, turns)
