"""What a small send and C-ECHO cost a running large send, and wait beside it: `python -m bench.fairness`.

One association sends many slices, alone and with one 5-slice send after another beside it, in turns. Ours is
`janus-med listen` as in `bench.ingest`, with intake into PostgreSQL; the sender is DCMTK's storescu.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.ingest import empty, send, stop_database
from bench.ingest_instances import CT, SetMaker
from bench.ingest_receivers import AE_TITLE, ECHOSCU, run

MEASURES = ("L2",)
SMALL = 5
_MOST_SMALL = 200
_PAUSE = 0.1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=1300, help="slices of the large send")
    parser.add_argument("--folder", type=Path, default=None, help="where it stores; default the system's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="janus-med-fairness-", dir=options.folder) as base:
        os.chmod(base, 0o755)
        measure(Path(base), options.rounds, options.large)


def measure(base: Path, rounds: int, large: int) -> None:
    """Send alone and in company, in turns, and print each round and the medians."""
    maker, alone, shared, smalls, echoes = SetMaker(), [], [], [], []
    with run("ours", base / "receiver", no_delay=True) as receiver:
        for number in range(rounds):
            alone.append(_rate(maker, base / f"alone{number}", large, receiver.port))
            with _company(maker, base / f"company{number}", receiver.port, smalls, echoes):
                shared.append(_rate(maker, base / f"shared{number}", large, receiver.port))
            print(f"round {number + 1}: {alone[-1]:.0f} alone, {shared[-1]:.0f} in company", flush=True)
    stop_database(base / "receiver")
    empty(base / "receiver")
    share = statistics.median(s / a for s, a in zip(shared, alone, strict=True))
    print(
        f"large send: {statistics.median(alone):.0f} slices/s alone, {statistics.median(shared):.0f} with "
        f"small sends beside it, {share:.2f} of it; {len(smalls)} small sends of {SMALL}, median "
        f"{statistics.median(smalls):.2f} s, slowest {max(smalls):.2f} s; {len(echoes)} C-ECHO, median "
        f"{statistics.median(echoes):.3f} s, slowest {max(echoes):.3f} s, start of echoscu included; "
        f"load {os.getloadavg()[0]:.1f}"
    )


def _rate(maker: SetMaker, folder: Path, count: int, port: int) -> float:
    folders = maker.write(replace(CT, count=count), folder, 1)
    seconds = _timed(lambda: send(port, folders, no_delay=True))
    empty(folder)
    return count / seconds


@contextmanager
def _company(
    maker: SetMaker, folder: Path, port: int, smalls: list[float], echoes: list[float]
) -> Iterator[None]:
    """Send small sets and C-ECHO, one after the other, until the block ends."""
    sets = [maker.write(replace(CT, count=SMALL), folder / str(n), 1) for n in range(_MOST_SMALL)]
    stop = threading.Event()
    echo = [ECHOSCU, "-aet", "SENDER", "-aec", AE_TITLE, "127.0.0.1", str(port)]

    def send_small() -> None:
        while sets and not stop.wait(_PAUSE):
            smalls.append(_timed(lambda: send(port, sets.pop(), no_delay=True)))

    def ask() -> None:
        while not stop.wait(_PAUSE):
            echoes.append(_timed(lambda: subprocess.run(echo, check=True, capture_output=True)))

    threads = [threading.Thread(target=act) for act in (send_small, ask)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
