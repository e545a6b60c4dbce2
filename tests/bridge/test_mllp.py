"""The MLLP server over real sockets: who may send, what is answered, and that nothing stops it.

Covered: acknowledgements in original and enhanced mode, the allow-list, a malformed corpus on one connection,
oversize and dripping messages, many connections, TLS with and without a client certificate, stopping.
Not covered here: that an acknowledged message is in the database (`tests/workers/test_hl7_in.py`).
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacs_bridge.errors import Fatal
from pacs_bridge.hl7_reply import ACCEPTED, INTERNAL_ERROR, Reply, Verdict, reject
from pacs_bridge.mllp import MllpServer
from pacs_bridge.mllp_config import Hl7Peer, MllpConfig, ReceivedMessage
from tests.bridge.hl7_peers import APPLICATION, FACILITY, Sender, header, order

PEER = Hl7Peer(APPLICATION, FACILITY)


class Desk:
    """A sink that notes what it is given, and says what it is told to say."""

    def __init__(self) -> None:
        self.received: list[ReceivedMessage] = []
        self.refusals: list[tuple[str, str]] = []
        self.verdict: Callable[[ReceivedMessage], Reply] = lambda _: ACCEPTED

    def receive(self, received: ReceivedMessage) -> Reply:
        self.received.append(received)
        return self.verdict(received)

    def refused(self, source: str, reason: str) -> None:
        self.refusals.append((source, reason))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def serve(desk: Desk) -> Iterator[Callable[..., MllpServer]]:
    """Start servers in front of the desk; they are stopped afterwards."""
    servers: list[MllpServer] = []

    def start(**options: object) -> MllpServer:
        server = MllpServer(MllpConfig(**{"peers": (PEER,), **options}), desk)  # type: ignore[arg-type]
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


def test_a_message_is_acknowledged_after_the_sink_took_it(serve, desk) -> None:
    with Sender(serve().port) as sender:
        answer = sender.ask(order("M1"))

    assert answer["MSA"][1:3] == ["AA", "M1"]
    assert answer["MSH"][2:6] == ["JANUSMED", "RADIOLOGY", APPLICATION, FACILITY]
    assert answer["MSH"][8] == "ACK^O01^ACK"
    assert answer["MSH"][10:12] == ["P", "2.5.1"]
    assert "ERR" not in answer
    assert [(each.sender, each.control_id) for each in desk.received] == [("RIS|HOSPITAL", "M1")]


@pytest.mark.parametrize(
    ("reply", "code"),
    [(reject(200, "not | understood"), "AR"), (Reply(Verdict.ERROR, INTERNAL_ERROR, "not now"), "AE")],
)
def test_a_refusal_says_whether_to_try_again_and_why(serve, desk, reply, code) -> None:
    desk.verdict = lambda _: reply
    with Sender(serve().port) as sender:
        answer = sender.ask(order("M1"))

    assert answer["MSA"][1:3] == [code, "M1"]
    assert answer["ERR"][3].split("^")[0] == str(reply.condition)
    assert answer["ERR"][8] == reply.reason.replace("|", "\\F\\")


def test_a_sink_that_fails_is_an_error_to_be_tried_again(serve, desk) -> None:
    def fail(_: ReceivedMessage) -> Reply:
        raise RuntimeError("Example^Person")

    desk.verdict = fail
    with Sender(serve().port) as sender:
        answer = sender.ask(order("M1"))

    assert answer["MSA"][1] == "AE"
    assert "Example" not in str(answer)


@pytest.mark.parametrize(
    ("accept", "application", "good", "codes"),
    [
        ("AL", "NE", True, ["CA"]),
        ("AL", "NE", False, ["CE"]),
        ("NE", "AL", True, ["AA"]),
        ("ER", "NE", False, ["CE"]),
        ("AL", "AL", True, ["CA", "AA"]),
        ("SU", "ER", False, ["AE"]),
    ],
)
def test_enhanced_mode_answers_what_is_asked_for(serve, desk, accept, application, good, codes) -> None:
    if not good:
        desk.verdict = lambda _: Reply(Verdict.ERROR, INTERNAL_ERROR, "not now")
    message = order("M1").replace(
        header("ORM^O01^ORM_O01", "M1"),
        header("ORM^O01^ORM_O01", "M1", accept=accept, application=application),
    )
    with Sender(serve().port) as sender:
        found = [sender.ask(message), *(sender.answer() for _ in codes[1:])]

    assert [answer["MSA"][1:3] for answer in found] == [[code, "M1"] for code in codes]


def test_nothing_is_answered_when_nothing_is_asked_for(serve, desk) -> None:
    plain, quiet = (header("ORM^O01^ORM_O01", "M1", accept=a, application=a) for a in ("", "NE"))
    silent = order("M1").replace(plain, quiet)
    with Sender(serve().port) as sender:
        sender.sock.sendall(b"\x0b" + silent.encode() + b"\x1c\r")
        answer = sender.ask(order("M2"))

    assert answer["MSA"][2] == "M2"
    assert [each.control_id for each in desk.received] == ["M1", "M2"]


MALFORMED = [
    b"",
    b"hello",
    b"PID|1||P1",
    b"MSH",
    b"MSH|^~\\&|RIS",
    b"MSH||||RIS|HOSPITAL",
    order().encode() + b"\rno segment",
    order(charset="EBCDIC").encode(),
    order(charset="UNICODE UTF-8").encode() + b"\xff",
    order().encode("utf-16"),
    b"\x00" * 5000,
    b"FHS|^~\\&|RIS\rBHS|^~\\&|RIS\r" + order().encode(),
]


@pytest.mark.covers("T27")
def test_what_cannot_be_read_is_rejected_and_the_next_message_is_taken(serve, desk) -> None:
    with Sender(serve().port) as sender:
        for content in MALFORMED:
            assert sender.ask(content)["MSA"][1] == "AR", content
        assert sender.ask(order("GOOD"))["MSA"][1:3] == ["AA", "GOOD"]

    assert [each.control_id for each in desk.received] == ["GOOD"]


def test_a_rejection_names_the_message_where_it_can(serve) -> None:
    with Sender(serve().port) as sender:
        answer = sender.ask(order("M7").encode() + b"\rno segment")
        unreadable = sender.ask(order("M8", charset="EBCDIC"))

    assert answer["MSA"][1:3] == ["AR", "M7"]
    assert unreadable["MSA"][1:3] == ["AR", "M8"]
    assert unreadable["ERR"][3].startswith("103^")


def test_messages_of_other_applications_are_rejected_and_reported(serve, desk) -> None:
    with Sender(serve().port) as sender:
        answer = sender.ask(order("M1").replace("|RIS|", "|EVIL|"))
        elsewhere = sender.ask(order("M2").replace("|HOSPITAL|", "|ELSEWHERE|"))

    assert answer["MSA"][1:3] == ["AR", "M1"]
    assert elsewhere["MSA"][1:3] == ["AR", "M2"]
    assert desk.received == []
    assert desk.refusals == 2 * [("127.0.0.1", "the sending application is not allowed")]


def test_addresses_that_are_not_allowed_are_not_served(serve, desk) -> None:
    server = serve(peers=(Hl7Peer(APPLICATION, networks=("10.1.2.0/24",)),))
    with Sender(server.port) as sender:
        assert sender.is_closed()
    server.stop()

    assert desk.refusals == [("127.0.0.1", "no system may send HL7 from this address")]


def test_nobody_is_served_without_a_peer(serve, desk) -> None:
    with Sender(serve(peers=()).port) as sender:
        assert sender.is_closed()


def test_a_message_without_control_id_is_rejected(serve) -> None:
    with Sender(serve().port) as sender:
        answer = sender.ask(order(""))

    assert answer["MSA"][1] == "AR"
    assert answer["ERR"][3].startswith("101^")


def test_a_megabyte_is_taken_and_what_is_larger_than_the_limit_is_rejected(serve, desk) -> None:
    with Sender(serve(largest_message=2_000_000).port) as sender:
        assert sender.ask(order("M1", indication="x" * 1_048_576))["MSA"][1:3] == ["AA", "M1"]
        assert sender.ask(order("M2", indication="x" * 2_000_000))["MSA"][1:3] == ["AR", "M2"]
        assert sender.ask(order("M3"))["MSA"][1:3] == ["AA", "M3"]

    assert [each.control_id for each in desk.received] == ["M1", "M3"]


def test_a_message_that_does_not_end_is_cut_off_and_holds_up_nobody(serve) -> None:
    server = serve(message_seconds=0.5)
    with Sender(server.port) as slow, Sender(server.port) as other:
        slow.sock.sendall(b"\x0bMSH|^~")
        assert other.ask(order("M1"))["MSA"][1] == "AA"
        assert slow.is_closed()


def test_a_silent_connection_is_closed_at_last(serve) -> None:
    with Sender(serve(idle_seconds=0.3).port) as sender:
        assert sender.is_closed()


def test_one_connection_too_many_is_closed_and_a_place_is_free_again(serve) -> None:
    server = serve(maximum_connections=2)
    with Sender(server.port) as first:
        with Sender(server.port) as second:
            assert first.ask(order("M1"))["MSA"][1] == second.ask(order("M2"))["MSA"][1] == "AA"
            with Sender(server.port) as third:
                assert third.is_closed()
        wait_for_place(server)


def wait_for_place(server: MllpServer) -> None:
    for _ in range(200):
        with Sender(server.port) as sender:
            try:
                assert sender.ask(order("M3"))["MSA"][1] == "AA"
            except (AssertionError, OSError):
                threading.Event().wait(0.02)
            else:
                return
    raise AssertionError("no place became free")


def test_many_connections_each_get_their_own_answers(serve, desk) -> None:
    server, wrong = serve(), []

    def send(number: int) -> None:
        with Sender(server.port) as sender:
            for place in range(20):
                control_id = f"{number}-{place}"
                if sender.ask(order(control_id))["MSA"][1:3] != ["AA", control_id]:
                    wrong.append(control_id)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert wrong == []
    assert len(desk.received) == 160


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=200), max_size=4))
def test_any_bytes_leave_the_server_answering(shared_server: MllpServer, pieces: list[bytes]) -> None:
    with Sender(shared_server.port) as hostile:
        for piece in pieces:
            hostile.sock.sendall(piece)
    with Sender(shared_server.port) as sender:
        assert sender.ask(order("M1"))["MSA"][1:3] == ["AA", "M1"]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[MllpServer]:
    server = MllpServer(MllpConfig(peers=(PEER,)), Desk())
    server.start()
    yield server
    server.stop()


def test_a_message_in_work_is_answered_when_the_server_stops(serve, desk) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def take_time(_: ReceivedMessage) -> Reply:
        begun.set()
        go_on.wait(20)
        return ACCEPTED

    desk.verdict = take_time
    server = serve()
    with Sender(server.port) as sender, Sender(server.port) as idle:
        sender.sock.sendall(b"\x0b" + order("M1").encode() + b"\x1c\r")
        assert begun.wait(20)
        stopping = threading.Thread(target=server.stop, args=(20,))
        stopping.start()
        assert idle.is_closed()
        go_on.set()
        assert sender.answer()["MSA"][1:3] == ["AA", "M1"]
        stopping.join(20)


def test_a_taken_port_is_named(serve) -> None:
    with pytest.raises(Fatal, match="cannot listen on port"):
        serve(port=serve().port)


def test_tls_asks_for_the_certificate_and_a_silent_handshake_holds_up_nobody(serve) -> None:
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    server = serve(tls=context)

    with socket.create_connection(("127.0.0.1", server.port)):
        assert tls_ask(server.port, authority, authority.issue_cert("ris"))["MSA"][1:3] == ["AA", "M1"]
    with pytest.raises((ssl.SSLError, OSError, AssertionError)):
        tls_ask(server.port, authority, other.issue_cert("ris"))
    with Sender(server.port) as plain:
        plain.sock.sendall(b"\x0b" + order("M1").encode() + b"\x1c\r")
        with pytest.raises((AssertionError, OSError)):
            plain.answer()


def tls_ask(port: int, authority: trustme.CA, certificate: trustme.LeafCert) -> dict[str, list[str]]:
    """Send one message over TLS with a client certificate."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    certificate.configure_cert(context)
    with Sender(port) as sender:
        sender.sock = context.wrap_socket(sender.sock, server_hostname="localhost")
        return sender.ask(order("M1"))
