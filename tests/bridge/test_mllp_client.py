"""The MLLP client against a sink that misbehaves: what counts as sent, what is sent again, what is not.

Not covered: what is sent (`test_hl7_report.py`), the outbox around it (`tests/workers`).
"""

from __future__ import annotations

import ssl

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs_bridge.errors import MessageRefused, Retriable
from pacs_bridge.hl7_ack import read_ack
from pacs_bridge.hl7_report import Hl7Header, build_oru, control_id
from pacs_bridge.mllp_client import MllpPeer, send_message
from tests.bridge import hl7_sink
from tests.bridge.hl7_sink import ack, run_sink
from tests.bridge.reports import message
from tests.ports import free_port

ORU = build_oru(message(), Hl7Header("JANUSMED", "", "RIS", ""))
ID = control_id("2.25.11")


def peer(port: int, tls: ssl.SSLContext | None = None) -> MllpPeer:
    return MllpPeer("localhost" if tls else "127.0.0.1", port, tls, answer_seconds=0.5)


@pytest.mark.covers("S6")
@pytest.mark.parametrize("behaviour", [hl7_sink.ACCEPT, hl7_sink.OTHER_ACK_FIRST, hl7_sink.COMMIT_FIRST])
def test_message_is_sent_when_its_own_aa_is_there(behaviour: str) -> None:
    with run_sink(behaviour) as sink:
        assert send_message(ORU, ID, peer(sink.port)).code == "AA"
    assert sink.received == [ORU]


@pytest.mark.covers("S6")
@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_refusal_is_final_and_its_reason_holds_no_text_of_the_receiver(code: str) -> None:
    with run_sink(code) as sink, pytest.raises(MessageRefused) as refused:
        send_message(ORU, ID, peer(sink.port))
    assert code in str(refused.value)
    assert "Doe" not in str(refused.value)
    assert ("204" in str(refused.value)) is code.startswith("A")


@pytest.mark.covers("S6")
@pytest.mark.parametrize(
    "behaviour",
    [hl7_sink.HANG_UP, hl7_sink.TAKE_AND_HANG_UP, hl7_sink.SAY_NOTHING, hl7_sink.GARBAGE, "CA"],
)
def test_everything_else_means_send_it_again(behaviour: str) -> None:
    with run_sink(behaviour) as sink:
        with pytest.raises(Retriable):
            send_message(ORU, ID, peer(sink.port))
        assert send_message(ORU, ID, peer(sink.port)).code == "AA"
    assert sink.received == [ORU, ORU]
    assert list(sink.accepted) == [ID]


def test_receiver_that_is_not_there_may_come_back() -> None:
    with pytest.raises(Retriable, match="cannot be reached"):
        send_message(ORU, ID, peer(free_port()))


@pytest.mark.covers("C1")
def test_message_over_tls_reaches_the_receiver_we_trust_and_no_other() -> None:
    authority, other = trustme.CA(), trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    trusting, distrusting = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(trusting)
    other.configure_trust(distrusting)
    with run_sink(tls=server) as sink:
        assert send_message(ORU, ID, peer(sink.port, trusting)).code == "AA"
        with pytest.raises(Retriable, match="do not trust"):
            send_message(ORU, ID, peer(sink.port, distrusting))
    assert sink.received == [ORU]


@pytest.mark.covers("T24")
@settings(deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=80).map(lambda noise: ack("AA", "X") + noise))
def test_no_bytes_break_the_reading_of_an_answer(content: bytes) -> None:
    answer = read_ack(content)
    assert answer is None or answer.code.isalnum()


@pytest.mark.parametrize("ends", [b"\r", b"\n", b"\r\n"])
def test_answers_with_odd_line_ends_are_read(ends: bytes) -> None:
    answer = read_ack(ack("AE", "ID7").replace(b"\r", ends))
    assert answer is not None
    assert (answer.code, answer.control_id, answer.error_codes) == ("AE", "ID7", ("204",))
