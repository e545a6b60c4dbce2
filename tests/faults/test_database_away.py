"""The database stops under load and comes back: receiving goes on, and nothing is lost.

Covered: receipt, intake and drafting jobs across an outage of the database; a locked table; start without a
database. Not covered: deadlocks (`tests/store`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.domain.access import service_actor
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.runtime import Worker
from tests.faults.test_listener_killed import Sender, indexed
from tests.workers.conftest import NotingTask, defer, depth, run_worker, wait_until
from tests.workers.processes import Process, system_settings


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    chosen = system_settings(data_dir, quiet_seconds=3600.0)
    upgrade(chosen)
    return chosen


@pytest.fixture
def embedded(settings: Settings) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(settings)
    server.attach()
    yield server
    server.stop()


@pytest.fixture
def store(settings: Settings, embedded: EmbeddedPostgres) -> Iterator[Store]:
    with open_store(settings) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.covers("T07", "R2")
def test_receiving_goes_on_while_the_database_is_away(
    settings: Settings,
    embedded: EmbeddedPostgres,
    store: Store,
    ct_slice: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop = threading.Event()
    senders = [Sender(settings, ct_slice, number, stop) for number in range(4)]
    with Process(settings, "listen") as listener:
        listener.wait_until_ready()
        for sender in senders:
            sender.start()
        wait_until(lambda: bool(listener.events("indexed")))
        before = sum(len(sender.acknowledged) for sender in senders)
        embedded.stop()
        wait_until(lambda: bool(listener.events("database away, receiving goes on")))
        during = sum(len(sender.acknowledged) for sender in senders)
        wait_until(lambda: sum(len(s.acknowledged) for s in senders) > during + 20)
        embedded.attach()
        wait_until(lambda: bool(listener.events("database back")), 60)
        stop.set()
        for sender in senders:
            sender.join(30)
        wait_until(lambda: not any((settings.spool_dir / "incoming").iterdir()), 60)
        assert len(listener.events("database away, receiving goes on")) == 1
        assert listener.stop() == 0
    acknowledged = [uid for sender in senders for uid in sender.acknowledged]
    rows = indexed(store)
    with capsys.disabled():
        lost = len(set(acknowledged) - set(rows))
        print(f"\n{before} acknowledged before, {len(acknowledged)} in all, {lost} lost")
    assert set(acknowledged) <= set(rows)


@pytest.mark.slow
@pytest.mark.covers("T07")
def test_receiving_goes_on_while_a_table_is_locked(
    settings: Settings, embedded: EmbeddedPostgres, store: Store, ct_slice: Path
) -> None:
    """Longer than the application waits for a lock (10 s): intake gives up, tries again, takes everything."""
    stop = threading.Event()
    sender = Sender(settings, ct_slice, 0, stop)
    with Process(settings, "listen") as listener:
        listener.wait_until_ready()
        with psycopg.connect(embedded.attach().owner) as owner:
            owner.execute("LOCK TABLE studies IN ACCESS EXCLUSIVE MODE")
            sender.start()
            wait_until(lambda: bool(listener.events("database away, receiving goes on")), 60)
            during = len(sender.acknowledged)
            wait_until(lambda: len(sender.acknowledged) > during + 5)
        stop.set()
        sender.join(30)
        wait_until(lambda: set(sender.acknowledged) <= set(indexed(store)), 60)
        assert listener.stop() == 0


@pytest.mark.slow
@pytest.mark.covers("T07", "R2")
def test_worker_goes_on_when_the_database_is_back(
    settings: Settings, embedded: EmbeddedPostgres, store: Store
) -> None:
    held, release = threading.Event(), threading.Event()

    def act(n: int) -> None:
        if n == 0:
            held.set()
            release.wait(30)

    task = NotingTask(act)
    for n in range(3):
        defer(store, n=n)
    with run_worker(Worker(store, settings, service_actor("test"), [task])):
        assert held.wait(30)
        embedded.stop()
        release.set()
        embedded.attach()
        wait_until(lambda: {run["n"] for run in task.runs} == {0, 1, 2}, 60)
        wait_until(lambda: depth(store) == (0, 0), 60)
    assert task.given_up == []


@pytest.mark.slow
@pytest.mark.covers("T07")
def test_listener_starts_without_a_database_and_indexes_later(
    settings: Settings, embedded: EmbeddedPostgres, ct_slice: Path
) -> None:
    from pacs_bridge.destination import Destination
    from pacs_bridge.store_scu import send_instances

    nowhere = settings.model_copy(update={"database_url": "postgresql+psycopg://nobody:x@127.0.0.1:1/none"})
    with Process(nowhere, "listen") as listener:
        listener.wait_until_ready()
        here = Destination(settings.ae_title, "127.0.0.1", settings.dicom_port)
        send_instances([ct_slice], here, calling_ae="SENDER")
        wait_until(lambda: bool(listener.events("database away, receiving goes on")))
        assert listener.stop() == 0
        assert '"x"' not in listener.output()
    with Process(settings, "listen") as listener:
        listener.wait_until_ready()
        wait_until(lambda: bool(listener.events("indexed")))
