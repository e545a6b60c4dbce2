"""Several receiving processes behind one port: caps, studies, events and the spool hold over all of them.

Covered: placement, one cap and one event over all processes, one instance sent to two, kills of a child
and of the parent, stopping. Not covered: rates (bench).
"""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest

from pacs_bridge import FreeSpaceFloor, ListenerConfig, ListenerGroup, Peer, Spool
from tests.bridge.conftest import RecordedEvents, Site
from tests.bridge.peers import (
    CALLED,
    CALLING,
    CR,
    EXPLICIT,
    RawPeer,
    associate_rq,
    association,
    echo_works,
    encode,
    in_parallel,
    radiograph,
    store,
    store_dataset,
    wait_until,
)
from tests.bridge.test_kill import start


@pytest.fixture
def start_group(spool: Spool) -> Iterator[Callable[..., Site]]:
    running: list[ListenerGroup] = []

    def begin(**settings: Any) -> Site:
        events = RecordedEvents()
        spool.floor = FreeSpaceFloor(fraction=0.0, size=0)
        config = replace(ListenerConfig(ae_title=CALLED, peers=(Peer(CALLING),), port=0), **settings)
        group = ListenerGroup(config, spool, events, processes=2)
        group.start()
        running.append(group)
        return Site(group, spool, events)  # type: ignore[arg-type]

    yield begin
    for group in running:
        group.stop(timeout=0.2)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def connections(pid: int, port: int) -> int:
    """How many connections a process serves."""
    return sum(c.laddr.port == port for c in psutil.Process(pid).net_connections())


@pytest.mark.slow
@pytest.mark.covers("L3", "L11")
def test_cap_and_open_studies_hold_over_all_processes(start_group):
    site = start_group(maximum_associations=4)
    dataset = radiograph()
    with association(site.port) as assoc:
        assert store(assoc, encode(dataset), dataset.SOPInstanceUID) == 0x0000
        assert site.listener.open_studies() == {dataset.StudyInstanceUID}
        peers = [RawPeer.connect(site.port) for _ in range(3)]
        assert [peer.associate() for peer in peers] == [b"\x02"] * 3
        assert [connections(pid, site.port) for pid in site.listener.process_ids] == [2, 2]
        fifth = RawPeer.connect(site.port)
        fifth.send(associate_rq(CALLING, CALLED, [(CR, EXPLICIT)]))
        assert struct.unpack("BBB", fifth.receive_pdu()[7:10]) == (2, 3, 2)
        assert len(site.events.of("association_rejected")) == 1
        # four connections over two processes: each has some
        children = [psutil.Process(pid) for pid in site.listener.process_ids]
        assert [
            len([c for c in child.net_connections() if c.laddr.port == site.port]) >= 2 for child in children
        ]
        for peer in [*peers, fifth]:
            peer.close()
    assert wait_until(lambda: site.listener.open_associations == 0)
    assert wait_until(lambda: site.listener.open_studies() == frozenset())
    names = [name for name, _ in site.events.log]
    assert (
        names.index("association_opened") < names.index("instance_stored") < names.index("association_closed")
    )


@pytest.mark.slow
@pytest.mark.covers("L7")
def test_one_instance_to_two_processes_at_once_is_one(start_group):
    site = start_group()
    dataset = radiograph(side=128)
    assert in_parallel(10, lambda _: store_dataset(site.port, dataset)) == [0x0000] * 10
    assert len(site.spool.incoming()) == 1
    changed = radiograph(SOPInstanceUID=dataset.SOPInstanceUID, PatientID="P2")
    assert in_parallel(4, lambda _: store_dataset(site.port, changed)) == [0xC000] * 4
    assert len(site.spool.quarantined()) == 1


@pytest.mark.slow
@pytest.mark.covers("L1", "L9")
def test_killed_process_is_replaced_and_loses_nothing_acknowledged(start_group):
    site = start_group(maximum_associations=2)
    stored = []
    opened = []
    for _ in range(2):
        peer = RawPeer.connect(site.port)
        assert peer.associate() == b"\x02"
        opened.append(peer)
    assert wait_until(lambda: site.listener.open_associations == 2)
    before = site.listener.process_ids
    os.kill(before[0], signal.SIGKILL)
    assert wait_until(lambda: len(site.events.of("association_aborted")) == 1)
    assert site.listener.open_associations == 1
    for _ in range(3):
        dataset = radiograph()
        assert store_dataset(site.port, dataset) == 0x0000
        stored.append(dataset.SOPInstanceUID)
    assert wait_until(lambda: before[0] not in site.listener.process_ids)
    assert echo_works(site.port)
    assert site.stored_uids() == set(stored)
    for peer in opened:
        peer.close()


@pytest.mark.slow
def test_stopping_ends_every_process(start_group):
    site = start_group()
    children = site.listener.process_ids
    peer = RawPeer.connect(site.port)
    assert peer.associate() == b"\x02"
    site.listener.stop(timeout=0.2)
    assert peer.is_closed()
    assert all(gone(pid) for pid in children)
    assert site.events.of("association_aborted")[0][1] == "the listener is stopping"


@pytest.mark.slow
@pytest.mark.covers("L1", "R2")
def test_killed_parent_leaves_no_process_and_its_spool_can_be_taken_again(tmp_path):
    folder = tmp_path / "spool"
    process, hello = start(folder, processes=2)
    dataset = radiograph()
    assert store_dataset(hello["port"], dataset) == 0x0000
    process.kill()
    process.wait(10)
    assert wait_until(lambda: all(gone(pid) for pid in hello["children"]))
    again = Spool(folder, floor=FreeSpaceFloor(0.0, 0))
    again.recover(patience=5.0)
    assert [i.header.sop_instance_uid for i in again.incoming()] == [dataset.SOPInstanceUID]
    again.close()
