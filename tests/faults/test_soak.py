"""A long day in short: connections of every kind and stores, and the listener keeps its size (T09).

Covered: memory, threads and descriptors of the receiving process under C-STORE, releases, lost
connections and noise. Not covered: intake and the database beside it. `JANUS_TEST_SOAK_SECONDS` prolongs it,
at `JANUS_TEST_SOAK_RATE` connections a second (20): 1,800 seconds or more for a release.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.bridge.peers import RawPeer, encode, p_data, radiograph, store_command
from tests.conftest import ROOT
from tests.reliability import record

SECONDS = float(os.environ.get("JANUS_TEST_SOAK_SECONDS", "8"))
RATE = float(os.environ.get("JANUS_TEST_SOAK_RATE", "20"))
# the short run keeps no pace: as many as there is time for
PACE = 1 / RATE if "JANUS_TEST_SOAK_SECONDS" in os.environ else 0.0
WARM_UP = 120
AT_ONCE = 48
RELEASE = struct.pack(">BBL", 5, 0, 4) + bytes(4)
STATUS_SUCCESS = struct.pack("<HHLH", 0x0000, 0x0900, 2, 0x0000)


def connect(port: int) -> RawPeer:
    peer = RawPeer.connect(port)
    assert peer.associate() == b"\x02"
    return peer


def release(peer: RawPeer) -> None:
    peer.send(RELEASE)
    assert peer.receive_pdu()[:1] == b"\x06"
    peer.close()


def come_and_go(port: int, rng: random.Random) -> int:
    release(connect(port))
    return 0


def send(port: int, rng: random.Random) -> int:
    count, peer = rng.randint(1, 10), connect(port)
    for _ in range(count):
        dataset = radiograph(side=rng.choice([8, 64, 128]))
        peer.send(p_data(3, store_command(dataset.SOPInstanceUID)) + p_data(2, encode(dataset)))
        assert STATUS_SUCCESS in peer.receive_pdu()
    release(peer)
    return count


def leave_in_the_middle(port: int, rng: random.Random) -> int:
    peer = connect(port)
    peer.send(p_data(3, store_command("1.2.3")) + p_data(0, bytes(rng.randint(0, 100_000))))
    peer.close()
    return 0


def say_noise(port: int, rng: random.Random) -> int:
    peer = RawPeer.connect(port)
    peer.send(rng.randbytes(64))
    peer.close()
    return 0


def say_nothing(port: int, rng: random.Random) -> int:
    RawPeer.connect(port).close()
    return 0


def be_refused(port: int, rng: random.Random) -> int:
    peer = RawPeer.connect(port)
    assert peer.associate(calling="NOBODY") == b"\x03"
    peer.close()
    return 0


VISITS = (come_and_go, send, leave_in_the_middle, say_noise, say_nothing, be_refused)


def settled(process: psutil.Process) -> tuple[int, int, float]:
    """Descriptors, threads and resident MiB, once the last visitor is gone."""
    figures = []
    for _ in range(20):
        figures.append((process.num_fds(), process.num_threads()))
        time.sleep(0.1)
    fds, threads = min(figures)
    return fds, threads, process.memory_info().rss / 2**20


def slope(samples: list[tuple[float, float]]) -> float:
    """MiB per hour, least squares over (seconds, MiB)."""
    times, sizes = zip(*samples, strict=True)
    return float(statistics.linear_regression(times, sizes).slope * 3600)


def visit(port: int, process: psutil.Process, seconds: float) -> tuple[int, int, list[tuple[float, float]]]:
    """Send one visitor after the other; connections, instances and the samples of the memory."""
    rng, began = random.Random(20261122), time.monotonic()
    connections = instances = 0
    samples: list[tuple[float, float]] = []
    while (now := time.monotonic() - began) < seconds or connections < 2 * WARM_UP:
        instances += VISITS[connections % len(VISITS)](port, rng)
        connections += 1
        time.sleep(max(0.0, connections * PACE - (time.monotonic() - began)))
        if connections > WARM_UP:
            samples.append((now, process.memory_info().rss / 2**20))
    return connections, instances, samples


def fill_pools(port: int) -> None:
    """Let so many send at once that every pool of threads reaches its size."""
    with ThreadPoolExecutor(AT_ONCE) as senders:
        list(senders.map(lambda seed: send(port, random.Random(seed)), range(2 * AT_ONCE)))


def start(folder: Path) -> tuple[subprocess.Popen[str], Any]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bridge.listening_process", str(folder), "1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


@pytest.mark.slow
@pytest.mark.timeout(int(SECONDS) * 2 + 300)
@pytest.mark.covers("T09")
def test_a_listener_keeps_its_size(tmp_path: Path) -> None:
    process, hello = start(tmp_path / "spool")
    try:
        watched = psutil.Process(process.pid)
        # pools grow to their size once: with one visitor at a time they might do so in the middle of the soak
        fill_pools(hello["port"])
        visit(hello["port"], watched, 0)
        fds, threads, size = settled(watched)
        began = time.monotonic()
        connections, instances, samples = visit(hello["port"], watched, SECONDS)
        seconds = time.monotonic() - began
        fds_after, threads_after, size_after = settled(watched)
        second = samples[len(samples) // 2 :]
        record(
            f"soak_{seconds:.0f}_s",
            f"{seconds:.0f} s of connections of every kind, {connections:,}, with {instances:,} instances",
            f"memory {size:.1f} -> {size_after:.1f} MiB, slope {slope(samples):.1f} MiB an hour, of the "
            f"second half {slope(second):.1f}; descriptors {fds_after - fds:+d}, "
            f"threads {threads_after - threads:+d}",
            figures={"connections": connections, "slope_mib_h": round(slope(samples), 1)},
        )
        assert connections >= 2 * WARM_UP
        assert fds_after <= fds
        assert threads_after <= threads
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()
