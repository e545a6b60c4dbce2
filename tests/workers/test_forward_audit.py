"""The audit log is told to a collector: every entry, in order, however long the collector is away.

Covered: outages, a collector that dies with what is on its way, restarts of ours, one teller at a time, the
settings. Not covered: the messages (`tests/unit/test_audit_xml_file.py`), frames (`tests/bridge`).
"""

from __future__ import annotations

import itertools
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from lxml import etree

from app.domain.access import service_actor
from app.domain.audit import AuditEvent, AuditFact
from app.domain.errors import ConfigurationError
from app.neighbours import AuditCollector
from app.services.audit_forwarding import audit_backlog, hold_collector
from app.settings import Settings
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.audit_forms import AuditSource
from app.workers.forward_audit import AuditForwarder, collector_of
from pacs_bridge.errors import Retriable
from pacs_bridge.syslog import Collector
from tests.bridge.audit_collector import CollectorServer
from tests.conftest import ROOT
from tests.workers.conftest import wait_until
from tests.workers.processes import Process

SCHEMA = etree.RelaxNG(etree.parse(ROOT / "tests" / "bridge" / "audit_message.rng"))
NAME = "collector:6514"


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    chosen = Settings(data_dir=data_dir)
    upgrade(chosen)
    return chosen


def append(store: Store, count: int, detail: str = "") -> None:
    """Let something happen `count` times."""
    for _ in range(count):
        with store.begin() as tx:
            fact = AuditFact(
                AuditEvent.SERVICE_STARTED, service_actor("test"), datetime.now(UTC), detail={"text": detail}
            )
            tx.audit.append(fact)


def forwarder(store: Store, server: CollectorServer, settle: float = 0.05) -> AuditForwarder:
    return AuditForwarder(
        store,
        Collector("127.0.0.1", server.port, None, timeout=5.0),
        name=NAME,
        source=AuditSource("JANUSMED", "Hospital"),
        settle=timedelta(seconds=settle),
    )


def tell_all(store: Store, teller: AuditForwarder, *, done: Callable[[], bool]) -> None:
    """Step until everything is told and noted; the collector may come and go meanwhile."""
    pause = threading.Event()
    for _ in range(2000):
        try:
            teller.step(now=datetime.now(UTC))
        except Retriable:
            pause.wait(0.05)
        if done() and audit_backlog(store, NAME) == 0:
            return
        pause.wait(0.01)
    raise AssertionError("not told in time")


def wait_until_away(teller: AuditForwarder) -> bool:
    """Step until the collector is found to be gone."""
    for _ in range(200):
        try:
            teller.step(now=datetime.now(UTC))
        except Retriable:
            return True
    return False


def in_order(numbers: list[int]) -> bool:
    """Whether nothing is missing and nothing new came before its turn; doubles are allowed."""
    seen = list(dict.fromkeys(numbers))
    return seen == list(range(1, len(seen) + 1))


@contextmanager
def open_collector() -> Iterator[CollectorServer]:
    server = CollectorServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.covers("A4", "T33")
def test_every_entry_is_told_once_in_order_and_valid(store: Store) -> None:
    append(store, 30)
    append(store, 1, detail="x" * 100_000)
    with open_collector() as server:
        teller = forwarder(store, server)
        tell_all(store, teller, done=lambda: True)
        teller.drop()
    assert server.numbers == list(range(1, 32))
    for message in server.taken:
        SCHEMA.assertValid(etree.fromstring(message.body))
        assert message.octets <= 32_768
        assert (message.pri, message.msgid) == (85, "DICOM+RFC3881")


@pytest.mark.covers("A4", "T32")
def test_outage_loses_nothing_and_keeps_the_order(store: Store) -> None:
    append(store, 5)
    with open_collector() as server:
        teller = forwarder(store, server)
        tell_all(store, teller, done=lambda: True)
        server.stop()
        append(store, 600)
        assert wait_until_away(teller)
        assert audit_backlog(store, NAME) == 600
        server.start()
        tell_all(store, teller, done=lambda: True)
        teller.drop()
    assert in_order(server.numbers)
    assert set(server.numbers) == set(range(1, 606))


@pytest.mark.covers("A4", "T32")
@pytest.mark.slow
def test_collector_that_dies_over_and_over_gets_everything_in_order(store: Store) -> None:
    append(store, 1000)
    with open_collector() as server:
        teller, stop = forwarder(store, server, settle=0.3), threading.Event()

        def come_and_go() -> None:
            for pause in itertools.cycle((0.15, 0.05, 0.3, 0.02, 0.2)):
                if stop.wait(pause):
                    return
                server.stop()
                stop.wait(pause / 3)
                server.start()

        thread = threading.Thread(target=come_and_go)
        thread.start()
        for _ in range(60):
            try:
                teller.step(now=datetime.now(UTC))
            except Retriable:
                stop.wait(0.05)
            stop.wait(0.05)
        stop.set()
        thread.join()
        tell_all(store, teller, done=lambda: True)
        teller.drop()
        print(f"\n{server.connections} connections, {len(server.numbers) - 1000} doubles, 1000 entries")
    assert server.connections > 3
    assert in_order(server.numbers)
    assert set(server.numbers) == set(range(1, 1001))


@pytest.mark.covers("A4")
def test_killed_teller_goes_on_where_it_surely_was(store: Store) -> None:
    append(store, 20)
    with open_collector() as server:
        first = forwarder(store, server, settle=3600.0)
        first.step(now=datetime.now(UTC))
        first.drop()
        later = datetime.now(UTC) + timedelta(minutes=2)
        second = forwarder(store, server)
        second.step(now=later)
        second.drop()
        wait_until(lambda: len(server.numbers) >= 40)
    assert server.numbers == [*range(1, 21), *range(1, 21)]


@pytest.mark.covers("A4")
@pytest.mark.slow
def test_delivery_process_tells_a_collector_over_tls(settings: Settings, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = CollectorServer(context)
    server.start()
    chosen = AuditCollector(host="localhost", port=server.port, ca_file=tmp_path / "ca.pem")
    with open_store(settings) as store:
        append(store, 10)
        with Process(settings.model_copy(update={"audit_collector": chosen}), "deliver"):
            wait_until(lambda: len(server.numbers) >= 10)
            append(store, 5)
            wait_until(lambda: audit_backlog(store, f"localhost:{server.port}") == 0)
    server.stop()
    assert in_order(server.numbers)
    assert len(set(server.numbers)) >= 15


def test_two_tellers_take_turns(store: Store) -> None:
    append(store, 3)
    now = datetime.now(UTC)
    assert hold_collector(store, NAME, "other", now=now) == 0
    with open_collector() as server:
        teller = forwarder(store, server)
        assert teller.step(now=now) == 0
        assert teller.step(now=now + timedelta(seconds=31)) == 3
        teller.drop()
    assert hold_collector(store, NAME, "other", now=now + timedelta(seconds=40)) is None


def test_collector_over_a_network_needs_tls() -> None:
    with pytest.raises(ConfigurationError, match="unencrypted"):
        collector_of(AuditCollector(host="10.0.0.9", plain=True))
    assert collector_of(AuditCollector(host="127.0.0.1", plain=True)).tls is None
    assert collector_of(AuditCollector(host="collector.example")).tls is not None


def test_missing_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="certificate"):
        collector_of(AuditCollector(host="collector.example", ca_file=tmp_path / "none.pem"))


def test_no_collector_is_the_default() -> None:
    assert Settings().audit_collector is None
