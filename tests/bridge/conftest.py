"""A real listener on a real port with a real spool, and what it told its events."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pacs_bridge import (
    AssociationFacts,
    FreeSpaceFloor,
    Listener,
    ListenerConfig,
    Peer,
    ReceivedInstance,
    Spool,
    SpoolSink,
    read_header,
)
from tests.bridge.peers import CALLED, CALLING, EXPLICIT, encode

NO_FLOOR = FreeSpaceFloor(fraction=0.0, size=0)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ASSOCIATION = AssociationFacts("a1", CALLING, CALLED, "127.0.0.1")


@dataclass
class RecordedEvents:
    """Keeps every event in order, as (name, arguments)."""

    log: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments: self.log.append((name, arguments))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for event, arguments in self.log if event == name]


@dataclass
class Site:
    """A running listener with what stands behind it."""

    listener: Listener
    spool: Spool
    events: RecordedEvents

    @property
    def port(self) -> int:
        return self.listener.port

    def stored_uids(self) -> set[str]:
        return {instance.header.sop_instance_uid for instance in self.spool.incoming()}


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a busy disk makes every fsync wait for others."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="bridge-") as folder:
        yield Path(folder)


@pytest.fixture
def spool(fast_folder: Path) -> Iterator[Spool]:
    spool = Spool(fast_folder / "spool", floor=NO_FLOOR)
    spool.recover()
    yield spool
    spool.close()


@pytest.fixture
def start_site(spool: Spool) -> Iterator[Callable[..., Site]]:
    """Start a listener, on another spool, with other events or services; the rest is its configuration."""
    running: list[Listener] = []

    def start(*, on: Spool = spool, events: Any = None, services: Any = (), **settings: Any) -> Site:
        told = RecordedEvents() if events is None else events
        config = replace(ListenerConfig(ae_title=CALLED, peers=(Peer(CALLING),), port=0), **settings)
        listener = Listener(config, SpoolSink(on), told, services=services)
        listener.start()
        running.append(listener)
        return Site(listener, on, told)

    yield start
    for listener in running:
        listener.stop(timeout=0.2)


@pytest.fixture
def site(start_site: Callable[..., Site]) -> Site:
    """A listener with defaults that admits MODALITY1."""
    return start_site()


def received(dataset: Any, *, data: bytes | None = None, syntax: str = EXPLICIT) -> ReceivedInstance:
    """A received instance that did not come over the network."""
    return ReceivedInstance.of_bytes(
        encode(dataset, syntax) if data is None else data,
        association=ASSOCIATION,
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        transfer_syntax=syntax,
        received_at=NOW,
    )


def put(spool: Spool, dataset: Any) -> Any:
    """Store a data set in a spool."""
    instance = received(dataset)
    return spool.store(instance, read_header(encode(dataset), EXPLICIT))
