"""Ended connections leave no memory behind, whatever Python's own collector would wait for."""

from __future__ import annotations

import gc

import psutil
import pytest

from pacs_bridge import reclaiming
from pacs_bridge.association import Association
from tests.bridge.peers import RawPeer, wait_until


def associations_in_memory() -> int:
    return sum(type(thing) is Association for thing in gc.get_objects())


@pytest.mark.covers("T09")
def test_ended_associations_are_freed_without_pythons_own_collections(site, monkeypatch):
    monkeypatch.setattr(reclaiming, "CONNECTIONS_BETWEEN", 20)
    gc.collect()
    before = associations_in_memory()
    gc.disable()
    try:
        for _ in range(99):
            peer = RawPeer.connect(site.port)
            assert peer.associate() == b"\x02"
            peer.close()
        assert wait_until(lambda: site.listener.open_associations == 0)
        # at most those that ended after the last collection, and one that was just ending
        assert wait_until(lambda: associations_in_memory() <= before + 20)
    finally:
        gc.enable()


@pytest.mark.covers("T09")
def test_memory_that_is_free_is_given_back_to_the_system():
    process = psutil.Process()
    # blocks far below the size that is mapped alone, with some kept between them
    blocks = [bytes([number % 251]) * 30_000 for number in range(4_000)]
    grown = process.memory_info().rss
    blocks = blocks[-1:]
    reclaiming.give_back_memory()
    assert grown - process.memory_info().rss > 80_000_000
    assert len(blocks) == 1
