"""Readers of bytes from the network raise nothing but their own errors, and a listener outlives any peer.

Short runs of `tests.fuzz.run` and `tests.fuzz.live`; the long ones (a million executions a reader, 100,000
associations) are run by hand and stand in `docs/reliability.md`. `JANUS_TEST_FUZZ_RUNS` and
`JANUS_TEST_FUZZ_ASSOCIATIONS` make these longer.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fuzz.live import run
from tests.fuzz.run import fuzz

RUNS = int(os.environ.get("JANUS_TEST_FUZZ_RUNS", "20000"))
ASSOCIATIONS = int(os.environ.get("JANUS_TEST_FUZZ_ASSOCIATIONS", "2000"))

pytestmark = [pytest.mark.slow, pytest.mark.covers("T24")]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", ["header", "request", "stream", "command"])
def test_reader_raises_nothing_but_its_own_errors(target: str) -> None:
    figures = fuzz(target, RUNS, seed=1)
    print(figures)
    assert figures["runs"] >= RUNS


@pytest.mark.timeout(3600)
@pytest.mark.covers("T15", "L13")
def test_listener_serves_good_peers_among_mutated_associations(tmp_path: Path) -> None:
    figures = run(ASSOCIATIONS, 1, tmp_path / "spool")
    print(figures)
    assert figures["alive"]
    assert figures["good_peer_refused"] == 0
    assert figures["temporary_files"] == 0
    assert figures["threads_delta"] <= 2
    assert figures["descriptors_delta"] <= 2
