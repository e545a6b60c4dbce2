"""Syslog over TLS: frames as RFC 5424 and 5425 have them, and a connection that knows what was taken."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import trustme

from pacs_bridge.errors import Retriable
from pacs_bridge.syslog import NOTICE, WARNING, Collector, SyslogConnection, SyslogOrigin, frame_syslog
from tests.bridge.audit_collector import CollectorServer
from tests.bridge.peers import wait_until

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORIGIN = SyslogOrigin("host.example", process="12")


def frame(seq: int, body: bytes = b"<AuditMessage/>", severity: int = NOTICE) -> bytes:
    return frame_syslog(body, ORIGIN, at=NOW, seq=seq, severity=severity)


@pytest.fixture
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.fixture
def collector(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[CollectorServer]:
    server = CollectorServer(contexts[0])
    server.start()
    yield server
    server.stop()


def test_frame_counts_its_octets_and_has_every_field():
    framed = frame(7, "Grüße".encode())
    length, _, message = framed.partition(b" ")
    assert int(length) == len(message)
    assert message.startswith(b"<85>1 2026-11-22T12:00:00.000Z host.example janus-med 12 DICOM+RFC3881 ")
    assert message.endswith(b'[audit@32473 seq="7"] \xef\xbb\xbf' + "Grüße".encode())
    assert frame(7, severity=WARNING).partition(b" ")[2].startswith(b"<84>1 ")


def test_header_fields_are_printable_words():
    odd = SyslogOrigin("hö st\n", application="", process="x" * 200)
    words = frame_syslog(b"", odd, at=NOW, seq=1, severity=NOTICE).split(b" ")
    assert words[3:6] == [b"hst", b"-", b"x" * 128]


def has_gone(connection: SyslogConnection) -> bool:
    try:
        connection.settled()
    except Retriable:
        return True
    return False


@pytest.mark.covers("A4")
def test_messages_of_the_largest_size_pass_in_order(
    collector: CollectorServer, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
):
    connection = SyslogConnection(Collector("localhost", collector.port, contexts[1]))
    connection.send(b"".join(frame(n, b"x" * 32_768) for n in range(50)))
    assert wait_until(lambda: collector.numbers == list(range(50)))
    assert {len(message.body) for message in collector.taken} == {32_768}
    assert wait_until(connection.settled)
    connection.close()


def test_unknown_issuer_and_wrong_name_are_not_told_anything(
    collector: CollectorServer, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
):
    with pytest.raises(Retriable, match="TLS"):
        SyslogConnection(Collector("localhost", collector.port, ssl.create_default_context()))
    with pytest.raises(Retriable, match="TLS"):
        SyslogConnection(Collector("127.0.0.1", collector.port, contexts[1]))
    assert collector.connections == 0


def test_collector_that_goes_away_is_noticed(
    collector: CollectorServer, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
):
    connection = SyslogConnection(Collector("localhost", collector.port, contexts[1]))
    connection.send(frame(1))
    assert wait_until(lambda: collector.numbers == [1])
    collector.stop()

    assert wait_until(lambda: has_gone(connection))
    with pytest.raises(Retriable):
        connection.settled()
    connection.close()


def test_collector_that_does_not_read_has_not_settled(contexts: tuple[ssl.SSLContext, ssl.SSLContext]):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection = SyslogConnection(Collector("127.0.0.1", deaf.getsockname()[1], None, timeout=0.5))
        with pytest.raises(Retriable):
            connection.send(b"x" * 64 * 1024**2)


def test_nobody_there_is_retriable():
    with pytest.raises(Retriable, match="cannot be reached"):
        SyslogConnection(Collector("127.0.0.1", 1, None))
